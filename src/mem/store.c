// SPDX-License-Identifier: MIT
#include "mem/store.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <fcntl.h>
#include <zstd.h>

#include "base/own.h"
#include "mem/maps.h"
#include "mem/slots.h"

struct object {
	/* Held shared while pages come and go, exclusive while the object is reset. */
	pthread_rwlock_t life;
	/* Bitmaps, tables, lists. */
	pthread_mutex_t lock;
	struct memobj desc;
	bool gone;
	struct slots slots; /* of a shared object: bitmaps only, data is NULL */
	int fd;		    /* of a shared object */
	struct pageset coming, present;
	bool listing, listed; /* a list is arriving; one has arrived */
};

struct store {
	struct store_opts o;
	struct arena arena;
	pthread_rwlock_t lock; /* the table of objects */
	struct object **objects; /* [nr - 1]; never freed before the store */
	size_t n, cap;
	_Atomic uint64_t data_pages, zero_pages, peak, frames, received, again;
};

struct store *store_new(const struct store_opts *o)
{
	struct store *s = xcalloc(1, sizeof(*s));

	s->o = *o;
	if (!s->o.max_objects)
		s->o.max_objects = 65536;
	arena_init(&s->arena);
	pthread_rwlock_init(&s->lock, NULL);
	return s;
}

static void object_free(struct store *s, struct object *o)
{
	slots_fini(&o->slots, &s->arena);
	pageset_fini(&o->coming);
	pageset_fini(&o->present);
	close_fd(&o->fd);
	pthread_rwlock_destroy(&o->life);
	pthread_mutex_destroy(&o->lock);
	free(o);
}

void store_free(struct store *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n; i++)
		object_free(s, s->objects[i]);
	free(s->objects);
	arena_fini(&s->arena);
	pthread_rwlock_destroy(&s->lock);
	free(s);
}

bool store_takes(uint8_t type)
{
	return type >= MEMMSG_OBJECT && type <= MEMMSG_PRESENT;
}

/* ---- objects ---- */

static struct object *object_at(struct store *s, uint32_t nr)
{
	struct object *o;

	pthread_rwlock_rdlock(&s->lock);
	o = nr && nr <= s->n ? s->objects[nr - 1] : NULL;
	pthread_rwlock_unlock(&s->lock);
	return o;
}

/* The object `nr`, alive and held for use of its pages; NULL: there is none. */
static struct object *object_hold(struct store *s, uint32_t nr)
{
	struct object *o = object_at(s, nr);

	if (!o)
		return NULL;
	pthread_rwlock_rdlock(&o->life);
	if (!o->gone)
		return o;
	pthread_rwlock_unlock(&o->life);
	return NULL;
}

static void object_let(struct object *o)
{
	pthread_rwlock_unlock(&o->life);
}

static int no_object(uint32_t nr, struct err *e)
{
	return err_set(e, ERR_PROTO, "memory object %" PRIu32 " was never announced", nr);
}

/* Under life, exclusively. */
static void object_empty(struct store *s, struct object *o)
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
	o->listing = o->listed = false;
}

static struct object *object_make(struct store *s, uint32_t nr, struct err *e)
{
	struct object *o = NULL;

	pthread_rwlock_wrlock(&s->lock);
	if (nr > s->o.max_objects || nr > s->n + 1) {
		err_set(e, ERR_PROTO, "memory object %" PRIu32 " comes out of turn", nr);
	} else if (nr <= s->n) {
		o = s->objects[nr - 1];
	} else {
		o = xcalloc(1, sizeof(*o));
		o->fd = -1;
		o->gone = true;
		pthread_rwlock_init(&o->life, NULL);
		pthread_mutex_init(&o->lock, NULL);
		if (s->n == s->cap) {
			s->cap = s->cap ? 2 * s->cap : 64;
			s->objects = xrealloc(s->objects, s->cap * sizeof(*s->objects));
		}
		s->objects[s->n++] = o;
	}
	pthread_rwlock_unlock(&s->lock);
	return o;
}

