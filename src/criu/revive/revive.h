/* SPDX-License-Identifier: MIT */
/*
 * criu/revive/revive.h - the destination's side of a live move: everything ready before
 * the source freezes, then restored, held, and let run.
 *
 *	before the freeze  revive_prepare     mounts, CRIU in its place, lazy handler
 *	                   revive_place       the mover fills each memory mount
 *	frozen there       imgdir_apply into revive_images
 *	                   revive_restore     HELD
 *	COMMIT             revive_run, or revive_free: nothing of it is left
 *	afterwards         revive_wait        until all memory is there
 *
 * A container that was made by its engine's own means, and waits in its first
 * process, gives namespaces and cgroups (`like`); that process ends when the
 * restored one takes its place.
 */
#ifndef CRIU_REVIVE_REVIVE_H
#define CRIU_REVIVE_REVIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "criu/mounts.h"
#include "criu/save/save.h"
#include "mem/lazy/lazy.h"
#include "mem/store/store.h"
#include "wire/peer.h"

struct revive;

/* All borrowed during revive_prepare, but `store`: until revive_free. */
struct revive_opts {
	const char *id;		 /* of the migration: names the directory of its mounts */
	pid_t like;		 /* the waiting first process */
	const char *rootfs;
	const char *netns;
	const char *freezer_dir; /* the cgroup of `like` */
	const struct ext_mounts *mounts;
	struct store *store;
	const uint32_t *shared;	 /* objects of the store that the restore maps as they are */
	size_t n_shared;
	bool remote;		 /* lazy: pages may come after the run */
	void (*met)(void *arg, int uffd); /* these three: see lazy_opts */
	void (*filled)(void *arg);
	void *arg;
	bool cgroups; /* dump.h */
	const char *const *enable_fs;
};

int revive_prepare(struct revive **out, const struct revive_opts *o, struct err *e);

/* How many memory mounts the mover must fill, and where each is: a directory here (borrowed), and
 * its mount point in the container, as in the source's list. */
size_t revive_nr_places(const struct revive *r);
const char *revive_place(const struct revive *r, size_t i);

int revive_images(const struct revive *r);

/*
 * All images are there; `hidden` is what save_hidden told.  Restores and holds: frozen before the first instruction.  *init is our child.
 */
int revive_restore(struct revive *r, const struct hidden_spaces *hidden, pid_t *init,
		   struct err *e);

/* Lazy: the stream that pages are asked for on; see lazy_attach. */
int revive_attach(struct revive *r, struct peer *source, struct err *e);
void revive_detach(struct revive *r);

/* See lazy_wait; 0 at once when nothing was lazy. */
int revive_wait(struct revive *r, int timeout_ms, struct err *e);
struct lazy_stats revive_stats(struct revive *r);

/* Before it runs: kills what is held.  Afterwards (revive_keep): lets go.  NULL is fine. */
void revive_keep(struct revive *r);
void revive_free(struct revive *r);

/* After a crash: the mounts of migration `id` are unmounted and their directory removed. */
void revive_clean(const char *id);

#endif
