/* SPDX-License-Identifier: MIT */
/*
 * mem/msg.h - the frames that carry memory (PROTO_MEM_FIRST..LAST), and their
 * codecs.  S is the source, A the agent at the destination.
 *
 *	S OBJECT n=1 space vpid 1          a number for each address space and
 *	S OBJECT n=2 shared dev:ino size   each shared object; a repeat resets it
 *	S PAGES 1 …  S ZERO 1 …  S DROP 2 …   a round; on any stream
 *	S SYNC ->  A REPLY                 on every stream: all applied
 *	…                                  more rounds
 *	S PRESENT 1 …                      frozen: these pages exist, no others
 *	S SYNC -> A REPLY                  with what is missing (in lazy: plenty)
 *
 * Lazy, over a stream of its own:
 *
 *	A WANT 1 addr n  -> S PAGES/ZERO/DROP   first come
 *	S PAGES …                               the background push
 *	S END                                   everything was sent once
 *	A FILLED                                everything arrived: the source may forget
 *
 * Lazy, over a new link after the first was lost; S may be another process, that knows
 * nothing but the frozen container:
 *
 *	A OBJECT 1 (space)  A OWED 1 …     each address space, and what it lacks
 *	A END                              that was all
 *	…                                  WANT, PAGES, END, FILLED as above
 *
 * All numbers big-endian (base/buf.h).  Page data is never interpreted.
 */
#ifndef MEM_MSG_H
#define MEM_MSG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "mem/pageset.h"
#include "wire/frame.h"
#include "wire/proto.h"

enum memmsg_type {
	MEMMSG_OBJECT = PROTO_MEM_FIRST, /* S */
	MEMMSG_PAGES,	/* S; runs and their data */
	MEMMSG_ZPAGES,	/* S; the same, data in one zstd frame; asks for PROTO_FEATURE_ZSTD */
	MEMMSG_ZERO,	/* S; runs that exist and hold only zeros */
	MEMMSG_DROP,	/* S; runs that do not exist (any more) */
	MEMMSG_GONE,	/* S; the object ended */
	MEMMSG_SYNC,	/* S; answered by REPLY: u64 pages that are missing */
	MEMMSG_PRESENT, /* S; a part of the list of pages that exist */
	MEMMSG_WANT,	/* A; lazy: one run, wanted now */
	MEMMSG_END,	/* S; lazy: the push has sent everything once.  A: see above */
	MEMMSG_FILLED,	/* A; lazy: everything is here */
	MEMMSG_OWED,	/* A; lazy, over a new link: runs of the object that are not here */
	MEMMSG_TYPE_END,
};

enum {
	MEMMSG_MAX_RUNS = 240,	/* in a frame with data: the rest of 1 MiB is pages */
	MEMMSG_MAX_PAGES = 240, /* in a frame with data */
	MEMMSG_MAX_LIST = 60000,/* runs in a frame without data */
};

/* Addresses are below this (5-level page tables included). */
#define MEMMSG_MAX_ADDR (UINT64_C(1) << 57)

enum memobj_kind { MEMOBJ_SPACE = 1, MEMOBJ_SHARED = 2 };

/* What pages belong to; the same at both ends. */
struct memobj {
	uint32_t nr;	 /* of this migration; counts from 1, never reused */
	enum memobj_kind kind;
	uint64_t id;	 /* SPACE: pid in the container's namespace; SHARED: inode */
	uint64_t dev;	 /* SHARED: device at the source (makedev) */
	uint64_t size;	 /* SHARED: bytes, as ftruncate'd */
	char name[256];	 /* SHARED: "/memfd:x", "/dev/zero", "/SYSV00000000" */
};

/* A decoded PAGES, ZERO, DROP or PRESENT: runs are the caller's array. */
struct memmsg_runs {
	uint32_t nr;	     /* object */
	bool dense;	     /* PAGES: the 2 MiB around are all in use at the source;
			      * PRESENT: this is the last part */
	uint32_t n;	     /* runs */
	uint64_t pages;	     /* in all runs */
	const uint8_t *data; /* PAGES: pages * 4096 bytes, borrowed from the frame;
			      * ZPAGES: the compressed bytes; else NULL */
	size_t data_len;
};

void memmsg_put_object(struct buf *b, const struct memobj *o);
int memmsg_get_object(const struct frame *f, struct memobj *o, struct err *e);

/* The head of PAGES, ZPAGES, ZERO, DROP, PRESENT; the data follows it in the frame. */
void memmsg_put_runs(struct buf *b, uint32_t nr, bool dense, const struct run *v, uint32_t n);
/* Checks everything: counts, alignment, order (rising, not overlapping), addresses, and that
 * the data fits the runs.  `v` has room for MEMMSG_MAX_LIST. */
int memmsg_get_runs(const struct frame *f, struct memmsg_runs *m, struct run *v,
		    struct err *e);

/* "page list of …" for messages; never NULL. */
const char *memmsg_name(uint8_t type);

#endif
