/* SPDX-License-Identifier: MIT */
/* criu/carry/tasks_priv.h - between tasks_read.c and tasks_give.c only. */
#ifndef CRIU_CARRY_TASKS_PRIV_H
#define CRIU_CARRY_TASKS_PRIV_H

#include <sched.h>
#include <stdint.h>
#include <sys/types.h>

/* linux/sched/types.h: struct sched_attr of the first version, which libc does not have. */
struct task_sched {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
};

enum { TASK_SCHED_DEADLINE = 6 };

/* The CPUs that a process in this one's cgroup gets when it asks for all. */
void tasks_available(pid_t pid, cpu_set_t *out);

#endif
