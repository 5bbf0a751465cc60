// SPDX-License-Identifier: MIT
#include "mem/send.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/uio.h>
#include <xxhash.h>
#include <zstd.h>

#include "base/own.h"
#include "mem/maps.h"

enum {
	HEAD_ROOM = 4096, /* runs of one frame, put right before the data */
	DATA_ROOM = MEMMSG_MAX_PAGES * MEM_PAGE,
	QUEUE = 64,	  /* batches */
	ZSTD_LEVEL = 1,
	ZSTD_SKIP = 15,	  /* after a batch that did not shrink, this many are sent plain */
};

#define BLOCK (UINT64_C(2) << 20)

/* What a worker does in one go: up to MEMMSG_MAX_PAGES pages of one object. */
struct batch {
	struct sender_from from;
	bool dense;
	uint32_t n;
	uint64_t pages;
	struct run v[MEMMSG_MAX_RUNS];
};

struct sender {
	struct sender_opts o;
	struct peer **streams; /* copy of o.streams */
	pthread_t *workers;
	unsigned nr_workers;

	pthread_mutex_t lock;
	pthread_cond_t more, less; /* a batch came; a batch is done */
	struct batch *queue[QUEUE];
	unsigned head, count, busy;
	bool stop;
	bool failed;
	struct err why; /* the first failure */

	struct batch *open; /* being filled by sender_pages; the caller's thread only */
	uint32_t next_id;
	_Atomic bool urgent;
	_Atomic uint64_t data, zero, dropped, bytes, raw;
};

/* A worker's own things. */
struct worker {
	struct sender *s;
	struct peer *stream;
	uint8_t *room;	 /* HEAD_ROOM + DATA_ROOM */
	uint8_t *packed; /* HEAD_ROOM + bound, with zstd */
	ZSTD_CCtx *zstd;
	unsigned skip;	 /* batches not to try */
	struct run zero[MEMMSG_MAX_PAGES], gone[MEMMSG_MAX_PAGES], keep[MEMMSG_MAX_PAGES];
};

static int put_frame(struct sender *s, struct peer *p, uint8_t type, const void *data, size_t len,
		     struct err *e)
{
	s->bytes += len + FRAME_HEAD;
	return s->urgent ? peer_send_now(p, type, 0, data, len, e)
			 : peer_send(p, type, 0, data, len, e);
}

/* ---- a worker: read, sort, send ---- */

/* Adds one page to the runs; returns their number. */
static uint32_t grow_runs(struct run *v, uint32_t n, uint64_t addr)
{
	if (n && run_end(&v[n - 1]) == addr) {
		v[n - 1].pages++;
		return n;
	}
	v[n] = (struct run){ addr, 1 };
	return n + 1;
}

static bool is_zero(const uint8_t *page)
{
	const uint64_t *w = (const uint64_t *)(const void *)page;

	/* Most pages differ at once; the rest is compared with itself, shifted. */
	return !w[0] && !w[1] && !w[511] && !memcmp(page, page + 16, MEM_PAGE - 16);
}

/* One page by itself; false: it is not there. */
static bool read_page(const struct sender_from *from, uint64_t addr, uint8_t *to)
{
	ssize_t n = pread(from->fd, to, MEM_PAGE, (off_t)addr);

	if (n > 0 && n < MEM_PAGE && !from->pid) /* the end of an object */
		memset(to + n, 0, (size_t)(MEM_PAGE - n));
	return n == MEM_PAGE || (n > 0 && !from->pid);
}

