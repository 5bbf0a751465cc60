/* SPDX-License-Identifier: MIT */
/*
 * mem/batch.h - one batch of pages of one object: read here, sorted into data,
 * zeros and vanished ones, and sent as frames.
 */
#ifndef MEM_BATCH_H
#define MEM_BATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "mem/msg.h"
#include "mem/pageset.h"
#include "wire/peer.h"

/* Where the bytes of an object are. */
struct batch_from {
	uint32_t nr;	/* object number */
	/*
	 * A space: its /proc/PID/mem.  Not process_vm_readv: that pins pages, and of a page that is shared after a fork
	 * the kernel then gives the process a copy of its own (gup_must_unshare in mm/internal.h, since Linux 5.19): to
	 * read the memory of N processes would multiply it by N.  Measured on 6.18, 240 pages at once: 2.8 and
	 * 2.3 GB/s; pages apart from each other: 3.7 and 2.0 us each.
	 * A shared object: itself.  Borrowed.
	 */
	int fd;
	uint64_t *hash; /* one number a page, kept up to date; NULL: none */
	uint64_t first; /* address of the page that hash[0] is of */
	bool compare;	/* pages whose hash did not change are not sent */
};

/* Up to MEMMSG_MAX_PAGES pages in MEMMSG_MAX_RUNS rising runs. */
struct batch {
	struct batch_from from;
	bool dense; /* see memmsg_runs */
	uint32_t n;
	uint64_t pages;
	struct run v[MEMMSG_MAX_RUNS];
};

struct batch_count {
	uint64_t data, zero, dropped; /* pages */
	uint64_t bytes;		      /* of the frames */
};

/* Room to work in; one a thread. */
struct batcher;
struct batcher *batcher_new(bool zstd);
void batcher_free(struct batcher *b);

/* Reads and sends; `now`: without waiting for the rate limit, and without compressing. */
int batch_send(struct batcher *w, struct peer *p, const struct batch *b, bool now,
	       struct batch_count *count, struct err *e);

#endif
