/* SPDX-License-Identifier: MIT */
/*
 * tree/meta.h - everything about a file but its name, size and contents: read
 * at the source, set at the destination.
 *
 * A file is named by an open descriptor, or by a name in the thread's current
 * directory: the mover's threads have one each (unshare(CLONE_FS)), because the
 * xattr calls for names take no directory descriptor on most kernels.
 */
#ifndef TREE_META_H
#define TREE_META_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/err.h"
#include "tree/msg.h"

struct at {
	int fd;		  /* >= 0: this file */
	const char *name; /* else this name, never following a symlink */
};

#define AT_FD(fd_)     ((struct at){ .fd = (fd_), .name = "" })
#define AT_NAME(name_) ((struct at){ .fd = -1, .name = (name_) })

/* Gives the calling thread a current directory and umask (0) of its own. */
int meta_own_cwd(struct err *e);

/* statx with all the mover needs; -1 with errno. */
int meta_stat(struct at at, struct statx *out);

/* All extended attributes that travel (user, trusted, security, POSIX ACLs), sorted and
 * encoded, replacing what is in *out.  A file system without any has none. */
int meta_xattrs(struct at at, struct buf *out, struct err *e);

/* Borrows xattrs' bytes. */
void meta_fill(struct meta *m, const struct statx *stx, const struct buf *xattrs);
uint32_t meta_flags(const struct statx *stx);
/* TREE_NOCOW or 0: costs a system call, and is only to be had on some file systems. */
uint32_t meta_nocow(int fd);
bool meta_may_nocow(int fd);
uint64_t meta_rdev(const struct statx *stx);

/* The list entry of a file; target is a symlink's, else "". */
void meta_list_entry(struct list_entry *out, const struct statx *stx,
		     const struct buf *xattrs, const char *target);

/*
 * Sets owner, mode, xattrs and times, in the order in which the kernel does not
 * undo them.  `fresh`: it was just made with m's permission bits by root in a
 * directory that hands nothing down, so that only what differs from that is set.
 */
int meta_set(struct at at, const struct meta *m, bool fresh, struct err *e);

/* Immutable and append-only as told, no copy-on-write where told and possible; a file system without flags is fine while none are wanted. */
int meta_set_flags(struct at at, uint32_t flags, struct err *e);
/* After an EPERM: takes both away from the file; true when they were there. */
bool meta_unprotect(struct at at);

#endif
