/* SPDX-License-Identifier: MIT */
/*
 * tree/tree.h - what both ends of the tree mover share with their callers:
 * counters, progress, options.
 *
 * A tree is moved in passes.  The first copies everything (or, onto an area
 * that is not empty, what differs); each later one only what changed since;
 * the last one runs while nothing can change.
 *
 *	source                                     destination
 *	tree_source_open   (journal starts)        tree_dest_open
 *	move: PASS request ----------------------> move: agent calls
 *	tree_source_first  == tree frames =======> tree_dest_pass
 *	           ^------- the receiver's list ---'
 *	move: waits for the REPLY <--------------- applied
 *	…  the same with tree_source_next, as often as it pays
 *	…  the container stops or freezes
 *	tree_source_last   == tree frames =======> tree_dest_pass
 *	tree_source_close                          tree_dest_close
 */
#ifndef TREE_TREE_H
#define TREE_TREE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* One pass, as either end saw it.  Filled also when the pass failed. */
struct tree_stats {
	uint64_t files;	      /* regular files whose contents were sent, whole or in part */
	uint64_t others;      /* symlinks, devices, fifos, sockets, further hard links */
	uint64_t dirs;	      /* directories whose attributes were sent */
	uint64_t removed;     /* names deleted at the destination (a tree counts once) */
	uint64_t bytes;	      /* contents sent, before compression, without holes */
	uint64_t same_bytes;  /* contents compared by hash and found equal, not sent */
	uint64_t wire_bytes;  /* frames on all streams, both ways */
	uint64_t vanished;    /* names that were gone or changed while they were read */
	uint64_t mounts;      /* mount points inside the area, not entered */
	uint64_t excluded;    /* names left out by the exclude rules */
	uint64_t ns;	      /* how long the pass took */
	bool walked;	      /* the whole tree was looked at: a first pass, or no usable journal */
};

/* Read by a display while passes run, by any thread; written by the tree only. */
struct tree_progress {
	_Atomic uint64_t files, bytes;		     /* done in this pass */
	_Atomic uint64_t files_expected, bytes_expected; /* 0: not known */
};

/* Compression of the contents on the wire. */
enum tree_zip {
	TREE_ZIP_AUTO = 0, /* by measuring whether it pays */
	TREE_ZIP_OFF,	   /* the other end has no PROTO_FEATURE_ZSTD, or the user said so */
	TREE_ZIP_ON,	   /* always: for tests */
};

#endif
