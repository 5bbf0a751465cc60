/* SPDX-License-Identifier: MIT */
/*
 * criu/carry/tasks.h - what every task of a container is: written down at the source when it has been saved, compared
 * with what was restored before the COMMIT.
 *
 * CRIU says that it has restored everything; where it has not (a kernel, a version, a fault of it or of ours), a
 * process would go on with somebody else's rights or limits, in silence.  And some things it never restores, though they can be
 * given to a task from outside: those are given here.
 *
 *	frozen, saved    tasks_read ── tasks_put ══ an image ══ tasks_get ── tasks_settle    restored, held
 *	                                             tasks_read ──┘
 *
 * A task is a text, a line for each thing: "KEY\tVALUE".  Keys that begin with a capital letter are the kernel's
 * (/proc/PID/status, limits) and are compared where both kernels have them; the others are ours, and must be there:
 *
 *	sched ioprio slack cpus             each thread, given
 *	oom_score_adj                       given
 *	personality
 *	descriptors                         their numbers, and what kind of thing each is
 *	ns KIND                             the first process that is in the same one
 *	mount PATH                          what it forbids, in the first process of each mount namespace; given
 *
 * "Max …" (limits), Coredump_filter and Autogroup are given, too.  Without CAP_SYS_RESOURCE a limit that this server's own
 * is below stays below: that is logged.
 *
 * Not compared: what CRIU itself compares while it restores (files by size and build-ID), memory (mem/), what is no
 * longer the same when the source's freeze has ended a call (the mask of blocked signals), zombies.
 */
#ifndef CRIU_CARRY_TASKS_H
#define CRIU_CARRY_TASKS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"
#include "mem/procs.h"

struct task {
	pid_t tid;	  /* here; 0: it is another server's */
	pid_t vpid, vtid; /* of its process and its own, in the container */
	char *text;	  /* owned */
};

struct tasks {
	struct task *v; /* by vpid, then vtid */
	size_t n;
};

#define TASKS_INIT { NULL, 0 }
#define own_tasks __attribute__((cleanup(tasks_fini)))

void tasks_fini(struct tasks *t);

/* All threads of these processes, which stand still.  About 0.1 ms a process and 0.05 ms a thread. */
int tasks_read(struct tasks *t, const struct proc *p, size_t n, struct err *e);

/* The file of the images that carries them. */
#define TASKS_IMAGE "pmigrate-tasks.img"

/* Pure; _get: of a peer. */
void tasks_put(struct buf *b, const struct tasks *t);
int tasks_get(struct tasks *t, const void *data, size_t len, struct err *e);

/* Gives task `tid` a value; *done stays false where that is not possible for this key. */
typedef int tasks_give_fn(pid_t tid, const char *key, const char *value, bool *done, struct err *e);
tasks_give_fn tasks_give;

/* Pure but for `give` (NULL: nothing is given).  The first difference that remains is the error: which process, what, and both values. */
int tasks_settle(const struct tasks *saved, const struct tasks *now, tasks_give_fn *give, struct err *e);

#endif
