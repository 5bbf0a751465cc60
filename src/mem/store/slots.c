// SPDX-License-Identifier: MIT
#include "mem/store/slots.h"

#include <assert.h>
#include <string.h>
#include <sys/mman.h>

#include "base/own.h"

enum { PAGE = 4096, CHUNK_SLOTS = 128 };

#define CHUNK (CHUNK_SLOTS * SLOT_SIZE)

void arena_init(struct arena *a)
{
	*a = (struct arena){ .chunks = NULL };
	pthread_mutex_init(&a->lock, NULL);
}

void arena_fini(struct arena *a)
{
	for (size_t i = 0; i < a->nr_chunks; i++)
		munmap(a->chunks[i], CHUNK);
	free(a->chunks);
	for (int huge = 0; huge < 2; huge++)
		free(a->idle[huge]);
	pthread_mutex_destroy(&a->lock);
}

/* An aligned piece of address space for 128 slots of one kind. */
static int arena_grow(struct arena *a, bool huge)
{
	uint8_t *p = mmap(NULL, CHUNK + SLOT_SIZE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0), *at;
	size_t before;

	if (p == MAP_FAILED)
		return -1;
	at = (uint8_t *)(((uintptr_t)p + SLOT_SIZE - 1) & ~(SLOT_SIZE - 1));
	before = (size_t)(at - p);
	if (before)
		munmap(p, before);
	munmap(at + CHUNK, SLOT_SIZE - before);
	madvise(at, CHUNK, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	madvise(at, CHUNK, MADV_DONTDUMP);
	a->chunks = xrealloc(a->chunks, (a->nr_chunks + 1) * sizeof(*a->chunks));
	a->chunks[a->nr_chunks++] = at;
	a->next[huge] = at;
	a->left[huge] = CHUNK_SLOTS;
	return 0;
}

static uint8_t *arena_take(struct arena *a, bool huge)
{
	uint8_t *p = NULL;

	pthread_mutex_lock(&a->lock);
	if (a->nr_idle[huge]) {
		p = a->idle[huge][--a->nr_idle[huge]];
	} else if (a->left[huge] || arena_grow(a, huge) == 0) {
		p = a->next[huge];
		a->next[huge] += SLOT_SIZE;
		a->left[huge]--;
	}
	pthread_mutex_unlock(&a->lock);
	return p;
}

static void arena_give(struct arena *a, uint8_t *p, bool huge)
{
	madvise(p, SLOT_SIZE, MADV_DONTNEED);
	pthread_mutex_lock(&a->lock);
	a->idle[huge] = xrealloc(a->idle[huge], (a->nr_idle[huge] + 1) * sizeof(uint8_t *));
	a->idle[huge][a->nr_idle[huge]++] = p;
	pthread_mutex_unlock(&a->lock);
}

void slots_fini(struct slots *s, struct arena *a)
{
	for (size_t i = 0; i < s->cap; i++) {
		if (s->table[i] && s->table[i]->data)
			arena_give(a, s->table[i]->data, s->table[i]->huge);
		free(s->table[i]);
	}
	free(s->table);
	*s = (struct slots){ NULL, 0, 0 };
}

static size_t place(const struct slots *s, uint64_t base)
{
	size_t i = (size_t)((base >> SLOT_SHIFT) * UINT64_C(0x9e3779b97f4a7c15) >> 20) & (s->cap - 1);

	while (s->table[i] && s->table[i]->base != base)
		i = (i + 1) & (s->cap - 1);
	return i;
}

struct slot *slots_find(const struct slots *s, uint64_t addr)
{
	return s->cap ? s->table[place(s, addr & ~(SLOT_SIZE - 1))] : NULL;
}

static void grow(struct slots *s)
{
	struct slots old = *s;

	s->cap = old.cap ? 2 * old.cap : 64;
	s->table = xcalloc(s->cap, sizeof(*s->table));
	for (size_t i = 0; i < old.cap; i++)
		if (old.table[i])
			s->table[place(s, old.table[i]->base)] = old.table[i];
	free(old.table);
}

struct slot *slots_make(struct slots *s, uint64_t addr)
{
	uint64_t base = addr & ~(SLOT_SIZE - 1);
	struct slot *one = slots_find(s, addr);
	size_t i;

	if (one)
		return one;
	if (2 * (s->n + 1) > s->cap)
		grow(s);
	i = place(s, base);
	s->table[i] = xcalloc(1, sizeof(*one));
	s->table[i]->base = base;
	s->n++;
	return s->table[i];
}

uint8_t *slot_room(struct slot *one, struct arena *a, bool dense)
{
	if (!one->data) {
		one->huge = dense;
		one->data = arena_take(a, dense);
	}
	return one->data;
}

void slot_drop(struct slot *one, struct arena *a, unsigned first, unsigned n, uint64_t *data,
	       uint64_t *zero)
{
	unsigned lost = 0;

	assert(first + n <= SLOT_PAGES);
	for (unsigned i = first; i < first + n; i++) {
		if (!bit_get(one->have, i))
			continue;
		if (bit_get(one->zero, i)) {
			++*zero;
		} else if (!bit_get(one->done, i)) {
			lost++;
			one->nr_data--;
		}
		one->nr_have--;
		bit_clear(one->have, i);
		bit_clear(one->zero, i);
		bit_clear(one->done, i);
	}
	*data += lost;
	if (!lost)
		return;
	if (!one->nr_data && !one->writers) {
		arena_give(a, one->data, one->huge);
		one->data = NULL;
	} else {
		madvise(one->data + (size_t)first * PAGE, (size_t)n * PAGE, MADV_DONTNEED);
	}
}

unsigned slot_done(struct slot *one, struct arena *a, unsigned first, unsigned n)
{
	unsigned fresh = 0;

	assert(first + n <= SLOT_PAGES);
	for (unsigned i = first; i < first + n; i++) {
		if (!bit_get(one->have, i) || bit_get(one->zero, i) || bit_get(one->done, i))
			continue;
		bit_set(one->done, i);
		one->nr_data--;
		fresh++;
	}
	if (fresh && !one->nr_data && !one->writers) {
		arena_give(a, one->data, one->huge);
		one->data = NULL;
	}
	return fresh;
}
