/* SPDX-License-Identifier: MIT */
/*
 * tree/area.h - directories of an area by their path relative to it, however
 * long, never through a symlink and never out of it.
 */
#ifndef TREE_AREA_H
#define TREE_AREA_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/* Opens a directory for reading; -1 with errno. */
int area_open_dir(int root, const char *path, size_t len);

/* The same, making what is missing (mode 0700) and replacing what is in the way
 * but is no directory. */
int area_make_dir(int root, const char *path, size_t len, struct err *e);

/* Removes name and all below it; fine when there is none. */
int area_remove(int dirfd, const char *name, struct err *e);

#endif
