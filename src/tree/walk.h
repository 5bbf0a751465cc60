/* SPDX-License-Identifier: MIT */
/*
 * tree/walk.h - every directory of an area, one after the other: a directory
 * before those in it, siblings sorted by name (the order of tree_path_order),
 * which is the same at both ends.
 *
 * Needs no descriptor a level and no whole path a level but the names of
 * directories still to be visited.
 */
#ifndef TREE_WALK_H
#define TREE_WALK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* An opened directory, shared by those that work in it. */
struct walk_dir {
	_Atomic unsigned refs;
	int fd;
	size_t path_len;
	char path[]; /* relative to the area, "" at its top */
};

struct walk_dir *walk_dir_new(int fd, const char *path, size_t len); /* takes fd */
struct walk_dir *walk_dir_get(struct walk_dir *d);
void walk_dir_put(struct walk_dir *d); /* NULL is fine */

struct walk_name {
	unsigned char type; /* DT_*, never DT_UNKNOWN */
	uint64_t ino;
	char name[256];
};

struct walk;

/* From the directory `path` downwards (walk_next gives it first). */
struct walk *walk_new(int root, const char *path, size_t len);
void walk_free(struct walk *w);

/* Opens the next directory and reads its names: 1, 0 at the end, -1.  *out is the
 * caller's (walk_dir_put).  Directories that are gone are left out; one that was
 * given to walk_enter but is a mount point is reported by *mount_point and has no names. */
int walk_next(struct walk *w, struct walk_dir **out, bool *mount_point, struct err *e);

/* The names of the current directory, in order; false at the end. */
bool walk_name(struct walk *w, struct walk_name *out);

/* Visit this directory of the current one later (call in the order of names). */
void walk_enter(struct walk *w, const char *name);

/* How many of the names of the current directory there are. */
size_t walk_names(const struct walk *w);

#endif
