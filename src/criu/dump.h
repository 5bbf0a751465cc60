/* SPDX-License-Identifier: MIT */
/*
 * criu/dump.h - the state of a frozen container into images.
 */
#ifndef CRIU_DUMP_H
#define CRIU_DUMP_H

#include <pthread.h>
#include <stdatomic.h>
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

/*
 * The same in two parts, for a CRIU with the preload library whose directory is `shim`: while the container runs CRIU gets
 * its request and does what it can before it looks at the container; there it waits.
 *
 *	running  dumping_begin      frozen  dumping_go (it looks from now on) ── dumping_end (its answer)
 */
struct dumping {
	struct criu *criu;
	struct dump_opts o;
	int shim, gate;
	bool begun;
	pthread_t thread;
	atomic_bool ended;
	int ret;
	struct err err;
};

#define DUMPING_INIT { .gate = -1 }

/* What `o` points to must stay. */
int dumping_begin(struct dumping *d, struct criu *c, const struct dump_opts *o, int shim, struct err *e);

/* Fails with CRIU's error when it has ended, and when it did not wait: what it has is of a running container. */
int dumping_go(struct dumping *d, struct err *e);
int dumping_end(struct dumping *d, struct err *e);

/* Kills a CRIU that is still at it.  Fine for a DUMPING_INIT one, and for one that has ended. */
void dumping_stop(struct dumping *d);

#endif
