// SPDX-License-Identifier: MIT
/* What the container's epolls wait for, for criu/check/obstacles.h. */
#include <dirent.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/own.h"
#include "criu/check/priv.h"
#include "mem/procs.h"

enum { DEPTH_MAX = 256 };

/* Does the process still have what has this inode? */
static bool has_inode(int dir, uint64_t ino)
{
	own_fd int list = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	own_dir DIR *d = list < 0 ? NULL : fdopendir(take_fd(&list));
	struct dirent *entry;
	struct stat st;

	while (d && (entry = readdir(d))) {
		if (entry->d_name[0] != '.' && obstacles_stat(dir, entry->d_name, &st) == 0 && st.st_ino == ino)
			return true;
	}
	return !d;
}

/* From the container's first process down to this one; its length. */
static size_t line_of(const struct look *l, pid_t pid, pid_t line[DEPTH_MAX])
{
	pid_t up[DEPTH_MAX] = { 0 };
	size_t n = 0;

	for (; pid > 0 && n < DEPTH_MAX; n++) {
		own_free char *status = NULL;

		up[n] = pid;
		if (pid == l->init)
			break;
		status = obstacles_proc_text(pid, "status", OBSTACLES_TEXT_MAX);
		pid = status ? (pid_t)proc_status_last(status, "\nPPid:") : 0;
	}
	n += n < DEPTH_MAX && pid > 0;
	for (size_t i = 0; i < n; i++)
		line[i] = up[n - 1 - i];
	return n;
}

/* Does CRIU save `a` before `b`?  Parents before their children, those in the order in which they were begun. */
static bool is_before(const struct look *l, pid_t a, pid_t b)
{
	pid_t x[DEPTH_MAX], y[DEPTH_MAX];
	size_t n = line_of(l, a, x), m = line_of(l, b, y), i = 0;

	while (i < n && i < m && x[i] == y[i])
		i++;
	return i == n || (i < m && x[i] < y[i]);
}

static bool has_file_of(pid_t other, pid_t pid, int fd)
{
	own_free char *path = xasprintf("/proc/%d/fd", (int)other);
	own_dir DIR *d = opendir(path);
	struct dirent *entry;
	char link[32];

	while (d && (entry = readdir(d))) {
		ssize_t n = readlinkat(dirfd(d), entry->d_name, link, sizeof(link) - 1);

		link[n > 0 ? n : 0] = '\0';
		if (strcmp(link, "anon_inode:[eventpoll]") == 0 &&
		    syscall(SYS_kcmp, pid, other, KCMP_FILE, fd, atoi(entry->d_name)) == 0)
			return true;
	}
	return false;
}

/* Is the same epoll also of a process that CRIU saves before this one?  Then it is saved as that one has it. */
static bool is_of_earlier(const struct look *l, pid_t pid, int fd)
{
	for (size_t i = 0; i < l->n; i++) {
		if (l->pids[i] != pid && is_before(l, l->pids[i], pid) && has_file_of(l->pids[i], pid, fd))
			return true;
	}
	return false;
}

/* An item stays in an epoll as long as any process has the file; CRIU looks for it only in the first that has the epoll. */
void obstacles_look_at_epoll(struct look *l, pid_t pid, int dir, const char *fd, const char *object)
{
	static const struct obstacle_rule elsewhere = {
		"it waits for something that only another process still has open", "stop or restart the program without it", true
	};
	own_free char *name = xasprintf("fdinfo/%s", fd);
	own_free char *info = obstacles_proc_text(pid, name, OBSTACLES_TEXT_MAX);
	const char *at = info;
	uint64_t ino;

	while (at && obstacle_next_item(&at, &ino)) {
		if (!has_inode(dir, ino) && !is_of_earlier(l, pid, atoi(fd)))
			obstacles_found(l, pid, &elsewhere, object);
	}
}

