// SPDX-License-Identifier: MIT
/*
 * criu-shim.so in the CRIU that restores: memory that is there already.
 *
 *	memfd_create("pmigrate/shared/7")	the memory file that the agent filled before the freeze
 *
 * The agent renames the memfds in the image and gives each to CRIU under that name as an inherited
 * descriptor.  CRIU's own use of those (`inherit_fd` for a file) would lose position, flags,
 * owner and seals of the container's descriptors and make several openers share one; so CRIU
 * is left to believe that it makes a memfd, and restores all of that itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "criu/shim_priv.h"
#include "criu/shim_text.h"

/* CRIU's own (criu/files.c), which it exports for its plugins: a descriptor by its name, or -1. */
__attribute__((weak)) int inherit_fd_lookup_id(char *id);

#pragma GCC visibility push(default)
int memfd_create(const char *name, unsigned flags);
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
