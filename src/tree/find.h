/* SPDX-License-Identifier: MIT */
/*
 * tree/find.h - the names of some inodes in an area, when nothing better is
 * known: reads all directories (names only, which is cheap), once for all.
 */
#ifndef TREE_FIND_H
#define TREE_FIND_H

#include <stddef.h>

#include "base/err.h"
#include "tree/links.h"

/* Calls fn for every name (dir and name, relative to the area) whose inode number is one of
 * the n sorted ones. */
int find_names(int root, const uint64_t *inos, size_t n,
	       int (*fn)(void *arg, const char *dir, size_t dir_len, const char *name,
			 struct err *e),
	       void *arg, struct err *e);

#endif
