// SPDX-License-Identifier: MIT
#include "mem/store/store.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <zstd.h>

#include "base/own.h"
#include "mem/maps.h"
#include "mem/store/object.h"

enum { BUCKETS = 4096, OBJECTS_MAX = 65536 };

/* Numbers rise for ever while processes come and go: what is bounded is how many live at once. */
struct store {
	struct store_opts o;
	struct stock stock;
	pthread_rwlock_t lock;	 /* the table of objects; taken before an object's `life` */
	struct object **objects; /* all that were ever needed at once; freed with the store */
	size_t n, cap;
	struct object *bucket[BUCKETS]; /* by number */
	struct object *idle;
	_Atomic uint64_t frames, received;
};

struct store *store_new(const struct store_opts *o)
{
	struct store *s = xcalloc(1, sizeof(*s));

	s->o = *o;
	if (!s->o.max_objects)
		s->o.max_objects = OBJECTS_MAX;
	arena_init(&s->stock.arena);
	pthread_rwlock_init(&s->lock, NULL);
	return s;
}

void store_free(struct store *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n; i++)
		object_free(&s->stock, s->objects[i]);
	free(s->objects);
	arena_fini(&s->stock.arena);
	pthread_rwlock_destroy(&s->lock);
	free(s);
}

bool store_takes(uint8_t type)
{
	return type >= MEMMSG_OBJECT && type <= MEMMSG_PRESENT;
}

/* ---- objects ---- */

/* Under the lock. */
static struct object **object_link(struct store *s, uint32_t nr)
{
	struct object **at = &s->bucket[nr % BUCKETS];

	while (*at && (*at)->nr != nr)
		at = &(*at)->next;
	return at;
}

/* The object `nr`, alive and held for use of its pages; NULL: there is none. */
static struct object *object_hold(struct store *s, uint32_t nr)
{
	struct object *o;

	pthread_rwlock_rdlock(&s->lock);
	o = nr ? *object_link(s, nr) : NULL;
	if (o)
		pthread_rwlock_rdlock(&o->life);
	pthread_rwlock_unlock(&s->lock);
	if (!o || !o->gone)
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

/* One without a number. Under the lock. */
static struct object *object_idle(struct store *s)
{
	struct object *o = s->idle;

	if (o) {
		s->idle = o->next;
		return o;
	}
	if (s->n == s->o.max_objects)
		return NULL;
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
	return o;
}

/* The object `nr`, there before or new, which is `gone` then. Under the lock. */
static struct object *object_make(struct store *s, uint32_t nr, struct err *e)
{
	struct object **at = object_link(s, nr), *o = *at;

