// SPDX-License-Identifier: MIT
#include "base/prio.h"

#include <dirent.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "base/own.h"

int prio_get(void)
{
	return getpriority(PRIO_PROCESS, 0);
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
