// SPDX-License-Identifier: MIT
#include "mem/send.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/own.h"
#include "mem/batch.h"
#include "mem/maps.h"

enum { QUEUE = 64 /* batches */ };

#define BLOCK (UINT64_C(2) << 20)

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
	_Atomic uint64_t data, zero, dropped, bytes;
};

static int put_frame(struct sender *s, struct peer *p, uint8_t type, const void *data, size_t len,
		     struct err *e)
{
	s->bytes += len + FRAME_HEAD;
	return s->urgent ? peer_send_now(p, type, 0, data, len, e)
			 : peer_send(p, type, 0, data, len, e);
}

static int send_list(struct sender *s, uint8_t type, uint32_t nr, const struct run *v, uint32_t n,
		     struct err *e)
{
	own_buf struct buf b = BUF_INIT;

	memmsg_put_runs(&b, nr, false, v, n);
	return put_frame(s, s->streams[0], type, b.data, b.len, e);
}

/* ---- a worker: read, sort, send ---- */

struct worker {
	struct sender *s;
	struct peer *stream;
	struct batcher *batcher;
};

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

static void count_batch(struct sender *s, const struct batch_count *c)
{
	s->data += c->data;
	s->zero += c->zero;
	s->dropped += c->dropped;
	s->bytes += c->bytes;
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;
	struct batch *b;

	while ((b = next_batch(w->s))) {
		struct batch_count c = { 0 };
		struct err e = ERR_INIT;

		if (!w->s->failed && batch_send(w->batcher, w->stream, b, w->s->urgent, &c, &e) < 0)
			fail(w->s, &e);
		count_batch(w->s, &c);
		free(b);
		done_batch(w->s);
	}
	batcher_free(w->batcher);
	free(w);
	return NULL;
}

/* ---- the caller's side ---- */

static int start_worker(struct sender *s, struct err *e)
{
	struct worker *w = xcalloc(1, sizeof(*w));

	w->s = s;
	w->stream = s->streams[s->nr_workers % s->o.nr_streams];
	w->batcher = batcher_new(s->o.zstd);
	errno = pthread_create(&s->workers[s->nr_workers], NULL, worker_main, w);
	if (!errno) {
		s->nr_workers++;
		return 0;
	}
	batcher_free(w->batcher);
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

static bool fits(const struct batch *b, const struct batch_from *from, bool dense)
{
	return b->from.nr == from->nr && b->dense == dense && b->from.compare == from->compare &&
	       b->from.hash == from->hash &&
	       b->n < MEMMSG_MAX_RUNS && b->pages < MEMMSG_MAX_PAGES;
}

int sender_pages(struct sender *s, const struct batch_from *from, const struct run *runs, size_t n,
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

		if (send_list(s, type, nr, runs + i, (uint32_t)some, e) < 0)
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
	};
}