	if (o)
		return o;
	o = object_idle(s);
	if (!o) {
		err_set(e, ERR_PROTO, "more than %" PRIu32 " memory objects at once", s->o.max_objects);
		return NULL;
	}
	o->nr = nr;
	o->next = NULL;
	*at = o;
	return o;
}

static int reset_object(struct store *s, struct object *o, const struct memobj *d, struct err *e)
{
	int ret = 0;

	if (d->kind == MEMOBJ_SHARED && !o->gone && o->desc.kind == d->kind && o->desc.id == d->id &&
	    o->desc.dev == d->dev) {
		/* The same with another size: what is cut off is gone. */
		uint64_t end = (d->size + MEM_PAGE - 1) & ~(uint64_t)(MEM_PAGE - 1);

		object_drop(&s->stock, o, end, (MEMMSG_MAX_ADDR - end) >> MEM_PAGE_SHIFT);
	} else {
		object_empty(&s->stock, o);
		close_fd(&o->fd);
	}
	o->gone = true;
	if (d->kind == MEMOBJ_SHARED)
		ret = object_open_shared(o, d, e);
	if (ret == 0) {
		o->desc = *d;
		o->gone = false;
	}
	return ret;
}

static int take_object(struct store *s, const struct frame *f, struct err *e)
{
	struct memobj d;
	struct object *o;
	int ret = -1;

	if (memmsg_get_object(f, &d, e) < 0)
		return -1;
	pthread_rwlock_wrlock(&s->lock);
	o = object_make(s, d.nr, e);
	if (o) {
		pthread_rwlock_wrlock(&o->life);
		ret = reset_object(s, o, &d, e);
		pthread_rwlock_unlock(&o->life);
	}
	pthread_rwlock_unlock(&s->lock);
	return ret;
}

static int take_gone(struct store *s, const struct frame *f, struct err *e)
{
	struct reader r = reader_of(f->data, f->len);
	uint32_t nr = get_u32(&r);
	struct object **at, *o;

	pthread_rwlock_wrlock(&s->lock);
	at = object_link(s, nr);
	o = reader_done(&r) && nr ? *at : NULL;
	if (o) {
		pthread_rwlock_wrlock(&o->life);
		object_empty(&s->stock, o);
		close_fd(&o->fd);
		o->gone = true;
		pthread_rwlock_unlock(&o->life);
		*at = o->next;
		o->nr = 0;
		o->next = s->idle;
		s->idle = o;
	}
	pthread_rwlock_unlock(&s->lock);
	return o ? 0 : no_object(nr, e);
}

/* ---- pages come ---- */

static int check_size(struct store *s, uint64_t frame_pages, struct err *e)
{
	if (!s->o.max_pages || (frame_pages <= s->o.max_pages &&
				s->stock.data_pages + s->stock.zero_pages <= s->o.max_pages))
		return 0;
	return err_set(e, ERR_DISK, "the container's memory is larger than it said (%" PRIu64 " MiB)",
		       s->o.max_pages >> 8);
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
		object_drop(&s->stock, o, r.start, r.pages);
		return 0;
	}
	if (type == MEMMSG_ZERO)
		object_punch(o, r.start, r.pages);
	while (at < end) {
		uint64_t stop = (at | (SLOT_SIZE - 1)) + 1;
		unsigned n = (unsigned)(((stop < end ? stop : end) - at) >> MEM_PAGE_SHIFT);

		if (type == MEMMSG_ZERO)
			object_zero(&s->stock, o, at, n);
		else if (object_data(&s->stock, o, at, n, m->dense, data, e) < 0)
			return -1;
		if (check_size(s, 0, e) < 0)
			return -1;
		at += (uint64_t)n << MEM_PAGE_SHIFT;
		if (data)
			data += (size_t)n << MEM_PAGE_SHIFT;
	}
	return 0;
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
		object_finish_list(&s->stock, o);
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
		if (m.data)
			m.data += v[i].pages << MEM_PAGE_SHIFT;
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
	pthread_rwlock_rdlock(&s->lock);
	for (size_t i = 0; i < s->n; i++) {
		struct object *o = s->objects[i];

		pthread_rwlock_rdlock(&o->life);
		missing += o->gone ? 0 : object_missing(o);
		object_barrier(o);
		pthread_rwlock_unlock(&o->life);
	}
	s->stock.barriers++;
	pthread_rwlock_unlock(&s->lock);
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

bool store_get(struct store *s, uint32_t nr, struct memobj *out)
{
	struct object *o = object_hold(s, nr);

	if (!o)
		return false;
	*out = o->desc;
	object_let(o);
	return true;
}

/* The newest wins: an exec made a new object of the same pid. */
static uint32_t find(struct store *s, enum memobj_kind kind, uint64_t id, uint64_t dev)
{
	uint32_t nr = 0;

	pthread_rwlock_rdlock(&s->lock);
	for (size_t i = 0; i < s->n; i++) {
		struct object *o = s->objects[i];

		pthread_rwlock_rdlock(&o->life);
		if (!o->gone && o->desc.kind == kind && o->desc.id == id && o->desc.dev == dev &&
		    o->nr > nr)
			nr = o->nr;
		pthread_rwlock_unlock(&o->life);
	}
	pthread_rwlock_unlock(&s->lock);
	return nr;
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

void store_hot(struct store *s, uint32_t nr, struct pageset *out)
{
	struct object *o = object_hold(s, nr);

	pageset_clear(out);
	if (!o)
		return;
	pthread_mutex_lock(&o->lock);
	pageset_add_set(out, &o->hot);
	pthread_mutex_unlock(&o->lock);
	object_let(o);
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
			s->stock.data_pages -= slot_done(one, &s->stock.arena, first, n);
		addr += (uint64_t)n << MEM_PAGE_SHIFT;
		pages -= n;
	}
	pthread_mutex_unlock(&o->lock);
	object_let(o);
}

/* The last page of an object may be a part of one. */
static int read_back(int fd, uint8_t *to, size_t len, uint64_t addr)
{
	ssize_t n = pread(fd, to, len, (off_t)addr);

	if (n < 0)
		return -1;
	memset(to + n, 0, len - (size_t)n);
	return 0;
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
		else if (read_back(fd, to, len, addr) < 0)
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
		.data_pages = s->stock.data_pages,
		.zero_pages = s->stock.zero_pages,
		.peak_data_pages = s->stock.peak,
		.frames = s->frames,
		.pages_received = s->received,
		.pages_again = s->stock.again,
	};
}
