/* SPDX-License-Identifier: MIT */
/*
 * criu/places.h - what stands in for each external mount at the restore.
 *
 *	MEMORY  a tmpfs of ours, /run/pmigrate/places/ID/N, filled by the mover; or the
 *	        part of one that a nested mount shows
 *	CGROUP  the new container's directory in that hierarchy
 *	SERVER  the node of this server's /dev
 */
#ifndef CRIU_PLACES_H
#define CRIU_PLACES_H

#include <sys/types.h>

#include "base/err.h"
#include "criu/mounts.h"

struct places {
	char *dir;
	char **path;	 /* one for each mount of the list; owned */
	size_t n;
	size_t *memory;	 /* indexes of the tmpfs among them, as ext_mounts_memory */
	size_t n_memory;
};

#define PLACES_INIT { NULL, NULL, 0, NULL, 0 }

/* Makes them all.  `like`: a process in the new container's cgroups. */
int places_make(struct places *p, const char *id, const struct ext_mounts *l, pid_t like,
		struct err *e);
/* Gives a memory directory (imgdir.h) a place among them: CRIU mounts its cgroup yard in its
 * work directory, and nothing can be mounted in what is mounted nowhere. */
int places_attach(const struct places *p, int dir, struct err *e);
/* When the mover is done: what is mounted inside the memory mounts gets its mount point, which the
 * mover does not carry. */
int places_points(const struct places *p, const struct ext_mounts *l, struct err *e);
/* The mounts go (what the container has of them stays), and the directory. */
void places_remove(struct places *p);

/* After a crash. */
void places_clean(const char *id);

#endif
