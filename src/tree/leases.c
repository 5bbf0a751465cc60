// SPDX-License-Identifier: MIT
#include "tree/leases.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/file.h"
#include "base/own.h"

enum { LOCKS_MAX = 64 << 20 };

void leases_fini(struct leases *l)
{
	free(l->v);
	*l = (struct leases)LEASES_INIT;
}

/* "1: LEASE  ACTIVE    WRITE 4711 08:01:131 0 EOF", "1: LEASE  BREAKING  UNLCK …": what it shall become; the device is not looked at: btrfs tells another one. */
int lease_parse(const char *line, struct lease *out)
{
	char kind[16], state[16], type[16];
	unsigned long long ino;
	int pid;

	if (sscanf(line, "%*d: %15s %15s %15s %d %*x:%*x:%llu", kind, state, type, &pid, &ino) != 5 ||
	    strcmp(kind, "LEASE") != 0 || pid <= 0)
		return -1;
	*out = (struct lease){ .ino = ino, .pid = pid, .breaking = strcmp(state, "BREAKING") == 0 };
	if (!out->breaking && strcmp(type, "WRITE") != 0)
		return -1;
	return 0;
}

void leases_read(struct leases *l)
{
	own_free char *text = NULL;
	char *save = NULL;
	struct lease one;

	leases_fini(l);
	if (file_read(AT_FDCWD, "/proc/locks", LOCKS_MAX, &text, NULL, NULL) < 0)
		return;
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (lease_parse(line, &one) < 0)
			continue;
		l->v = xrealloc(l->v, (l->n + 1) * sizeof(*l->v));
		l->v[l->n++] = one;
	}
}

static bool is_file(const struct stat *st, struct inode id)
{
	return st->st_ino == id.ino &&
	       ((uint64_t)major(st->st_dev) << 32 | minor(st->st_dev)) == id.dev;
}

/* Descriptor `number` of the process, when the lease is its own and it may read.  Of one that is being broken only the future is told. */
static int take(int pidfd, int number, struct inode id, bool breaking)
{
	own_fd int fd = (int)syscall(SYS_pidfd_getfd, pidfd, number, 0);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !is_file(&st, id) || (!breaking && fcntl(fd, F_GETLEASE) != F_WRLCK) ||
	    (st.st_size && (fcntl(fd, F_GETFL) & O_ACCMODE) == O_WRONLY))
		return -1;
	return take_fd(&fd);
}

static int borrow_of(const struct lease *l, struct inode id)
{
	own_fd int pidfd = (int)syscall(SYS_pidfd_open, l->pid, 0);
	own_dir DIR *d = NULL;
	struct dirent *de;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)l->pid);
	d = pidfd < 0 ? NULL : opendir(path);
	while (d && (de = readdir(d))) {
		struct stat st;
		int fd;

		if (de->d_type != DT_LNK || fstatat(dirfd(d), de->d_name, &st, 0) < 0 || !is_file(&st, id))
			continue;
		fd = take(pidfd, atoi(de->d_name), id, l->breaking);
		if (fd >= 0)
			return fd;
	}
	return -1;
}

int leases_borrow(const struct leases *l, struct inode id)
{
	for (size_t i = 0; i < l->n; i++) {
		int fd = l->v[i].ino == id.ino ? borrow_of(&l->v[i], id) : -1;

		if (fd >= 0)
			return fd;
	}
	return -1;
}
