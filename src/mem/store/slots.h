/* SPDX-License-Identifier: MIT */
/*
 * mem/store/slots.h - the pages of one address space at the destination: 2 MiB slots
 * found by address, each with two bitmaps.
 *
 *	have  zero
 *	 0     0	absent
 *	 1     0	data: slot->data + offset
 *	 1     1	all zeros, no memory
 *
 * Memory comes from arenas, one kind for slots that will be filled wholly (huge
 * pages) and one for others; arenas are unmapped at the end only, so a stale
 * pointer into one is never a fault.  Locking is the store's work.
 */
#ifndef MEM_STORE_SLOTS_H
#define MEM_STORE_SLOTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <pthread.h>

enum { SLOT_SHIFT = 21, SLOT_PAGES = 512, SLOT_WORDS = SLOT_PAGES / 64 };
#define SLOT_SIZE (UINT64_C(1) << SLOT_SHIFT)

struct slot {
	uint64_t base; /* address, aligned to SLOT_SIZE */
	uint8_t *data; /* SLOT_SIZE bytes, or NULL while only zeros are here */
	bool huge;
	unsigned nr_have, nr_data;
	unsigned writers; /* somebody copies into data: it stays */
	uint64_t have[SLOT_WORDS], zero[SLOT_WORDS];
	uint64_t done[SLOT_WORDS]; /* copied away; memory goes when all data are */
};

/* Where slots get their memory; shared by all spaces, has its own lock. */
struct arena {
	pthread_mutex_t lock;
	uint8_t **chunks; /* mmap'ed, CHUNK bytes each */
	size_t nr_chunks;
	uint8_t *next[2];
	size_t left[2]; /* slots behind next */
	uint8_t **idle[2];
	size_t nr_idle[2];
};

void arena_init(struct arena *a);
void arena_fini(struct arena *a);

struct slots {
	struct slot **table; /* open addressing, power of two */
	size_t cap, n;
};

void slots_fini(struct slots *s, struct arena *a);
struct slot *slots_find(const struct slots *s, uint64_t addr);
struct slot *slots_make(struct slots *s, uint64_t addr);
/* Room for data; NULL when there is no memory (errno). */
uint8_t *slot_room(struct slot *one, struct arena *a, bool dense);
/* Gives back what [first, first + n) used, and forgets the pages. Returns data, zero pages lost. */
void slot_drop(struct slot *one, struct arena *a, unsigned first, unsigned n, uint64_t *data,
	       uint64_t *zero);
/* These are copied away: returns how many of them are data for the first time. */
unsigned slot_done(struct slot *one, struct arena *a, unsigned first, unsigned n);

static inline bool bit_get(const uint64_t *w, unsigned i)
{
	return w[i / 64] >> (i % 64) & 1;
}

static inline void bit_set(uint64_t *w, unsigned i)
{
	w[i / 64] |= UINT64_C(1) << (i % 64);
}

static inline void bit_clear(uint64_t *w, unsigned i)
{
	w[i / 64] &= ~(UINT64_C(1) << (i % 64));
}

static inline void bits_fill(uint64_t *w, unsigned first, unsigned n)
{
	for (; n && first % 64; first++, n--)
		bit_set(w, first);
	for (; n >= 64; first += 64, n -= 64)
		w[first / 64] = ~UINT64_C(0);
	for (; n; first++, n--)
		bit_set(w, first);
}

#endif
