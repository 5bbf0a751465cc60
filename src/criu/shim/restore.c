// SPDX-License-Identifier: MIT
/*
 * criu-shim.so in the CRIU that restores: memory that is there already, memory that is only reserved, addresses that are not
 * the container's.
 *
 *	bind				a socket may be bound to an address that is not of the container: IP_TRANSPARENT, which CRIU does
 *					not carry, or an address that has been taken away since.  criu/carry/sockopts.h puts the option right
 *	memfd_create("pmigrate/shared/7")	the memory file that the agent filled before the freeze
 *
 * The agent renames the memfds in the image and gives each to CRIU under that name as an inherited
 * descriptor.  CRIU's own use of those (`inherit_fd` for a file) would lose position, flags,
 * owner and seals of the container's descriptors and make several openers share one; so CRIU
 * is left to believe that it makes a memfd, and restores all of that itself.
 *
 *	syscall(SYS_move_mount, …)		an idmapped mount, before anybody has opened what is on it
 *
 * CRIU 4.2 makes each mount at a place whose name ends with its number at the source ("mnt-0000001621", get_plain_mountpoint
 * in criu/mount.c), before any other namespace or file uses it; the kernel maps the owners of a mount only until it has
 * its place.  The agent gives a user namespace for each under the number.
 *
 *	mmap(…, SHIM_RESERVED)			without PROT_WRITE, which CRIU adds (premap_private_vma in mem.c)
 */
#undef _FILE_OFFSET_BITS /* mmap and mmap64 are both defined here */

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/memfd.h>
#include <netinet/in.h>
#include <linux/mount.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "criu/shim/priv.h"
#include "criu/shim/text.h"

/* CRIU's own (criu/files.c), which it exports for its plugins: a descriptor by its name, or -1. */
__attribute__((weak)) int inherit_fd_lookup_id(char *id);

#pragma GCC visibility push(default)
int memfd_create(const char *name, unsigned flags);
long syscall(long nr, ...);
#pragma GCC visibility pop

INSTEAD int memfd_create(const char *name, unsigned flags)
{
	char id[64];
	int fd = -1;

	if (!name || strncmp(name, SHIM_SHARED, strlen(SHIM_SHARED)) != 0 || strlen(name) >= sizeof(id))
		return (int)syscall(SYS_memfd_create, name, flags);
	strcpy(id, name);
	if (inherit_fd_lookup_id)
		fd = inherit_fd_lookup_id(id);
	/* One that nobody filled would be lost memory. */
	if (fd < 0) {
		errno = ENOENT;
		return -1;
	}
	if (!(flags & MFD_ALLOW_SEALING))
		fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL);
	return fd;
}

static long (*real_syscall)(long nr, ...);

/* The user namespace for the mount whose place is `to`, or -1.  The server's /proc is still seen then. */
static int idmap_of(const char *to)
{
	const char *at = to ? strrchr(to, '/') : NULL, *dir = getenv(SHIM_IDMAPS);
	char path[PATH_MAX];
	unsigned nr;
	int n;

	if (!dir || !at || sscanf(at, "/mnt-%10u", &nr) != 1)
		return -1;
	n = snprintf(path, sizeof(path), "%s/" SHIM_IDMAP "%u", dir, nr);
	return n < (int)sizeof(path) ? (int)real_syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC) : -1;
}

/* A mount that has its map already refuses another: it is a copy of the first. */
static void map_owners(int mount, const char *to)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP };
	int ns = idmap_of(to);

	if (ns < 0)
		return;
	attr.userns_fd = (uint64_t)ns;
	real_syscall(SYS_mount_setattr, mount, "", AT_EMPTY_PATH, &attr, sizeof(attr));
	close(ns);
}

INSTEAD long syscall(long nr, ...)
{
	va_list ap;
	long a[6];

	va_start(ap, nr);
	for (size_t i = 0; i < sizeof(a) / sizeof(*a); i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	if (!real_syscall)
		real_syscall = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
	if (nr == SYS_move_mount && !*(const char *)a[1]) {
		const int before = errno;

		map_owners((int)a[0], (const char *)a[3]);
		errno = before;
	}
	return real_syscall(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
}

INSTEAD void *mmap64(void *addr, size_t len, int prot, int flags, int fd, off64_t offset)
{
	if (((unsigned)flags & SHIM_RESERVED) && !(flags & MAP_HUGETLB) && (flags & MAP_ANONYMOUS)) {
		flags &= (int)~SHIM_RESERVED;
		prot &= ~PROT_WRITE;
	}
	return (void *)syscall(SYS_mmap, addr, len, prot, flags, fd, offset);
}

INSTEAD void *mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset)
{
	return mmap64(addr, len, prot, flags, fd, offset);
}

INSTEAD int bind(int fd, const struct sockaddr *a, socklen_t len)
{
	int ret = (int)syscall(SYS_bind, fd, a, len), one = 1;

	if (ret < 0 && errno == EADDRNOTAVAIL && shim_dir() < 0 &&
	    setsockopt(fd, SOL_IP, IP_TRANSPARENT, &one, sizeof(one)) == 0)
		ret = (int)syscall(SYS_bind, fd, a, len);
	return ret;
}