/* Reads the batch to `to`; there[i] says whether page i could be read. */
static void read_batch(const struct batch *b, uint8_t *to, bool *there)
{
	struct iovec mine = { to, b->pages << MEM_PAGE_SHIFT }, its[MEMMSG_MAX_RUNS];
	ssize_t got = 0;
	uint64_t page = 0;

	for (uint32_t i = 0; i < b->n; i++)
		its[i] = (struct iovec){ (void *)(uintptr_t)b->v[i].start,
					 b->v[i].pages << MEM_PAGE_SHIFT };
	if (b->from.pid)
		got = process_vm_readv(b->from.pid, &mine, 1, its, b->n, 0);
	got = got < 0 ? 0 : got >> MEM_PAGE_SHIFT;
	for (uint32_t i = 0; i < b->n; i++) {
		uint8_t *at = to + (page << MEM_PAGE_SHIFT);
		bool whole = page + b->v[i].pages <= (uint64_t)got;

		/* Not readable that way: no PROT_READ, a hole, or a descriptor. */
		if (!whole)
			whole = pread(b->from.fd, at, b->v[i].pages << MEM_PAGE_SHIFT,
				      (off_t)b->v[i].start) ==
				(ssize_t)(b->v[i].pages << MEM_PAGE_SHIFT);
		for (uint64_t k = 0; k < b->v[i].pages; k++, page++)
			there[page] = whole || read_page(&b->from, b->v[i].start + (k << MEM_PAGE_SHIFT),
							 at + (k << MEM_PAGE_SHIFT));
	}
}

/* Shared objects: is the page what was sent last?  Remembers it. */
static bool unchanged(const struct sender_from *from, uint64_t addr, const uint8_t *page)
{
	uint64_t h, *known;

	if (!from->hash)
		return false;
	known = &from->hash[addr >> MEM_PAGE_SHIFT];
	h = page ? XXH3_64bits(page, MEM_PAGE) : 0;
	h = page && !h ? 1 : h; /* 0 means: never sent */
	if (from->compare && *known == h)
		return true;
	*known = h;
	return false;
}

static int send_list(struct sender *s, struct peer *p, uint8_t type, uint32_t nr, bool flag,
		     const struct run *v, uint32_t n, struct err *e)
{
	own_buf struct buf b = BUF_INIT;

	if (!n)
		return 0;
	memmsg_put_runs(&b, nr, flag, v, n);
	return put_frame(s, p, type, b.data, b.len, e);
}

/* The head goes right before the data that lies at room + HEAD_ROOM. */
static int send_data(struct worker *w, uint8_t type, uint8_t *room, size_t len,
		     const struct batch *b, uint32_t n, struct err *e)
{
	own_buf struct buf head = BUF_INIT;

	memmsg_put_runs(&head, b->from.nr, b->dense, w->keep, n);
	memcpy(room + HEAD_ROOM - head.len, head.data, head.len);
	return put_frame(w->s, w->stream, type, room + HEAD_ROOM - head.len, head.len + len, e);
}

static int send_pages(struct worker *w, const struct batch *b, uint32_t n, size_t len, struct err *e)
{
	struct sender *s = w->s;

	s->raw += len;
	if (s->o.zstd && !s->urgent && !w->skip) {
		size_t packed = ZSTD_compressCCtx(w->zstd, w->packed + HEAD_ROOM,
						  ZSTD_compressBound(DATA_ROOM),
						  w->room + HEAD_ROOM, len, ZSTD_LEVEL);

		if (!ZSTD_isError(packed) && packed < len - len / 5)
			return send_data(w, MEMMSG_ZPAGES, w->packed, packed, b, n, e);
		w->skip = ZSTD_SKIP;
	} else if (w->skip) {
		w->skip--;
	}
	return send_data(w, MEMMSG_PAGES, w->room, len, b, n, e);
}

