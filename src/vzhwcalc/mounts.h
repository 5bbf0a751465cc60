/* SPDX-License-Identifier: MIT */
/*
 * vzhwcalc/mounts.h - the file systems of a server, and which of them hold
 * files that belong to it.
 *
 * All LOCAL ones become one tree in the Container; everything else is
 * excluded, with the class as the reason.  Pure: text of /proc/mounts in,
 * list out.
 */
#ifndef VZHWCALC_MOUNTS_H
#define VZHWCALC_MOUNTS_H

#include <stdbool.h>
#include <stddef.h>

enum mount_class {
	MOUNT_LOCAL = 0,
	MOUNT_PSEUDO,	 /* the kernel makes the content up */
	MOUNT_MEMORY,	 /* gone at a reboot */
	MOUNT_NETWORK,	 /* its files live on another server */
	MOUNT_REMOVABLE, /* CD, stick */
	MOUNT_IMAGE,	 /* a read-only image file, which is itself copied */
	MOUNT_VIEW,	 /* files of another directory, shown once more */
};

struct mount {
	char *source;
	char *dir; /* absolute, unescaped */
	char *type;
	char *options;
	enum mount_class class;
};

struct mounts {
	struct mount *item; /* in mount order; a covered one is left out */
	size_t n;
};

#define MOUNTS_INIT { NULL, 0 }
#define own_mounts __attribute__((cleanup(mounts_fini)))
void mounts_fini(struct mounts *m);

/* Adds what `text` lists: /proc/mounts, of any kernel.  A line that cannot be
 * read is skipped, at most 4096 are kept. */
void mounts_parse(struct mounts *m, const char *text);

/* "pseudo file system", "network file system", … for people. */
const char *mount_class_text(enum mount_class c);

/* Is `path` the directory `dir` or in it? */
bool path_within(const char *path, const char *dir);

/* The mount that holds `path`; NULL when there is none. */
const struct mount *mounts_holding(const struct mounts *m, const char *path);

/* Do its options switch user or group quotas on? */
bool mount_has_quota(const struct mount *m);

#endif
