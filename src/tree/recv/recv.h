/* SPDX-License-Identifier: MIT */
/*
 * tree/recv/recv.h - the destination's half of moving a tree.
 *
 * The incoming stream is hostile: every name is a single component beneath an
 * opened directory of the area, every path is resolved with RESOLVE_BENEATH |
 * RESOLVE_NO_SYMLINKS, every size is capped.  Whatever a peer sends, nothing
 * outside the area is touched.
 */
#ifndef TREE_RECV_RECV_H
#define TREE_RECV_RECV_H

#include "base/err.h"
#include "tree/tree.h"
#include "wire/peer.h"

struct tree_dest;

struct tree_dest_opts {
	struct tree_progress *progress; /* borrowed, or NULL */
	unsigned threads;		/* writers; 0: by the machine */
};

/*
 * Opens the area, a directory that exists; whether it is empty decides how the
 * first pass goes (an ext4 file system's empty lost+found does not count).
 * Attributes of the area's own directory are set by the passes.
 */
int tree_dest_open(struct tree_dest **out, int dirfd, const char *path,
		   const struct tree_dest_opts *o, struct err *e);

/*
 * One pass: reads tree frames from all streams until each has said that the
 * pass is over, and applies everything; what was applied is not yet fsync'ed
 * (tree_dest_sync).  `streams` in the source's order: [0] also carries the list
 * back.  On failure the area is in between (a later first pass mends it), the
 * streams are of no use but for an ABORT on [0]: ERR_PROTO for a peer that
 * misbehaves, ERR_DISK when the disk is full, ERR_LINK …
 */
int tree_dest_pass(struct tree_dest *d, struct peer *const *streams, unsigned n_streams,
		   struct tree_stats *st, struct err *e);

/* Everything applied so far to the disk (syncfs): before COMMIT. */
int tree_dest_sync(struct tree_dest *d, struct err *e);

/* NULL is fine. */
void tree_dest_close(struct tree_dest *d);

#endif