/* A memory file with the object's name, so that it looks as it did at the source. */
static int open_shared(struct object *o, const struct memobj *d, struct err *e)
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

static void drop_pages(struct store *s, struct object *o, uint64_t start, uint64_t pages);

static int take_object(struct store *s, const struct frame *f, struct err *e)
{
	struct memobj d;
	struct object *o;
	int ret = 0;

	if (memmsg_get_object(f, &d, e) < 0)
		return -1;
	o = object_make(s, d.nr, e);
	if (!o)
		return -1;
	pthread_rwlock_wrlock(&o->life);
	if (d.kind == MEMOBJ_SHARED && !o->gone && o->desc.kind == d.kind && o->desc.id == d.id &&
	    o->desc.dev == d.dev) {
		/* The same with another size: what is cut off is gone. */
		uint64_t end = (d.size + MEM_PAGE - 1) & ~(uint64_t)(MEM_PAGE - 1);

		drop_pages(s, o, end, (MEMMSG_MAX_ADDR - end) >> MEM_PAGE_SHIFT);
	} else {
		object_empty(s, o);
		close_fd(&o->fd);
	}
	o->gone = true;
	if (d.kind == MEMOBJ_SHARED)
		ret = open_shared(o, &d, e);
	if (ret == 0) {
		o->desc = d;
		o->gone = false;
	}
	pthread_rwlock_unlock(&o->life);
	return ret;
}

static int take_gone(struct store *s, const struct frame *f, struct err *e)
{
	struct reader r = reader_of(f->data, f->len);
	uint32_t nr = get_u32(&r);
	struct object *o = object_at(s, nr);

	if (!reader_done(&r) || !o)
		return no_object(nr, e);
	pthread_rwlock_wrlock(&o->life);
	object_empty(s, o);
	close_fd(&o->fd);
	o->gone = true;
	pthread_rwlock_unlock(&o->life);
	return 0;
}

/* ---- pages come ---- */

static int check_size(struct store *s, uint64_t frame_pages, struct err *e)
{
	if (!s->o.max_pages || (frame_pages <= s->o.max_pages &&
				s->data_pages + s->zero_pages <= s->o.max_pages))
		return 0;
	return err_set(e, ERR_DISK, "the container's memory is larger than it said (%" PRIu64 " MiB)",
		       s->o.max_pages >> 8);
}

/* Books [first, first + n) of a slot as data or zero. Under o->lock. */
static void book(struct store *s, struct slot *one, unsigned first, unsigned n, bool zero)
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

/* Data for a part of one slot. */
static int put_data(struct store *s, struct object *o, uint64_t addr, unsigned n, bool dense,
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
	pthread_mutex_unlock(&o->lock);
	return 0;
}

/* Memory of data pages that became zero or nothing goes back. */
static void put_zero(struct store *s, struct object *o, uint64_t addr, unsigned n)
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
	pthread_mutex_unlock(&o->lock);
}

static void punch(struct object *o, uint64_t start, uint64_t pages)
{
	if (o->fd >= 0 && start < o->desc.size)
		(void)fallocate(o->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)start,
				(off_t)((pages < UINT64_C(1) << 40 ? pages : UINT64_C(1) << 40)
					<< MEM_PAGE_SHIFT));
}

