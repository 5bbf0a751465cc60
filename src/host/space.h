/* SPDX-License-Identifier: MIT */
/*
 * host/space.h - room on file systems, and what a tree takes.
 */
#ifndef HOST_SPACE_H
#define HOST_SPACE_H

#include <stdint.h>

#include "base/err.h"

/* Free at `path` for those who are not root, or at its nearest parent that exists.  *inodes is
 * UINT64_MAX where the file system does not count them. */
int space_free(const char *path, uint64_t *bytes, uint64_t *inodes, struct err *e);

/*
 * What the tree takes: allocated bytes and names, a hard link counted once, other
 * mounts left out.  What vanishes meanwhile is not counted.
 */
int space_used(const char *path, uint64_t *bytes, uint64_t *inodes, struct err *e);

#endif
