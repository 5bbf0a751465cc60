/* SPDX-License-Identifier: MIT */
/*
 * criu/dump.h - the state of a frozen container into images.
 */
#ifndef CRIU_DUMP_H
#define CRIU_DUMP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "criu/mounts.h"
#include "criu/rpc.h"

struct dump_opts {
	pid_t init;			 /* the container's first process */
	const char *rootfs;		 /* where its root is mounted on this server */
	const char *freezer_dir;	 /* freezer.h: frozen already, left frozen */
	const struct ext_mounts *mounts;
	int images;			 /* imgdir.h: filled; the log is "dump.log" there */
	bool cgroups;			 /* it has cgroups of its own below it: they travel */
	uint64_t ghost_limit;		 /* largest deleted-open file that travels; 0: CRIU's 1 MiB */
	const char *const *enable_fs;	 /* file system types CRIU shall trust, or NULL */
	int timeout_ms;
};

/*
 * `c` was started in the container's network namespace.  The processes are frozen
 * before and after, unchanged in both cases.  The error names the cause and the remedy
 * (why.h).
 */
int criu_dump(struct criu *c, const struct dump_opts *o, struct err *e);

#endif