static int do_batch(struct worker *w, const struct batch *b, struct err *e)
{
	uint32_t n_zero = 0, n_gone = 0, n_keep = 0;
	uint8_t *data = w->room + HEAD_ROOM, *put = data;
	uint64_t page = 0, zeros = 0, gone = 0;
	bool there[MEMMSG_MAX_PAGES];

	read_batch(b, data, there);
	for (uint32_t i = 0; i < b->n; i++)
		for (uint64_t k = 0; k < b->v[i].pages; k++, page++) {
			uint64_t addr = b->v[i].start + (k << MEM_PAGE_SHIFT);
			const uint8_t *from = data + (page << MEM_PAGE_SHIFT);

			if (!there[page]) {
				gone++;
				if (!unchanged(&b->from, addr, NULL))
					n_gone = grow_runs(w->gone, n_gone, addr);
			} else if (unchanged(&b->from, addr, from)) {
				continue;
			} else if (is_zero(from)) {
				zeros++;
				n_zero = grow_runs(w->zero, n_zero, addr);
			} else {
				n_keep = grow_runs(w->keep, n_keep, addr);
				if (put != from)
					memcpy(put, from, MEM_PAGE);
				put += MEM_PAGE;
			}
		}
	w->s->zero += zeros;
	w->s->dropped += gone;
	w->s->data += (uint64_t)(put - data) >> MEM_PAGE_SHIFT;
	if (send_list(w->s, w->stream, MEMMSG_DROP, b->from.nr, false, w->gone, n_gone, e) < 0 ||
	    send_list(w->s, w->stream, MEMMSG_ZERO, b->from.nr, false, w->zero, n_zero, e) < 0)
		return -1;
	return n_keep ? send_pages(w, b, n_keep, (size_t)(put - data), e) : 0;
}

static void fail(struct sender *s, const struct err *why)
{
	pthread_mutex_lock(&s->lock);
	if (!s->failed)
		s->why = *why;
	s->failed = true;
	pthread_cond_broadcast(&s->less);
	pthread_mutex_unlock(&s->lock);
}

static struct batch *next_batch(struct sender *s)
{
	struct batch *b = NULL;

	pthread_mutex_lock(&s->lock);
	while (!s->count && !s->stop)
		pthread_cond_wait(&s->more, &s->lock);
	if (s->count) {
		b = s->queue[s->head];
		s->head = (s->head + 1) % QUEUE;
		s->count--;
		s->busy++;
	}
	pthread_mutex_unlock(&s->lock);
	return b;
}

static void done_batch(struct sender *s)
{
	pthread_mutex_lock(&s->lock);
	s->busy--;
	pthread_cond_broadcast(&s->less);
	pthread_mutex_unlock(&s->lock);
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;
	struct batch *b;

	while ((b = next_batch(w->s))) {
		struct err e = ERR_INIT;

		if (!w->s->failed && do_batch(w, b, &e) < 0)
			fail(w->s, &e);
		free(b);
		done_batch(w->s);
	}
	free(w->room);
	free(w->packed);
	ZSTD_freeCCtx(w->zstd);
	free(w);
	return NULL;
}

/* ---- the caller's side ---- */

static int start_worker(struct sender *s, struct err *e)
{
	struct worker *w = xcalloc(1, sizeof(*w));

	w->s = s;
	w->stream = s->streams[s->nr_workers % s->o.nr_streams];
	w->room = xmust(aligned_alloc(MEM_PAGE, HEAD_ROOM + DATA_ROOM));
	if (s->o.zstd) {
		w->packed = xmalloc(HEAD_ROOM + ZSTD_compressBound(DATA_ROOM));
		w->zstd = xmust(ZSTD_createCCtx());
	}
	errno = pthread_create(&s->workers[s->nr_workers], NULL, worker_main, w);
	if (!errno) {
		s->nr_workers++;
		return 0;
	}
	free(w->room);
	free(w->packed);
	ZSTD_freeCCtx(w->zstd);
	free(w);
	return err_sys(e, "cannot start a thread that sends pages");
}

int sender_new(struct sender **out, const struct sender_opts *o, struct err *e)
{
	struct sender *s = xcalloc(1, sizeof(*s));
	unsigned n = o->threads ? o->threads : o->nr_streams > 2 ? o->nr_streams : 2;

	s->o = *o;
	s->streams = xcalloc(o->nr_streams, sizeof(*s->streams));
	memcpy(s->streams, o->streams, o->nr_streams * sizeof(*s->streams));
	s->workers = xcalloc(n, sizeof(*s->workers));
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->more, NULL);
	pthread_cond_init(&s->less, NULL);
	while (s->nr_workers < n)
		if (start_worker(s, e) < 0) {
			sender_free(s);
			return -1;
		}
	*out = s;
	return 0;
}

