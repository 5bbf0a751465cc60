/* SPDX-License-Identifier: MIT */
/*
 * mem/pageset.h - a set of pages as sorted runs.
 *
 * Addresses are bytes, page aligned; what they are offsets into (an address
 * space, a shared object) is the owner's knowledge.  Runs never touch each
 * other, so equal sets have equal runs.  Appending in rising order is O(1).
 */
#ifndef MEM_PAGESET_H
#define MEM_PAGESET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct run {
	uint64_t start; /* bytes, page aligned */
	uint64_t pages; /* > 0 */
};

struct pageset {
	struct run *v;
	size_t n, cap;
	uint64_t pages; /* in all runs */
};

#define PAGESET_INIT { NULL, 0, 0, 0 }
#define own_pageset __attribute__((cleanup(pageset_fini)))

void pageset_fini(struct pageset *s);
void pageset_clear(struct pageset *s); /* keeps the memory */

/* [start, start + pages) comes in; any order, overlaps allowed. */
void pageset_add(struct pageset *s, uint64_t start, uint64_t pages);
void pageset_remove(struct pageset *s, uint64_t start, uint64_t pages);
void pageset_add_set(struct pageset *s, const struct pageset *other);
void pageset_remove_set(struct pageset *s, const struct pageset *other);
/* s becomes what both hold. */
void pageset_keep(struct pageset *s, const struct pageset *other);
void pageset_move(struct pageset *to, struct pageset *from); /* to was empty or is lost */

bool pageset_has(const struct pageset *s, uint64_t addr);
/* How many pages from addr on are inside (0: addr is outside). */
uint64_t pageset_span(const struct pageset *s, uint64_t addr);
/* The first run that ends after addr, as index; n when there is none. */
size_t pageset_seek(const struct pageset *s, uint64_t addr);
/* Pages of s within [start, end). */
uint64_t pageset_count(const struct pageset *s, uint64_t start, uint64_t end);

static inline uint64_t run_end(const struct run *r)
{
	return r->start + (r->pages << 12);
}

#endif
