// SPDX-License-Identifier: MIT
#include "mem/store/object.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "base/own.h"
#include "mem/maps.h"

enum { HOT_MOST = 4096 /* pages: the latest rounds that fit */ };

/* A memory file with the object's name, so that it looks as it did at the source. */
int object_open_shared(struct object *o, const struct memobj *d, struct err *e)
{
	const char *name = !strncmp(d->name, "/memfd:", 7) ? d->name + 7 : d->name;

	if (o->fd < 0)
		o->fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (o->fd < 0)
		return err_sys(e, "cannot make memory file %s", name);
	if (ftruncate(o->fd, (off_t)d->size) < 0)
		return err_sys(e, "cannot give memory file %s its size", name);
	return 0;
}

/* Under life, exclusively. */
void object_empty(struct stock *s, struct object *o)
{
	for (size_t i = 0; i < o->slots.cap; i++) {
		struct slot *one = o->slots.table[i];

		if (one) {
			s->data_pages -= one->nr_data;
			for (unsigned k = 0; k < SLOT_WORDS; k++)
				s->zero_pages -= (unsigned)__builtin_popcountll(one->zero[k]);
		}
	}
	slots_fini(&o->slots, &s->arena);
	pageset_fini(&o->coming);
	pageset_fini(&o->present);
	pageset_fini(&o->hot);
	o->listing = o->listed = false;
}

void object_free(struct stock *s, struct object *o)
{
	slots_fini(&o->slots, &s->arena);
	pageset_fini(&o->coming);
	pageset_fini(&o->present);
	pageset_fini(&o->hot);
	close_fd(&o->fd);
	pthread_rwlock_destroy(&o->life);
	pthread_mutex_destroy(&o->lock);
	free(o);
}

/* Books [first, first + n) of a slot as data or zero. Under o->lock. */
static void book(struct stock *s, struct slot *one, unsigned first, unsigned n, bool zero)
{
	for (unsigned i = first; i < first + n; i++) {
		bool had = bit_get(one->have, i), was_zero = bit_get(one->zero, i);
		bool was_data = had && !was_zero && !bit_get(one->done, i);

		s->again += had;
		if (zero && !was_zero) {
			bit_set(one->zero, i);
			s->zero_pages++;
		} else if (!zero && was_zero) {
			bit_clear(one->zero, i);
			s->zero_pages--;
		}
		if (!zero && !was_data) {
			one->nr_data++;
			s->data_pages++;
		} else if (zero && was_data) {
			one->nr_data--;
			s->data_pages--;
		}
		one->nr_have += !had;
		bit_set(one->have, i);
		bit_clear(one->done, i);
	}
	if (s->data_pages > s->peak)
		s->peak = s->data_pages;
}

static int no_memory(struct err *e)
{
	err_sys(e, "no memory for the container's pages");
	return err_hint(e, "the destination has too little free memory");
}

/* The first round brings everything; what comes later is in use. Under o->lock. */
static void note_hot(const struct stock *s, struct object *o, uint64_t addr, unsigned n)
{
	if (s->barriers && !o->listed)
		pageset_add(&o->hot, addr, n);
}

void object_barrier(struct object *o)
{
	pthread_mutex_lock(&o->lock);
	if (!o->listed && o->hot.pages > HOT_MOST)
		pageset_clear(&o->hot);
	pthread_mutex_unlock(&o->lock);
}

/* Data for a part of one slot. */
int object_data(struct stock *s, struct object *o, uint64_t addr, unsigned n, bool dense,
		    const uint8_t *data, struct err *e)
{
	unsigned first = (unsigned)(addr & (SLOT_SIZE - 1)) >> MEM_PAGE_SHIFT;
	uint8_t *room = NULL;
	struct slot *one;

	if (o->fd >= 0) {
		size_t len = (size_t)n << MEM_PAGE_SHIFT;

		if (len > o->desc.size - addr) /* its last page may be a part of one */
			len = o->desc.size - addr;
		if (pwrite(o->fd, data, len, (off_t)addr) != (ssize_t)len)
			return no_memory(e);
	}
	pthread_mutex_lock(&o->lock);
	one = slots_make(&o->slots, addr);
	if (o->fd < 0) {
		room = slot_room(one, &s->arena, dense);
		if (!room) {
			pthread_mutex_unlock(&o->lock);
			return no_memory(e);
		}
		/* In lazy migration others look for it already: booked when it is whole. */
		one->writers++;
		pthread_mutex_unlock(&o->lock);
		memcpy(room + ((size_t)first << MEM_PAGE_SHIFT), data, (size_t)n << MEM_PAGE_SHIFT);
		pthread_mutex_lock(&o->lock);
		one->writers--;
	}
	book(s, one, first, n, false);
	note_hot(s, o, addr, n);
	pthread_mutex_unlock(&o->lock);
	return 0;
}

/* Memory of data pages that became zero or nothing goes back. */
void object_zero(struct stock *s, struct object *o, uint64_t addr, unsigned n)
{
	unsigned first = (unsigned)(addr & (SLOT_SIZE - 1)) >> MEM_PAGE_SHIFT;
	uint64_t data = 0, zero = 0;
	struct slot *one;

	pthread_mutex_lock(&o->lock);
	one = slots_make(&o->slots, addr);
	if (o->fd < 0) {
		slot_drop(one, &s->arena, first, n, &data, &zero);
		s->data_pages -= data;
		s->zero_pages -= zero;
	}
	book(s, one, first, n, true);
	note_hot(s, o, addr, n);
	pthread_mutex_unlock(&o->lock);
}