void sender_free(struct sender *s)
{
	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	s->stop = true;
	while (s->count) {
		free(s->queue[s->head]);
		s->head = (s->head + 1) % QUEUE;
		s->count--;
	}
	pthread_cond_broadcast(&s->more);
	pthread_mutex_unlock(&s->lock);
	for (unsigned i = 0; i < s->nr_workers; i++)
		pthread_join(s->workers[i], NULL);
	pthread_cond_destroy(&s->more);
	pthread_cond_destroy(&s->less);
	pthread_mutex_destroy(&s->lock);
	free(s->open);
	free(s->workers);
	free(s->streams);
	free(s);
}

static int failed(struct sender *s, struct err *e)
{
	if (e)
		*e = s->why;
	return -1;
}

/* Queues the open batch. */
static int push(struct sender *s, struct err *e)
{
	bool bad;

	if (!s->open)
		return 0;
	pthread_mutex_lock(&s->lock);
	while (s->count == QUEUE && !s->failed)
		pthread_cond_wait(&s->less, &s->lock);
	bad = s->failed;
	if (!bad) {
		s->queue[(s->head + s->count++) % QUEUE] = take_ptr(&s->open);
		pthread_cond_signal(&s->more);
	}
	pthread_mutex_unlock(&s->lock);
	return bad ? failed(s, e) : 0;
}

/* Queues what is open and waits until nothing is under way. */
static int drain(struct sender *s, struct err *e)
{
	bool bad;

	if (push(s, e) < 0)
		return -1;
	pthread_mutex_lock(&s->lock);
	while ((s->count || s->busy) && !s->failed)
		pthread_cond_wait(&s->less, &s->lock);
	bad = s->failed;
	pthread_mutex_unlock(&s->lock);
	return bad ? failed(s, e) : 0;
}

int sender_read(struct sender *s, struct err *e)
{
	return drain(s, e);
}

int sender_object(struct sender *s, const struct memobj *o, struct err *e)
{
	own_buf struct buf b = BUF_INIT;

	/* No page may overtake it on another stream. */
	memmsg_put_object(&b, o);
	if (drain(s, e) < 0 || put_frame(s, s->streams[0], MEMMSG_OBJECT, b.data, b.len, e) < 0)
		return -1;
	return s->o.nr_streams > 1 ? sender_sync(s, NULL, e) : 0;
}

int sender_gone(struct sender *s, uint32_t nr, struct err *e)
{
	own_buf struct buf b = BUF_INIT;

	/* Its pages must be there before it ends. */
	if (sender_sync(s, NULL, e) < 0)
		return -1;
	buf_put_u32(&b, nr);
	return put_frame(s, s->streams[0], MEMMSG_GONE, b.data, b.len, e);
}

static bool is_dense(const struct run *r, uint64_t at, uint64_t pages)
{
	uint64_t end = at + (pages << MEM_PAGE_SHIFT);

	return (at & ~(BLOCK - 1)) >= r->start && ((end + BLOCK - 1) & ~(BLOCK - 1)) <= run_end(r);
}

static bool fits(const struct batch *b, const struct sender_from *from, bool dense)
{
	return b->from.nr == from->nr && b->dense == dense && b->from.compare == from->compare &&
	       b->n < MEMMSG_MAX_RUNS && b->pages < MEMMSG_MAX_PAGES;
}

