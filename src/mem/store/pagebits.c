// SPDX-License-Identifier: MIT
#include "mem/store/pagebits.h"

#include <assert.h>
#include <string.h>

#include "base/own.h"

enum { SHIFT = 12 };

static unsigned page_of(uint64_t addr)
{
	return (unsigned)((addr & (SLOT_SIZE - 1)) >> SHIFT);
}

/* The first slot that ends behind addr. */
static size_t seek(const struct pagebits *b, uint64_t addr)
{
	size_t lo = 0, hi = b->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (b->v[mid].base + SLOT_SIZE <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static unsigned count(const struct pagebits_slot *one)
{
	unsigned n = 0;

	for (unsigned i = 0; i < SLOT_WORDS; i++)
		n += (unsigned)__builtin_popcountll(one->in[i]);
	return n;
}

/* The pages of [start, end) in this slot come in, or go. */
static void change(struct pagebits *b, struct pagebits_slot *one, uint64_t start, uint64_t end, bool in)
{
	uint64_t mask[SLOT_WORDS] = { 0 };
	uint64_t from = start > one->base ? start : one->base;
	uint64_t to = end < one->base + SLOT_SIZE ? end : one->base + SLOT_SIZE;

	b->pages -= count(one);
	bits_fill(mask, page_of(from), (unsigned)((to - from) >> SHIFT));
	for (unsigned i = 0; i < SLOT_WORDS; i++)
		one->in[i] = in ? one->in[i] | mask[i] : one->in[i] & ~mask[i];
	b->pages += count(one);
}

void pagebits_init(struct pagebits *b, const struct pageset *s)
{
	size_t cap = 0;

	for (size_t i = 0; i < s->n; i++) {
		uint64_t end = run_end(&s->v[i]);

		for (uint64_t at = s->v[i].start; at < end; at = (at | (SLOT_SIZE - 1)) + 1) {
			uint64_t base = at & ~(SLOT_SIZE - 1);

			if (!b->n || b->v[b->n - 1].base != base) {
				if (b->n == cap) {
					cap = cap ? 2 * cap : 64;
					b->v = xrealloc(b->v, cap * sizeof(*b->v));
				}
				b->v[b->n++] = (struct pagebits_slot){ .base = base };
			}
			change(b, &b->v[b->n - 1], s->v[i].start, end, true);
		}
	}
}

void pagebits_copy(struct pagebits *to, const struct pagebits *from)
{
	*to = *from;
	to->v = xcalloc(from->n + 1, sizeof(*to->v));
	if (from->n)
		memcpy(to->v, from->v, from->n * sizeof(*to->v));
}

void pagebits_fini(struct pagebits *b)
{
	free(b->v);
	*b = (struct pagebits)PAGEBITS_INIT;
}

void pagebits_remove(struct pagebits *b, uint64_t start, uint64_t pages)
{
	uint64_t end = start + (pages << SHIFT);

	for (size_t i = seek(b, start); i < b->n && b->v[i].base < end; i++)
		change(b, &b->v[i], start, end, false);
}

void pagebits_add(struct pagebits *b, uint64_t start, uint64_t pages)
{
	uint64_t end = start + (pages << SHIFT);

	for (size_t i = seek(b, start); i < b->n && b->v[i].base < end; i++) {
		change(b, &b->v[i], start, end, true);
		start = b->v[i].base + SLOT_SIZE;
	}
	assert(start >= end);
}

/* From page `at` of the slot on, the next that is (not) inside; SLOT_PAGES: none. */
static unsigned find(const struct pagebits_slot *one, unsigned at, bool in)
{
	while (at < SLOT_PAGES) {
		uint64_t w = (in ? one->in[at / 64] : ~one->in[at / 64]) >> (at % 64);

		if (w)
			return at + (unsigned)__builtin_ctzll(w);
		at = (at | 63) + 1;
	}
	return SLOT_PAGES;
}

uint64_t pagebits_span(const struct pagebits *b, uint64_t addr, uint64_t max)
{
	uint64_t n = 0;

	for (size_t i = seek(b, addr); i < b->n && b->v[i].base <= addr && n < max; i++) {
		unsigned first = page_of(addr), end = find(&b->v[i], first, false);

		n += end - first;
		if (end < SLOT_PAGES)
			break;
		addr = b->v[i].base + SLOT_SIZE;
	}
	return n < max ? n : max;
}

uint64_t pagebits_next(const struct pagebits *b, uint64_t addr, uint64_t max, uint64_t *start)
{
	for (size_t i = seek(b, addr); i < b->n; i++) {
		unsigned at = find(&b->v[i], b->v[i].base < addr ? page_of(addr) : 0, true);

		if (at == SLOT_PAGES)
			continue;
		*start = b->v[i].base + ((uint64_t)at << SHIFT);
		return pagebits_span(b, *start, max);
	}
	return 0;
}

void pagebits_runs(const struct pagebits *b, struct pageset *out)
{
	uint64_t start, n;

	for (uint64_t at = 0; (n = pagebits_next(b, at, UINT64_MAX, &start)); at = start + (n << SHIFT))
		pageset_add(out, start, n);
}
