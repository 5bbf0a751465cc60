/* SPDX-License-Identifier: MIT */
/*
 * criu/restore.h - a container out of images, held.
 *
 * When everything is restored and CRIU is about to let the processes go
 * ("pre-resume"), their cgroup is ordered to freeze; CRIU lets them go and they
 * stop at once, before their first instruction: HELD.  Nothing of the
 * container needs a signal then; one write to the freezer lets it run, and
 * processes that were stopped before stay stopped.  A death of ours leaves it held.
 */
#ifndef CRIU_RESTORE_H
#define CRIU_RESTORE_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "criu/freeze.h"
#include "criu/mounts.h"
#include "criu/rpc.h"

struct park;

struct restore_fd {
	const char *key; /* for inherit_fd */
	int fd;		 /* was given to the CRIU process when it was started */
};

struct restore_opts {
	const char *rootfs;
	int images;			 /* log: "restore.log" there */
	const struct ext_mounts *mounts;
	char *const *places;		 /* one path a mount: what is mounted there instead */
	bool lazy;			 /* a handler listens on lazy-pages.socket in `images` */
	struct freezer *hold;		 /* of the container's cgroup, thawed */
	struct park *park;		 /* takes CRIU to another cgroup before this one is frozen; NULL: it is in none of it */
	bool cgroups; /* dump.h */
	const struct restore_fd *fds;
	size_t n_fds;
	const char *const *enable_fs;
	int timeout_ms;
};

/*
 * `c` was started in the new network namespace and is in the container's cgroups: what it forks
 * is born there.  On success the container is frozen in o->hold and *init is its
 * first process, our child.  On failure nothing of it is left.
 */
int criu_restore(struct criu *c, const struct restore_opts *o, pid_t *init, struct err *e);

#endif
