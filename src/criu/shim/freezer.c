// SPDX-License-Identifier: MIT
/*
 * criu-shim.so in the CRIU that dumps: the container's freezer.
 *
 *	open("…/cgroup.freeze")	the descriptor that the agent opened
 *
 * CRIU is in the container's cgroup namespace.  Where cgroup2 is mounted with `nsdelegate`, as systemd does, the files of
 * a namespace's root cannot be written from within it, but a few (cgroup_file_write in kernel/cgroup/cgroup.c:
 * EPERM).  The kernel asks where the file was opened, not who writes: the agent is in the server's namespace.
 */
#undef _FILE_OFFSET_BITS /* open and open64 are both defined here */

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "criu/shim/priv.h"
#include "criu/shim/text.h"

#pragma GCC visibility push(default)
int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);
#pragma GCC visibility pop

/* A duplicate of the agent's descriptor, if this is the file it has opened; or -1. */
static int freezer_for(const char *path)
{
	const char *named = getenv(SHIM_FREEZER), *name = strrchr(path, '/');
	struct stat want, have;
	char *end;
	int fd;

	if (!named || !name || strcmp(name, "/cgroup.freeze") != 0)
		return -1;
	fd = (int)strtol(named, &end, 10);
	if (*end || fstat(fd, &have) < 0 || stat(path, &want) < 0 || want.st_dev != have.st_dev ||
	    want.st_ino != have.st_ino)
		return -1;
	return fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

INSTEAD int open64(const char *path, int flags, ...)
{
	mode_t mode;
	va_list ap;

	va_start(ap, flags);
	mode = va_arg(ap, mode_t);
	va_end(ap);
	if ((flags & O_ACCMODE) == O_RDWR) {
		int saved = errno, fd = freezer_for(path);

		errno = saved;
		if (fd >= 0)
			return fd;
	}
	return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

INSTEAD int open(const char *path, int flags, ...)
{
	mode_t mode;
	va_list ap;

	va_start(ap, flags);
	mode = va_arg(ap, mode_t);
	va_end(ap);
	return open64(path, flags, mode);
}

int __open_2(const char *path, int flags)
{
	return open64(path, flags, 0);
}

int __open64_2(const char *path, int flags)
{
	return open64(path, flags, 0);
}
