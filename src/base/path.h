/* SPDX-License-Identifier: MIT */
/*
 * base/path.h - paths that somebody else chose.
 *
 * A path of a peer or of a container's tree is never joined as a string: it
 * is opened beneath a directory descriptor with openat2(2), RESOLVE_BENEATH |
 * RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS, so that neither ".." nor a
 * symlink leads out of the area.
 */
#ifndef BASE_PATH_H
#define BASE_PATH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/* open(2) flags; O_CLOEXEC is added.  Returns the descriptor or -1 with errno. */
int path_open_beneath(int dirfd, const char *path, int flags, mode_t mode);

/* The same, but symlinks are followed as if dirfd were "/" (RESOLVE_IN_ROOT):
 * for files of a container that the container's user may have linked. */
int path_open_in_root(int dirfd, const char *path, int flags, mode_t mode);

/* A relative path without empty, "." or ".." components and at most PATH_MAX-1 long? */
bool path_is_clean(const char *path);

/* In place: an absolute path without empty and "." components and without a slash at its end. */
void path_squeeze(char *path);

/* mkdir -p with the given mode for new ones. */
int path_mkdirs(const char *path, mode_t mode, struct err *e);

/* Makes one directory of root's that hands nothing down, whatever the one above it would: no
 * group (setgid), no default ACL.  Fails when it exists. */
int path_make_area(const char *path, mode_t mode, struct err *e);

/* Has the directory nothing in it, but perhaps the lost+found of a new file system? */
int path_is_empty(int dirfd, bool *empty, struct err *e);

/* All that was written to the file system of `path` is on the disk when it returns. */
int path_sync(const char *path, struct err *e);

/*
 * Deletes the tree at `path` beneath dirfd: never follows symlinks, never enters a
 * mount (RESOLVE_NO_XDEV), clears immutable and append-only flags that are in the
 * way.  Refuses when /proc/self/mountinfo shows a mount inside.  A missing tree is
 * no error.
 */
int path_remove_tree(int dirfd, const char *path, struct err *e);

/* The same for all that is in a directory (but lost+found), which stays: it may be a mount point, nothing in
 * it may. */
int path_clear(const char *path, struct err *e);

#endif
