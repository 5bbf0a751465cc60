// SPDX-License-Identifier: MIT
#include "mem/inject/vfork.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"
#include "base/own.h"

static pid_t parent_of(pid_t pid)
{
	own_free char *path = xasprintf("/proc/%d/stat", (int)pid);
	own_free char *text = NULL;
	const char *p;
	int parent;

	if (file_read(AT_FDCWD, path, 4096, &text, NULL, NULL) < 0)
		return 0;
	p = strrchr(text, ')'); /* a name may hold anything */
	return p && sscanf(p + 1, " %*c %d", &parent) == 1 ? parent : 0;
}

static bool share_memory(pid_t a, pid_t b)
{
	return syscall(SYS_kcmp, a, b, KCMP_VM, 0, 0) == 0;
}

/* Is a thread of it inside the call that makes a process? */
static bool is_forking(pid_t pid)
{
	own_free char *path = xasprintf("/proc/%d/task", (int)pid);
	own_dir DIR *d = opendir(path);
	struct dirent *de;

	while (d && (de = readdir(d))) {
		own_free char *file = xasprintf("%s/syscall", de->d_name);
		own_free char *text = NULL;
		long nr;

		if (de->d_name[0] == '.' ||
		    file_read(dirfd(d), file, 4096, &text, NULL, NULL) < 0)
			continue;
		nr = *text >= '0' && *text <= '9' ? strtol(text, NULL, 10) : -1;
#ifdef SYS_vfork
		if (nr == SYS_vfork)
			return true;
#endif
		if (nr == SYS_clone || nr == SYS_clone3)
			return true;
	}
	return false;
}

bool vfork_waits(const pid_t *pid, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		pid_t parent = parent_of(pid[i]);

		for (size_t k = 0; parent && k < n; k++) {
			if (pid[k] == parent && share_memory(parent, pid[i]) && is_forking(parent))
				return true;
		}
	}
	return false;
}
