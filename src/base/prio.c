// SPDX-License-Identifier: MIT
#include "base/prio.h"

#include <dirent.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/own.h"

enum { GENTLE = 10, FIRST = 10, LEAST = 19 /* setpriority(2) takes no more */ };

int prio_get(void)
{
	return getpriority(PRIO_PROCESS, 0);
}

int prio_gentle(void)
{
	int now = prio_get();

	if (setpriority(PRIO_PROCESS, 0, now - 1) < 0)
		return now;
	setpriority(PRIO_PROCESS, 0, now);
	return now + GENTLE > LEAST ? LEAST : now + GENTLE;
}

int prio_first(int usual)
{
	return usual - FIRST;
}

void prio_thread(int nice)
{
	setpriority(PRIO_PROCESS, (id_t)gettid(), nice);
}

void prio_set(pid_t pid, int nice)
{
	own_free char *path = xasprintf("/proc/%d/task", (int)pid);
	own_dir DIR *d = opendir(path);
	struct dirent *de;

	while (d && (de = readdir(d))) {
		int tid = atoi(de->d_name);

		if (tid > 0)
			setpriority(PRIO_PROCESS, (id_t)tid, nice);
	}
}