void object_punch(struct object *o, uint64_t start, uint64_t pages)
{
	if (o->fd >= 0 && start < o->desc.size)
		(void)fallocate(o->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)start,
				(off_t)((pages < UINT64_C(1) << 40 ? pages : UINT64_C(1) << 40)
					<< MEM_PAGE_SHIFT));
}

static void drop_in_slot(struct stock *s, struct object *o, struct slot *one, uint64_t start,
			 uint64_t end)
{
	uint64_t a = start > one->base ? start : one->base;
	uint64_t b = end < one->base + SLOT_SIZE ? end : one->base + SLOT_SIZE;
	uint64_t data = 0, zero = 0;
	unsigned first, n;

	if (a >= b)
		return;
	first = (unsigned)((a - one->base) >> MEM_PAGE_SHIFT);
	n = (unsigned)((b - a) >> MEM_PAGE_SHIFT);
	if (o->fd < 0) {
		slot_drop(one, &s->arena, first, n, &data, &zero);
	} else {
		for (unsigned i = first; i < first + n; i++) {
			if (!bit_get(one->have, i))
				continue;
			if (bit_get(one->zero, i)) {
				zero++;
			} else {
				data++;
				one->nr_data--;
			}
			one->nr_have--;
			bit_clear(one->have, i);
			bit_clear(one->zero, i);
		}
	}
	s->data_pages -= data;
	s->zero_pages -= zero;
}

void object_drop(struct stock *s, struct object *o, uint64_t start, uint64_t pages)
{
	uint64_t end = start + (pages << MEM_PAGE_SHIFT);

	pthread_mutex_lock(&o->lock);
	object_punch(o, start, pages);
	if (pages / SLOT_PAGES > o->slots.cap) {
		for (size_t i = 0; i < o->slots.cap; i++)
			if (o->slots.table[i])
				drop_in_slot(s, o, o->slots.table[i], start, end);
	} else {
		for (uint64_t at = start & ~(SLOT_SIZE - 1); at < end; at += SLOT_SIZE) {
			struct slot *one = slots_find(&o->slots, at);

			if (one)
				drop_in_slot(s, o, one, start, end);
		}
	}
	pthread_mutex_unlock(&o->lock);
}

/* Which pages of the slot does the set name? */
static void mask_of(const struct pageset *set, const struct slot *one, uint64_t *mask)
{
	memset(mask, 0, sizeof(one->have));
	for (size_t i = pageset_seek(set, one->base);
	     i < set->n && set->v[i].start < one->base + SLOT_SIZE; i++) {
		uint64_t a = set->v[i].start > one->base ? set->v[i].start : one->base;
		uint64_t b = run_end(&set->v[i]);

		b = b < one->base + SLOT_SIZE ? b : one->base + SLOT_SIZE;
		bits_fill(mask, (unsigned)((a - one->base) >> MEM_PAGE_SHIFT),
			  (unsigned)((b - a) >> MEM_PAGE_SHIFT));
	}
}

/* What is here of the slot but not in the mask goes. */
static void keep_masked(struct stock *s, struct object *o, struct slot *one, const uint64_t *mask)
{
	for (unsigned p = 0; p < SLOT_PAGES; p++) {
		unsigned n = 1;

		if (!(one->have[p / 64] & ~mask[p / 64])) {
			p |= 63;
			continue;
		}
		if (!bit_get(one->have, p) || bit_get(mask, p))
			continue;
		while (p + n < SLOT_PAGES && bit_get(one->have, p + n) && !bit_get(mask, p + n))
			n++;
		object_punch(o, one->base + ((uint64_t)p << MEM_PAGE_SHIFT), n);
		drop_in_slot(s, o, one, one->base + ((uint64_t)p << MEM_PAGE_SHIFT),
			     one->base + ((uint64_t)(p + n) << MEM_PAGE_SHIFT));
		p += n - 1;
	}
}

/* The list is complete: what it does not name goes. Under o->lock. */
void object_finish_list(struct stock *s, struct object *o)
{
	uint64_t mask[SLOT_WORDS];

	pageset_move(&o->present, &o->coming);
	o->listed = true;
	o->listing = false;
	for (size_t i = 0; i < o->slots.cap; i++) {
		struct slot *one = o->slots.table[i];

		if (!one)
			continue;
		mask_of(&o->present, one, mask);
		keep_masked(s, o, one, mask);
	}
}

/* How many pages of its list are not here? */
uint64_t object_missing(struct object *o)
{
	uint64_t mask[SLOT_WORDS], here = 0, listed = 0;

	pthread_mutex_lock(&o->lock);
	if (o->listed)
		listed = o->present.pages;
	for (size_t i = 0; listed && i < o->slots.cap; i++) {
		struct slot *one = o->slots.table[i];

		if (!one)
			continue;
		mask_of(&o->present, one, mask);
		for (unsigned k = 0; k < SLOT_WORDS; k++)
			here += (unsigned)__builtin_popcountll(one->have[k] & mask[k]);
	}
	pthread_mutex_unlock(&o->lock);
	return listed - here;
}

