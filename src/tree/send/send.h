/* SPDX-License-Identifier: MIT */
/*
 * tree/send/send.h - the source's half of moving a tree.
 *
 * tree_source_open starts the change journal before anything is read, so
 * that no change is missed: whatever is written while a pass reads is sent
 * again by the next one.  Passes of one source never overlap; a source belongs
 * to one thread, its progress to any.
 *
 * Without a journal (a file system that cannot be marked, a missing
 * capability, an overflow) later passes compare the two trees by type, size,
 * times, ownership, links and xattrs, and send again whatever has a ctime
 * since the pass before.
 *
 * Nothing in the area is changed, not even access times where the kernel
 * allows it.  The receiver's list is treated as hostile.
 */
#ifndef TREE_SEND_SEND_H
#define TREE_SEND_SEND_H

#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/strv.h"
#include "tree/changes/held.h"
#include "tree/exclude.h"
#include "tree/tree.h"
#include "wire/peer.h"

struct tree_source;

struct tree_opts {
	const struct exclude *exclude;	/* borrowed for the source's life, or NULL */
	struct tree_progress *progress; /* borrowed, or NULL */
	enum tree_zip zip;
	bool no_journal;		/* do not even try: the tree does not change */
	bool mounted_files;		/* files that are mounted there belong to it */
	unsigned threads;		/* readers; 0: by the machine */
	unsigned journal_max;		/* names remembered before it counts as overflowed; 0: 250,000 */
};

/*
 * Opens the area at `root` (a directory; symlinks in the path itself are the
 * caller's business) and starts the journal.  Not having a journal is no
 * error: ask tree_source_no_journal.
 */
int tree_source_open(struct tree_source **out, const char *root, const struct tree_opts *o,
		     struct err *e);
/* NULL is fine. */
void tree_source_close(struct tree_source *s);

/* NULL while the journal works; else one phrase for the user saying why later
 * passes walk the tree ("/vz is on overlay, which cannot report changes").
 * Borrowed, valid until the next call on this source. */
const char *tree_source_no_journal(const struct tree_source *s);

/*
 * The passes.  `streams` are the links to the same receiver, [0] being the one
 * that also brings its list; nobody else may receive from [0] or send on any
 * meanwhile.  Each returns when all was sent; that it was applied is told by
 * the agent's REPLY, which the caller waits for.  *st is always filled.
 *
 * Failures: ERR_LINK, ERR_TIMEOUT, or what the receiver said in its ABORT
 * (ERR_DISK …); ERR_COPY, ERR_SYS for the tree here.  After one, the streams
 * are of no use; the source may be used again with new ones by tree_source_first.
 *
 * first: everything; when the receiver's area is not empty, only what differs.
 * Files that vanish or change while being read are no error (stats.vanished).
 */
int tree_source_first(struct tree_source *s, struct peer *const *streams, unsigned n_streams,
		      struct tree_stats *st, struct err *e);

/* What changed since the previous pass began.  *left is the number of names that
 * have changed again meanwhile (0 is exact with a journal; without one it is the
 * number this pass sent): go on while it shrinks, then freeze.  May be NULL.
 * `held` (may be NULL) are files of those who write: what they have written without an event
 * (tree/changes/touched.h) is sent now, so that less is left for the last pass. */
int tree_source_next(struct tree_source *s, struct peer *const *streams, unsigned n_streams,
		     const struct held *held, struct tree_stats *st, uint64_t *left,
		     struct err *e);

/*
 * The container is stopped or frozen: nothing changes any more, and after this
 * pass both trees are equal.  A file that changes nevertheless is an ERR_COPY
 * naming it.  `held` (may be NULL) are all files of the frozen processes: those that they may
 * have written unseen (tree/changes/touched.h) are compared by contents.  A process that has
 * ended needs no mention: its files were closed, which the journal sees.
 */
int tree_source_last(struct tree_source *s, struct peer *const *streams, unsigned n_streams,
		     const struct held *held, struct tree_stats *st, struct err *e);

struct tree_measure {
	uint64_t files;	 /* names other than directories, without excluded ones */
	uint64_t dirs;
	uint64_t bytes;	 /* allocated contents: what a first pass sends */
	uint64_t max_file; /* the largest one */
	double changed_names_per_s; /* -1: no journal, or not asked */
	double changed_bytes_per_s; /* what those files hold (an upper bound) */
};

/* Walks the area (by attributes only), then watches the journal for `watch_ms`
 * (0: not at all).  Fills progress' expectations for the first pass.  The journal's
 * contents are kept for the passes. */
int tree_source_measure(struct tree_source *s, unsigned watch_ms, struct tree_measure *out,
			struct err *e);

#endif
