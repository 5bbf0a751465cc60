/* SPDX-License-Identifier: MIT */
/*
 * criu/mounts.h - which mounts of a container CRIU shall not look into.
 *
 * CRIU saves the content of every tmpfs by a tar process (10 ms a mount at each end)
 * and makes cgroup mounts anew.  Both are made by us: these mounts are declared
 * external under a key at the dump, and at the restore the key names the directory here that
 * takes its place.  Their content travels with the files.
 *
 *	source: /proc/INIT/mountinfo ──> list ──wire──> destination: places ──> restore
 */
#ifndef CRIU_MOUNTS_H
#define CRIU_MOUNTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

enum mount_kind {
	MOUNT_MEMORY = 1, /* a tmpfs of the container: made empty there, filled by the mover */
	MOUNT_CGROUP,	  /* a directory of a cgroup hierarchy */
	MOUNT_SERVER,	  /* a device node of the server's own /dev, such as its null */
	MOUNT_OTHER,	  /* CRIU's own to make (proc, devpts …); only its mount point counts */
};

struct ext_mount {
	enum mount_kind kind;
	char *key;     /* "dev_shm" */
	char *at;      /* mount point inside the container, "/dev/shm" */
	char *root;    /* what of that file system is mounted: "/", "/null" */
	char *options; /* of the file system (MEMORY), or the hierarchy's name (CGROUP) */
	uint64_t dev;  /* equal for mounts of one file system */
	bool is_file;  /* the mount point is no directory */
	bool nested;   /* root is not "/": a part of another MEMORY mount of the list */
};

struct ext_mounts {
	struct ext_mount *m;
	size_t n;
};

#define EXT_MOUNTS_INIT { NULL, 0 }
#define own_ext_mounts __attribute__((cleanup(ext_mounts_fini)))

void ext_mounts_fini(struct ext_mounts *l);

/*
 * Reads the text of a mountinfo: every mount below "/", in its order.  A mount of a
 * part of a tmpfs is MEMORY and nested when the whole is in the list too, else SERVER.  is_file is
 * not known from it.  Broken text is an error.
 */
int ext_mounts_read(struct ext_mounts *l, const char *mountinfo, struct err *e);

/* Does CRIU leave it to us? */
static inline bool ext_mount_is_external(const struct ext_mount *m)
{
	return m->kind != MOUNT_OTHER;
}

/* May a mount be this node of the server's own /dev?  "/null": those that each server has and each container may use. */
bool ext_mount_is_node(const char *root);

/* The mount point of `m` relative to `below` ("/dev/pts", "/dev" -> "pts"); NULL when it is
 * not below it. */
const char *ext_mount_inside(const struct ext_mount *m, const char *below);

/* The memory file systems of a list, each once: their indexes in it, in its order (the caller's).
 * Both ends agree on it. */
size_t ext_mounts_memory(const struct ext_mounts *l, size_t **out);

/* For the wire.  ext_mounts_get leaves *l empty on failure; texts and count are capped. */
void ext_mounts_put(struct buf *b, const struct ext_mounts *l);
int ext_mounts_get(struct reader *r, struct ext_mounts *l, struct err *e);

#endif
