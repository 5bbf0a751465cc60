/* SPDX-License-Identifier: MIT */
/*
 * tree/touched.h - files that frozen processes can have written without any
 * event: mapped shared and writable, or open under a name that is gone while
 * another name lives.
 */
#ifndef TREE_TOUCHED_H
#define TREE_TOUCHED_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"
#include "tree/journal.h"
#include "tree/links.h"

struct touched;

/* Looks at the processes; the files' names in the area are added to c (may be NULL).
 * A process that is gone is no error. */
int touched_by(int root, const char *root_path, const pid_t *pids, size_t n, struct changes *c,
	       struct touched **out, struct err *e);
void touched_free(struct touched *t); /* NULL is fine */
bool touched_has(const struct touched *t, struct inode id); /* NULL: false */

#endif
