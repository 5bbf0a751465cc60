// SPDX-License-Identifier: MIT
/* The threads of a container's processes, for criu/obstacles.h. */
#include <stdio.h>
#include <unistd.h>

#include "base/own.h"
#include "criu/obstacles_priv.h"

/* Is `tid` one of the threads of `pid`?  With the number that a thread had, the kernel shows a timer's even when it has ended. */
static bool is_thread_of(pid_t pid, pid_t tid)
{
	own_free char *path = xasprintf("/proc/%d/task/%d", (int)pid, (int)tid);

	return access(path, F_OK) == 0;
}

/* CRIU 4.2 reads the timers before it knows the first thread's number inside ("Unable to convert the notify thread id"). */
void obstacles_look_at_timers(struct look *l, pid_t pid)
{
	static const struct obstacle_rule first = {
		"it signals the first thread alone (SIGEV_THREAD_ID), which cannot be moved",
		"let it signal the process or another thread, or stop the program", true
	};
	static const struct obstacle_rule ended = {
		"it signals a thread that has ended (SIGEV_THREAD_ID), which cannot be moved", "restart the program", true
	};
	own_free char *timers = obstacles_proc_text(pid, "timers", OBSTACLES_TEXT_MAX);
	const char *at = timers;
	pid_t tid;
	int id;

	while (at && obstacle_next_timer(&at, &id, &tid)) {
		own_free char *object = xasprintf("POSIX timer %d", id);

		if (tid == pid)
			obstacles_found(l, pid, &first, object);
		else if (!is_thread_of(pid, tid) && is_thread_of(pid, pid))
			obstacles_found(l, pid, &ended, object);
	}
}
