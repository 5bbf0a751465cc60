// SPDX-License-Identifier: MIT
/* Opening a regular file to read it, without anybody noticing. */
#include "tree/send/impl.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/own.h"

enum {
	/* A lease that nobody was found to hold (of another kernel's service, or being broken): the kernel takes it away
	 * after /proc/sys/fs/lease-break-time, 45 s as a rule, but from a frozen holder's file nobody must wait for that. */
	PATIENCE_MS = 60000,
	PATIENCE_FROZEN_MS = 1000,
	AGAIN_MS = 20,
};

/* Access times stay where the kernel allows it; a fifo or device that is there by now does not block. */
static int open_plain(int dirfd, const char *name)
{
	int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
	int fd = openat(dirfd, name, flags | O_NOATIME);

	return fd < 0 && errno == EPERM ? openat(dirfd, name, flags) : fd;
}

/* Through the holder's descriptor, when there is a lease on it. */
static int open_leased(struct pass *p, int dirfd, const char *name)
{
	struct statx stx;
	int fd = -1;

	pthread_mutex_lock(&p->lease_lock);
	if (p->leases.n && statx(dirfd, name, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &stx) == 0)
		fd = leases_borrow(&p->leases, inode_of(&stx));
	pthread_mutex_unlock(&p->lease_lock);
	return fd;
}

static void read_leases(struct pass *p)
{
	pthread_mutex_lock(&p->lease_lock);
	leases_read(&p->leases);
	pthread_mutex_unlock(&p->lease_lock);
}

int send_open(struct pass *p, int dirfd, const char *name, bool *shared)
{
	uint64_t end = clock_ns() + (p->frozen ? PATIENCE_FROZEN_MS : PATIENCE_MS) * UINT64_C(1000000);

	for (;;) {
		int fd = open_leased(p, dirfd, name);

		*shared = fd >= 0;
		if (fd < 0)
			fd = open_plain(dirfd, name);
		if (fd >= 0 || errno != EWOULDBLOCK || clock_ns() > end)
			return fd;
		clock_sleep_ms(AGAIN_MS);
		read_leases(p);
	}
}

int send_not_opened(const struct walk_dir *dir, const char *name, struct err *e)
{
	bool leased = errno == EWOULDBLOCK;

	err_sys(e, "cannot open %s/%s", dir->path, name);
	return leased ? err_hint(e, "a lease is on it (see /proc/locks): stop who holds it, or let it give the lease up") : -1;
}
