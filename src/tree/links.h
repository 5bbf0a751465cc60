/* SPDX-License-Identifier: MIT */
/*
 * tree/links.h - names of files that have several: which belong together.
 *
 * Only files with a link count above one are in it: 18 to 37 bytes of memory each,
 * the names lie in a spill.  Safe from several threads.
 */
#ifndef TREE_LINKS_H
#define TREE_LINKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/err.h"

struct links;

struct inode {
	uint64_t dev, ino;
};

static inline struct inode inode_of(const struct statx *stx)
{
	return (struct inode){ (uint64_t)stx->stx_dev_major << 32 | stx->stx_dev_minor,
			       stx->stx_ino };
}

struct links *links_new(void);
void links_free(struct links *l); /* NULL is fine */
int links_clear(struct links *l, struct err *e);

/*
 * Tells of one name of an inode.  *first: it is the first known one (its
 * contents are to be sent); else *path is filled with the first name (a path
 * relative to the area).
 */
int links_add(struct links *l, struct inode id, const char *path, size_t len, bool *first,
	      struct buf *primary, struct err *e);

bool links_known(struct links *l, struct inode id);

/* Calls fn with every name known of the inode, the youngest first; fn's -1 ends it. */
int links_names(struct links *l, struct inode id,
		int (*fn)(void *arg, const char *path, size_t len, struct err *e), void *arg,
		struct err *e);

/* Forgets the names of one inode, so that the next one told is the first. */
void links_forget(struct links *l, struct inode id);

/* The receiver's inode `there` serves as our inode: false when it served as another one
 * already. */
bool links_pair(struct links *l, uint64_t there, struct inode id);

/* How many names lie outside the area, as far as a search has found; kept for us. */
void links_set_outside(struct links *l, struct inode id, uint32_t n);
uint32_t links_outside(struct links *l, struct inode id);

#endif