static void drop_in_slot(struct store *s, struct object *o, struct slot *one, uint64_t start,
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

static void drop_pages(struct store *s, struct object *o, uint64_t start, uint64_t pages)
{
	uint64_t end = start + (pages << MEM_PAGE_SHIFT);

	pthread_mutex_lock(&o->lock);
	punch(o, start, pages);
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

static int unpack(struct memmsg_runs *m, struct err *e)
{
	static _Thread_local uint8_t room[MEMMSG_MAX_PAGES * MEM_PAGE];
	size_t want = m->pages << MEM_PAGE_SHIFT;

	if (ZSTD_decompress(room, want, m->data, m->data_len) != want)
		return err_set(e, ERR_PROTO, "compressed pages that are damaged arrived");
	m->data = room;
	m->data_len = want;
	return 0;
}

static int take_run(struct store *s, struct object *o, const struct memmsg_runs *m, uint8_t type,
		    struct run r, const uint8_t *data, struct err *e)
{
	uint64_t at = r.start, end = run_end(&r);

	if (o->desc.kind == MEMOBJ_SHARED && type != MEMMSG_DROP && end - MEM_PAGE >= o->desc.size)
		return err_set(e, ERR_PROTO, "pages behind the end of shared object %s arrived",
			       o->desc.name);
	if (type == MEMMSG_DROP) {
		drop_pages(s, o, r.start, r.pages);
		return 0;
	}
	if (type == MEMMSG_ZERO)
		punch(o, r.start, r.pages);
	while (at < end) {
		uint64_t stop = (at | (SLOT_SIZE - 1)) + 1;
		unsigned n = (unsigned)(((stop < end ? stop : end) - at) >> MEM_PAGE_SHIFT);

		if (type == MEMMSG_ZERO)
			put_zero(s, o, at, n);
		else if (put_data(s, o, at, n, m->dense, data, e) < 0)
			return -1;
		if (check_size(s, 0, e) < 0)
			return -1;
		at += (uint64_t)n << MEM_PAGE_SHIFT;
		data += data ? (size_t)n << MEM_PAGE_SHIFT : 0;
	}
	return 0;
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
static void keep_masked(struct store *s, struct object *o, struct slot *one, const uint64_t *mask)
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
		punch(o, one->base + ((uint64_t)p << MEM_PAGE_SHIFT), n);
		drop_in_slot(s, o, one, one->base + ((uint64_t)p << MEM_PAGE_SHIFT),
			     one->base + ((uint64_t)(p + n) << MEM_PAGE_SHIFT));
		p += n - 1;
	}
}

/* The list is complete: what it does not name goes. Under o->lock. */
static void finish_list(struct store *s, struct object *o)
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
static uint64_t count_missing(struct object *o)
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

static int take_list(struct store *s, struct object *o, const struct memmsg_runs *m,
		     const struct run *v, struct err *e)
{
	int ret = 0;

	pthread_mutex_lock(&o->lock);
	if (!o->listing)
		pageset_clear(&o->coming);
	o->listing = true;
	if (s->o.max_pages && (m->pages > s->o.max_pages || o->coming.pages > s->o.max_pages - m->pages))
		ret = err_set(e, ERR_PROTO, "a list of too many pages arrived");
	else if (m->n && o->coming.n &&
		 v[0].start < run_end(&o->coming.v[o->coming.n - 1]))
		ret = err_set(e, ERR_PROTO, "a list of pages out of order arrived");
	for (uint32_t i = 0; ret == 0 && i < m->n; i++)
		pageset_add(&o->coming, v[i].start, v[i].pages);
	if (ret == 0 && m->dense)
		finish_list(s, o);
	pthread_mutex_unlock(&o->lock);
	return ret;
}

static int take_runs(struct store *s, const struct frame *f, struct err *e)
{
	own_free struct run *v = xmalloc(MEMMSG_MAX_LIST * sizeof(*v));
	struct memmsg_runs m;
	struct object *o;
	int ret = 0;

	if (memmsg_get_runs(f, &m, v, e) < 0)
		return -1;
	if (f->type == MEMMSG_ZPAGES && unpack(&m, e) < 0)
		return -1;
	o = object_hold(s, m.nr);
	if (!o)
		return no_object(m.nr, e);
	if (f->type == MEMMSG_PRESENT) {
		ret = take_list(s, o, &m, v, e);
		object_let(o);
		return ret;
	}
	if (f->type != MEMMSG_DROP)
		ret = check_size(s, m.pages, e);
	for (uint32_t i = 0; ret == 0 && i < m.n; i++) {
		ret = take_run(s, o, &m, f->type, v[i], m.data, e);
		m.data += m.data ? v[i].pages << MEM_PAGE_SHIFT : 0;
	}
	s->received += m.pages;
	object_let(o);
	return ret;
}

/* ---- the barrier ---- */

static int take_sync(struct store *s, struct peer *from, const struct frame *f, struct err *e)
{
	own_buf struct buf reply = BUF_INIT;
	uint64_t missing = 0;

	if (f->len)
		return err_set(e, ERR_PROTO, "a memory barrier with a payload arrived");
	for (uint32_t nr = 1; nr <= store_nr_objects(s); nr++) {
		struct object *o = object_hold(s, nr);

		if (o) {
			missing += count_missing(o);
			object_let(o);
		}
	}
	if (!from)
		return 0;
	buf_put_u64(&reply, missing);
	return peer_reply(from, f->id, &reply, e);
}

int store_frame(struct store *s, struct peer *from, const struct frame *f, struct err *e)
{
	s->frames++;
	switch (f->type) {
	case MEMMSG_OBJECT:
		return take_object(s, f, e);
	case MEMMSG_GONE:
		return take_gone(s, f, e);
	case MEMMSG_SYNC:
		return take_sync(s, from, f, e);
	case MEMMSG_PAGES:
	case MEMMSG_ZPAGES:
	case MEMMSG_ZERO:
	case MEMMSG_DROP:
	case MEMMSG_PRESENT:
		return take_runs(s, f, e);
	default:
		return err_set(e, ERR_PROTO, "frame type %u is not for the store of pages", f->type);
	}
}

/* ---- what is in it ---- */

size_t store_nr_objects(struct store *s)
{
	size_t n;

	pthread_rwlock_rdlock(&s->lock);
	n = s->n;
	pthread_rwlock_unlock(&s->lock);
	return n;
}

bool store_get(struct store *s, size_t i, struct memobj *out)
{
	struct object *o = object_hold(s, (uint32_t)i + 1);

	if (!o)
		return false;
	*out = o->desc;
	object_let(o);
	return true;
}

static uint32_t find(struct store *s, enum memobj_kind kind, uint64_t id, uint64_t dev)
{
	struct memobj d;

	/* The newest wins: an exec made a new object of the same pid. */
	for (size_t i = store_nr_objects(s); i-- > 0;)
		if (store_get(s, i, &d) && d.kind == kind && d.id == id && d.dev == dev)
			return d.nr;
	return 0;
}

uint32_t store_find_space(struct store *s, pid_t vpid)
{
	return find(s, MEMOBJ_SPACE, (uint64_t)vpid, 0);
}

uint32_t store_find_shared(struct store *s, uint64_t dev, uint64_t ino)
{
	return find(s, MEMOBJ_SHARED, ino, dev);
}

int store_present(struct store *s, uint32_t nr, struct pageset *out, struct err *e)
{
	struct object *o = object_hold(s, nr);
	int ret = -1;

	pageset_clear(out);
	if (!o)
		return err_set(e, ERR_ABSENT, "there is no memory object %" PRIu32, nr);
	pthread_mutex_lock(&o->lock);
	if (o->listed) {
		pageset_add_set(out, &o->present);
		ret = 0;
	}
	pthread_mutex_unlock(&o->lock);
	object_let(o);
	return ret < 0 ? err_set(e, ERR_ABSENT, "no list of pages came for memory object %" PRIu32, nr)
		       : 0;
}

int store_missing(struct store *s, uint32_t nr, struct pageset *out, struct err *e)
{
	struct object *o;

	if (store_present(s, nr, out, e) < 0)
		return -1;
	o = object_hold(s, nr);
	if (!o)
		return 0;
	pthread_mutex_lock(&o->lock);
	for (size_t i = 0; i < o->slots.cap; i++) {
		struct slot *one = o->slots.table[i];

		for (unsigned p = 0; one && p < SLOT_PAGES; p++) {
			unsigned n = 0;

			while (p + n < SLOT_PAGES && bit_get(one->have, p + n))
				n++;
			pageset_remove(out, one->base + ((uint64_t)p << MEM_PAGE_SHIFT), n);
			p += n;
		}
	}
	pthread_mutex_unlock(&o->lock);
	object_let(o);
	return 0;
}

enum store_page store_peek(struct store *s, uint32_t nr, uint64_t addr, uint64_t max,
			   uint64_t *pages, const void **data)
{
	struct object *o = object_hold(s, nr);
	unsigned first = (unsigned)(addr & (SLOT_SIZE - 1)) >> MEM_PAGE_SHIFT, n = 1;
	enum store_page what = STORE_ABSENT;
	bool have, zero;
	struct slot *one;

	*pages = 1;
	*data = NULL;
	if (!o)
		return STORE_ABSENT;
	pthread_mutex_lock(&o->lock);
	one = slots_find(&o->slots, addr);
	max = max < SLOT_PAGES - first ? max : SLOT_PAGES - first;
	have = one && bit_get(one->have, first) && !bit_get(one->done, first);
	zero = have && bit_get(one->zero, first);
	while (n < max && (!one || ((bit_get(one->have, first + n) &&
				     !bit_get(one->done, first + n)) == have &&
				    (have && bit_get(one->zero, first + n)) == zero)))
		n++;
	*pages = n;
	if (have) {
		what = zero ? STORE_ZERO : STORE_DATA;
		if (what == STORE_DATA && one->data)
			*data = one->data + ((size_t)first << MEM_PAGE_SHIFT);
	}
	pthread_mutex_unlock(&o->lock);
	object_let(o);
	return what;
}

void store_release(struct store *s, uint32_t nr, uint64_t addr, uint64_t pages)
{
	struct object *o = object_hold(s, nr);

	if (!o)
		return;
	pthread_mutex_lock(&o->lock);
	while (o->fd < 0 && pages) {
		unsigned first = (unsigned)(addr & (SLOT_SIZE - 1)) >> MEM_PAGE_SHIFT;
		unsigned n = pages < SLOT_PAGES - first ? (unsigned)pages : SLOT_PAGES - first;
		struct slot *one = slots_find(&o->slots, addr);

		if (one)
			s->data_pages -= slot_done(one, &s->arena, first, n);
		addr += (uint64_t)n << MEM_PAGE_SHIFT;
		pages -= n;
	}
	pthread_mutex_unlock(&o->lock);
	object_let(o);
}

int store_read(struct store *s, uint32_t nr, uint64_t addr, uint64_t pages, void *buf,
	       struct err *e)
{
	uint8_t *to = buf;
	int fd = store_shared_fd(s, nr);

	while (pages) {
		const void *data;
		uint64_t n;
		enum store_page what = store_peek(s, nr, addr, pages, &n, &data);
		size_t len = n << MEM_PAGE_SHIFT;

		if (what == STORE_ABSENT)
			return err_set(e, ERR_ABSENT, "page %#" PRIx64 " of memory object %" PRIu32
				       " did not arrive", addr, nr);
		if (what == STORE_ZERO)
			memset(to, 0, len);
		else if (data)
			memcpy(to, data, len);
		else if (pread(fd, to, len, (off_t)addr) != (ssize_t)len)
			return err_sys(e, "cannot read a shared object back");
		to += len;
		addr += len;
		pages -= n;
	}
	return 0;
}

int store_shared_fd(struct store *s, uint32_t nr)
{
	struct object *o = object_hold(s, nr);
	int fd;

	if (!o)
		return -1;
	fd = o->fd;
	object_let(o);
	return fd;
}

struct store_stats store_stats(struct store *s)
{
	return (struct store_stats){
		.data_pages = s->data_pages,
		.zero_pages = s->zero_pages,
		.peak_data_pages = s->peak,
		.frames = s->frames,
		.pages_received = s->received,
		.pages_again = s->again,
	};
}
