/* SPDX-License-Identifier: MIT */
/*
 * tree/exclude.h - which names of a tree are left out: rsync's rules.
 *
 *	PATTERN or "- PATTERN"	leave out	"+ PATTERN"	take, whatever follows
 *	/x		only at the top of the tree
 *	x/		only directories
 *	a/b, a**b	with a slash inside or "**": matched against the end of
 *			the path at a component's border; else against the name
 *	*  ?  [a-z]	never match a slash; ** matches anything
 *	\c		the character c
 *	dir/ and three stars	the directory and all in it
 *
 * The first rule that matches decides; none: the name is taken.  What is left
 * out is never entered, and never deleted at the destination.  Pure.
 */
#ifndef TREE_EXCLUDE_H
#define TREE_EXCLUDE_H

#include <stdbool.h>

#include "base/err.h"

struct exclude;

struct exclude *exclude_new(void);
void exclude_free(struct exclude *x); /* NULL is fine */

/* Adds one rule behind the others; ERR_USAGE quoting it when it is none (empty,
 * "- " alone, over 4095 bytes).  A line starting with '#' or ';' is a comment only in
 * files, not here. */
int exclude_add(struct exclude *x, const char *rule, struct err *e);

/* Is the name at `path` (relative to the tree's top, no leading slash) left out?
 * Asks only about this name, not its parents.  NULL rules: false. */
bool exclude_match(const struct exclude *x, const char *path, bool is_dir);

#endif
