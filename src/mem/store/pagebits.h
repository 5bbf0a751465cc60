/* SPDX-License-Identifier: MIT */
/*
 * mem/store/pagebits.h - a set of pages that only shrinks, but for pages that come back: a bitmap
 * for each 2 MiB in which it had any.  What is taken out of it in any order costs the same
 * however large it is; a pageset (runs) falls apart into a run a hole, and each is moved then.
 */
#ifndef MEM_STORE_PAGEBITS_H
#define MEM_STORE_PAGEBITS_H

#include <stddef.h>
#include <stdint.h>

#include "mem/pageset.h"
#include "mem/store/slots.h"

struct pagebits {
	struct pagebits_slot {
		uint64_t base; /* address, aligned to SLOT_SIZE */
		uint64_t in[SLOT_WORDS];
	} *v; /* sorted */
	size_t n;
	uint64_t pages; /* in it now */
};

#define PAGEBITS_INIT { NULL, 0, 0 }

/* The same pages.  b is empty. */
void pagebits_init(struct pagebits *b, const struct pageset *s);
void pagebits_copy(struct pagebits *to, const struct pagebits *from);
void pagebits_fini(struct pagebits *b);

/* Any pages. */
void pagebits_remove(struct pagebits *b, uint64_t start, uint64_t pages);
/* Pages that were in it at the beginning. */
void pagebits_add(struct pagebits *b, uint64_t start, uint64_t pages);

/* How many pages from addr on are inside, up to max (0: addr is outside). */
uint64_t pagebits_span(const struct pagebits *b, uint64_t addr, uint64_t max);
/* The first page at addr or behind it, and how many from there on are inside, up to max; 0: there is none. */
uint64_t pagebits_next(const struct pagebits *b, uint64_t addr, uint64_t max, uint64_t *start);

/* Adds all of it to *out. */
void pagebits_runs(const struct pagebits *b, struct pageset *out);

#endif