int sender_pages(struct sender *s, const struct sender_from *from, const struct run *runs, size_t n,
		 struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t at = runs[i].start, left = runs[i].pages;

		while (left) {
			uint64_t block = (BLOCK - (at & (BLOCK - 1))) >> MEM_PAGE_SHIFT;
			bool dense = is_dense(&runs[i], at, left < block ? left : block);
			uint64_t some = left;

			if (s->open && !fits(s->open, from, dense) && push(s, e) < 0)
				return -1;
			if (!s->open) {
				s->open = xmalloc(sizeof(*s->open));
				s->open->from = *from;
				s->open->dense = dense;
				s->open->n = 0;
				s->open->pages = 0;
			}
			if (some > MEMMSG_MAX_PAGES - s->open->pages)
				some = MEMMSG_MAX_PAGES - s->open->pages;
			if (some > block) /* another block may be of the other kind */
				some = block;
			s->open->v[s->open->n++] = (struct run){ at, some };
			s->open->pages += some;
			at += some << MEM_PAGE_SHIFT;
			left -= some;
		}
	}
	return 0;
}

static int send_runs(struct sender *s, uint8_t type, uint32_t nr, const struct run *runs, size_t n,
		     struct err *e)
{
	for (size_t i = 0; i < n; i += MEMMSG_MAX_LIST) {
		size_t some = n - i < MEMMSG_MAX_LIST ? n - i : MEMMSG_MAX_LIST;

		if (send_list(s, s->streams[0], type, nr, false, runs + i, (uint32_t)some, e) < 0)
			return -1;
	}
	return 0;
}

int sender_zero(struct sender *s, uint32_t nr, const struct run *runs, size_t n, struct err *e)
{
	for (size_t i = 0; i < n; i++)
		s->zero += runs[i].pages;
	return send_runs(s, MEMMSG_ZERO, nr, runs, n, e);
}

int sender_drop(struct sender *s, uint32_t nr, const struct run *runs, size_t n, struct err *e)
{
	for (size_t i = 0; i < n; i++)
		s->dropped += runs[i].pages;
	return send_runs(s, MEMMSG_DROP, nr, runs, n, e);
}

int sender_present(struct sender *s, uint32_t nr, const struct pageset *present, struct err *e)
{
	own_buf struct buf b = BUF_INIT;
	size_t i = 0;

	do {
		size_t some = present->n - i < MEMMSG_MAX_LIST ? present->n - i : MEMMSG_MAX_LIST;

		buf_clear(&b);
		memmsg_put_runs(&b, nr, i + some == present->n, present->v + i, (uint32_t)some);
		if (put_frame(s, s->streams[0], MEMMSG_PRESENT, b.data, b.len, e) < 0)
			return -1;
		i += some;
	} while (i < present->n);
	return 0;
}

void sender_urgent(struct sender *s, bool on)
{
	s->urgent = on;
}

/* One barrier through one stream. */
static int sync_stream(struct sender *s, struct peer *p, uint64_t *missing, struct err *e)
{
	uint32_t id = UINT32_C(0x80000000) | ++s->next_id;
	own_frame struct frame f = FRAME_INIT;
	struct reader r;

	if (peer_send_now(p, MEMMSG_SYNC, id, NULL, 0, e) < 0 || peer_recv(p, &f, e) < 0)
		return -1;
	r = reader_of(f.data, f.len);
	*missing = get_u64(&r);
	if (f.type == PROTO_REPLY && f.id == id && reader_done(&r))
		return 0;
	return err_set(e, ERR_PROTO, "%s answered a memory barrier with frame type %u", peer_name(p),
		       f.type);
}

int sender_sync(struct sender *s, uint64_t *missing, struct err *e)
{
	struct err own = ERR_INIT;
	uint64_t lacking = 0;

	if (drain(s, e) < 0)
		return -1;
	/* The control stream last: its answer counts what all brought. */
	for (unsigned i = s->o.nr_streams; i-- > 0;)
		if (sync_stream(s, s->streams[i], &lacking, &own) < 0) {
			fail(s, &own);
			return failed(s, e);
		}
	if (missing)
		*missing = lacking;
	return 0;
}

struct sender_stats sender_stats(struct sender *s)
{
	return (struct sender_stats){
		.data_pages = s->data,
		.zero_pages = s->zero,
		.dropped_pages = s->dropped,
		.data_bytes = s->bytes,
		.raw_bytes = s->raw,
	};
}
