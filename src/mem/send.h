/* SPDX-License-Identifier: MIT */
/*
 * mem/send.h - pages go out: read in batches, zeros and vanished pages
 * told as runs, compressed when that pays, over one or more streams.
 *
 * Queueing is cheap and never reads; worker threads read and send.  Between
 * two sender_sync a page may be queued once only (streams overtake each
 * other); sender_sync is the barrier.
 */
#ifndef MEM_SEND_H
#define MEM_SEND_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "mem/batch.h"
#include "mem/msg.h"
#include "mem/pageset.h"
#include "wire/peer.h"

struct sender;

struct sender_opts {
	struct peer *const *streams; /* borrowed; the first is also the control stream */
	unsigned nr_streams;	     /* >= 1 */
	unsigned threads;	     /* 0: one a stream, at least two */
	bool zstd;		     /* the other end understands ZPAGES and the link is slow */
};

struct sender_stats {
	uint64_t data_pages, zero_pages, dropped_pages;
	uint64_t data_bytes; /* on the wire, of page frames */
};

int sender_new(struct sender **out, const struct sender_opts *o, struct err *e);
void sender_free(struct sender *s); /* waits for the workers; NULL is fine */

/* Announces (or resets) an object; before its pages, in no open round of it. */
int sender_object(struct sender *s, const struct memobj *o, struct err *e);
int sender_gone(struct sender *s, uint32_t nr, struct err *e);

/* Blocks only while the queue is full (bounded). `runs` is copied. */
int sender_pages(struct sender *s, const struct batch_from *from, const struct run *runs,
		 size_t n, struct err *e);
int sender_zero(struct sender *s, uint32_t nr, const struct run *runs, size_t n,
		struct err *e);
int sender_drop(struct sender *s, uint32_t nr, const struct run *runs, size_t n,
		struct err *e);
/* The complete list of an object, empty lists too. */
int sender_present(struct sender *s, uint32_t nr, const struct pageset *present,
		   struct err *e);

/* Frozen window: frames do not wait for the rate limit from here on. */
void sender_urgent(struct sender *s, bool on);

/* All queued has been read and handed to the link (not yet applied there): its pages may
 * change now. */
int sender_read(struct sender *s, struct err *e);

/* All queued is sent and applied on every stream.  *missing (may be NULL): pages that PRESENT
 * lists named and that are not in the store there. */
int sender_sync(struct sender *s, uint64_t *missing, struct err *e);

struct sender_stats sender_stats(struct sender *s);

#endif
