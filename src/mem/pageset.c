// SPDX-License-Identifier: MIT
#include "mem/pageset.h"

#include <assert.h>
#include <string.h>

#include "base/own.h"

enum { SHIFT = 12 };

static uint64_t end_of(uint64_t start, uint64_t pages)
{
	return start + (pages << SHIFT);
}

void pageset_fini(struct pageset *s)
{
	free(s->v);
	*s = (struct pageset)PAGESET_INIT;
}

void pageset_clear(struct pageset *s)
{
	s->n = 0;
	s->pages = 0;
}

static void reserve(struct pageset *s, size_t n)
{
	if (n <= s->cap)
		return;
	s->cap = n < 16 ? 16 : n + n / 2;
	s->v = xrealloc(s->v, s->cap * sizeof(*s->v));
}

size_t pageset_seek(const struct pageset *s, uint64_t addr)
{
	size_t lo = 0, hi = s->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (run_end(&s->v[mid]) <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* Puts `n_new` runs in the place of runs [from, to). */
static void splice(struct pageset *s, size_t from, size_t to, const struct run *add, size_t n_new)
{
	reserve(s, s->n - (to - from) + n_new);
	memmove(s->v + from + n_new, s->v + to, (s->n - to) * sizeof(*s->v));
	memcpy(s->v + from, add, n_new * sizeof(*s->v));
	s->n = s->n - (to - from) + n_new;
}

void pageset_add(struct pageset *s, uint64_t start, uint64_t pages)
{
	uint64_t end = end_of(start, pages);
	struct run *last = s->n ? &s->v[s->n - 1] : NULL;
	size_t from, to;

	if (!pages)
		return;
	assert(!(start & ((1u << SHIFT) - 1)) && end > start);
	if (!last || run_end(last) < start) {
		reserve(s, s->n + 1);
		s->v[s->n++] = (struct run){ start, pages };
		s->pages += pages;
		return;
	}
	if (run_end(last) == start) {
		last->pages += pages;
		s->pages += pages;
		return;
	}
	/* Swallow every run that touches [start, end]. */
	from = start ? pageset_seek(s, start - 1) : 0;
	for (to = from; to < s->n && s->v[to].start <= end; to++) {
		if (s->v[to].start < start)
			start = s->v[to].start;
		if (run_end(&s->v[to]) > end)
			end = run_end(&s->v[to]);
		s->pages -= s->v[to].pages;
	}
	pages = (end - start) >> SHIFT;
	splice(s, from, to, &(struct run){ start, pages }, 1);
	s->pages += pages;
}

void pageset_remove(struct pageset *s, uint64_t start, uint64_t pages)
{
	uint64_t end = end_of(start, pages);
	size_t from = pageset_seek(s, start), to;
	struct run keep[2];
	size_t n_keep = 0;

	if (!pages)
		return;
	for (to = from; to < s->n && s->v[to].start < end; to++) {
		const struct run *r = &s->v[to];

		s->pages -= r->pages;
		if (r->start < start)
			keep[n_keep++] = (struct run){ r->start, (start - r->start) >> SHIFT };
		if (run_end(r) > end)
			keep[n_keep++] = (struct run){ end, (run_end(r) - end) >> SHIFT };
	}
	if (to == from)
		return;
	for (size_t i = 0; i < n_keep; i++)
		s->pages += keep[i].pages;
	splice(s, from, to, keep, n_keep);
}

/* One pass over both in order; `want` says which membership survives. */
static void combine(struct pageset *s, const struct pageset *o, bool in_s, bool in_o, bool in_both)
{
	struct pageset out = PAGESET_INIT;
	size_t i = 0, j = 0;
	uint64_t at = 0;

	reserve(&out, s->n + o->n + 1);
	while (i < s->n || j < o->n) {
		const struct run *a = i < s->n ? &s->v[i] : NULL;
		const struct run *b = j < o->n ? &o->v[j] : NULL;
		uint64_t a_at = a ? (a->start > at ? a->start : at) : UINT64_MAX;
		uint64_t b_at = b ? (b->start > at ? b->start : at) : UINT64_MAX;
		uint64_t begin = a_at < b_at ? a_at : b_at, stop;
		bool is_a = a && a_at == begin, is_b = b && b_at == begin;

		stop = UINT64_MAX;
		if (a)
			stop = is_a ? run_end(a) : a->start;
		if (b && (is_b ? run_end(b) : b->start) < stop)
			stop = is_b ? run_end(b) : b->start;
		if (is_a && is_b ? in_both : is_a ? in_s : in_o)
			pageset_add(&out, begin, (stop - begin) >> SHIFT);
		at = stop;
		if (a && run_end(a) <= at)
			i++;
		if (b && run_end(b) <= at)
			j++;
	}
	pageset_fini(s);
	*s = out;
}

void pageset_add_set(struct pageset *s, const struct pageset *other)
{
	if (!other->n)
		return;
	if (!s->n || run_end(&s->v[s->n - 1]) < other->v[0].start) {
		reserve(s, s->n + other->n);
		memcpy(s->v + s->n, other->v, other->n * sizeof(*s->v));
		s->n += other->n;
		s->pages += other->pages;
		return;
	}
	if (other->n < 4) {
		for (size_t i = 0; i < other->n; i++)
			pageset_add(s, other->v[i].start, other->v[i].pages);
		return;
	}
	combine(s, other, true, true, true);
}

void pageset_remove_set(struct pageset *s, const struct pageset *other)
{
	if (s->n && other->n)
		combine(s, other, true, false, false);
}

void pageset_keep(struct pageset *s, const struct pageset *other)
{
	combine(s, other, false, false, true);
}

void pageset_move(struct pageset *to, struct pageset *from)
{
	pageset_fini(to);
	*to = *from;
	*from = (struct pageset)PAGESET_INIT;
}

uint64_t pageset_span(const struct pageset *s, uint64_t addr)
{
	size_t i = pageset_seek(s, addr);

	if (i == s->n || s->v[i].start > addr)
		return 0;
	return (run_end(&s->v[i]) - addr) >> SHIFT;
}

bool pageset_has(const struct pageset *s, uint64_t addr)
{
	return pageset_span(s, addr) > 0;
}

uint64_t pageset_count(const struct pageset *s, uint64_t start, uint64_t end)
{
	uint64_t pages = 0;

	for (size_t i = pageset_seek(s, start); i < s->n && s->v[i].start < end; i++) {
		uint64_t a = s->v[i].start > start ? s->v[i].start : start;
		uint64_t b = run_end(&s->v[i]) < end ? run_end(&s->v[i]) : end;

		pages += (b - a) >> SHIFT;
	}
	return pages;
}
