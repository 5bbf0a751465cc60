// SPDX-License-Identifier: MIT
/* The threads of a container's processes, for criu/check/obstacles.h. */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/own.h"
#include "criu/check/priv.h"
#include "mem/procs.h"

/* Is `tid` one of the threads of `pid`?  With the number that a thread had, the kernel shows a timer's even when it has ended. */
static bool is_thread_of(pid_t pid, pid_t tid)
{
	own_free char *path = xasprintf("/proc/%d/task/%d", (int)pid, (int)tid);

	return access(path, F_OK) == 0;
}

/* CRIU 4.2 reads the timers before it knows the first thread's number inside ("Unable to convert the notify thread id"). */
static void look_at_timers(struct look *l, pid_t pid)
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

/* ---- what else CRIU 4.2 gives up at ---- */

/* Is this bit set in the mask of a line such as "\nSigPnd:" of /proc/PID/status? */
static bool in_mask(const char *status, const char *key, int sig)
{
	const char *at = strstr(status, key);

	return at && strtoull(at + strlen(key), NULL, 16) >> (sig - 1) & 1;
}

/* CRIU's own code in a process stops by it ("a pending SIGTRAP"). */
static bool has_pending_trap(const char *status)
{
	return in_mask(status, "\nSigBlk:", SIGTRAP) &&
	       (in_mask(status, "\nSigPnd:", SIGTRAP) || in_mask(status, "\nShdPnd:", SIGTRAP));
}

static void look_at_traps(struct look *l, pid_t pid)
{
	static const struct obstacle_rule pending = {
		"SIGTRAP waits while it is blocked, and it cannot be moved so", "restart the program", true
	};
	own_free char *path = xasprintf("/proc/%d/task", (int)pid);
	own_dir DIR *d = opendir(path);
	struct dirent *entry;

	while (d && (entry = readdir(d))) {
		own_free char *file = xasprintf("%s/status", entry->d_name);
		own_free char *status = NULL;

		if (entry->d_name[0] == '.' || file_read(dirfd(d), file, OBSTACLES_TEXT_MAX, &status, NULL, NULL) < 0)
			continue;
		if (has_pending_trap(status)) {
			obstacles_found(l, pid, &pending, "signal");
			return;
		}
	}
}

/* Has the first thread ended and others have not?  So it is for a moment in each that ends, too. */
static bool lacks_first_thread(pid_t pid)
{
	own_free char *status = obstacles_proc_text(pid, "status", OBSTACLES_TEXT_MAX);

	return status && strstr(status, "\nState:\tZ") && proc_status_last(status, "\nThreads:") > 1;
}

static void look_at_first_thread(struct look *l, pid_t pid)
{
	static const struct obstacle_rule ended = {
		"its first thread has ended while others go on, and it cannot be moved so", "restart the program, or stop it", true
	};

	for (int i = 0; lacks_first_thread(pid); i++) {
		if (i == OBSTACLES_LOOKS) {
			obstacles_found(l, pid, &ended, "process");
			break;
		}
		clock_sleep_ms(OBSTACLES_LOOK_MS);
	}
}

void obstacles_look_at_threads(struct look *l, pid_t pid)
{
	look_at_timers(l, pid);
	look_at_traps(l, pid);
	look_at_first_thread(l, pid);
}
