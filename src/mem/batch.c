// SPDX-License-Identifier: MIT
#include "mem/batch.h"

#include <string.h>
#include <unistd.h>
#include <xxhash.h>
#include <zstd.h>

#include "base/own.h"
#include "mem/maps.h"

enum {
	HEAD_ROOM = 4096, /* runs of one frame, put right before the data */
	DATA_ROOM = MEMMSG_MAX_PAGES * MEM_PAGE,
	ZSTD_LEVEL = 1,
	ZSTD_SKIP = 15, /* after a batch that did not shrink, this many are sent plain */
};

struct batcher {
	uint8_t *room;	 /* HEAD_ROOM + DATA_ROOM */
	uint8_t *packed; /* HEAD_ROOM + bound, with zstd */
	ZSTD_CCtx *zstd; /* or NULL */
	unsigned skip;	 /* batches not to try */
	struct run zero[MEMMSG_MAX_PAGES], gone[MEMMSG_MAX_PAGES], keep[MEMMSG_MAX_PAGES];
};

struct batcher *batcher_new(bool zstd)
{
	struct batcher *w = xcalloc(1, sizeof(*w));

	w->room = xmust(aligned_alloc(MEM_PAGE, HEAD_ROOM + DATA_ROOM));
	if (zstd) {
		w->packed = xmalloc(HEAD_ROOM + ZSTD_compressBound(DATA_ROOM));
		w->zstd = xmust(ZSTD_createCCtx());
	}
	return w;
}

void batcher_free(struct batcher *w)
{
	if (!w)
		return;
	free(w->room);
	free(w->packed);
	ZSTD_freeCCtx(w->zstd);
	free(w);
}

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

/* there[i] says whether page i could be read. */
static void read_run(const struct batch_from *from, const struct run *r, uint8_t *to, bool *there)
{
	for (uint64_t i = 0; i < r->pages;) {
		uint8_t *at = to + (i << MEM_PAGE_SHIFT);
		ssize_t n = pread(from->fd, at, (r->pages - i) << MEM_PAGE_SHIFT,
				  (off_t)(r->start + (i << MEM_PAGE_SHIFT)));
		uint64_t whole = n > 0 ? (uint64_t)n >> MEM_PAGE_SHIFT : 0;

		for (uint64_t k = 0; k < whole; k++)
			there[i++] = true;
		if (whole)
			continue;
		if (n > 0) /* the end of an object */
			memset(at + n, 0, (size_t)(MEM_PAGE - n));
		there[i++] = n > 0;
	}
}

/* Reads the batch to `to`; there[i] says whether page i could be read. */
static void read_batch(const struct batch *b, uint8_t *to, bool *there)
{
	uint64_t page = 0;

	for (uint32_t i = 0; i < b->n; page += b->v[i++].pages)
		read_run(&b->from, &b->v[i], to + (page << MEM_PAGE_SHIFT), there + page);
}

/* Is the page what was sent last?  Remembers it. */
static bool unchanged(const struct batch_from *from, uint64_t addr, const uint8_t *page)
{
	uint64_t h, *known;

	if (!from->hash)
		return false;
	known = &from->hash[(addr - from->first) >> MEM_PAGE_SHIFT];
	h = page ? XXH3_64bits(page, MEM_PAGE) : 0;
	h = page && !h ? 1 : h; /* 0 means: never sent */
	if (from->compare && *known == h)
		return true;
	*known = h;
	return false;
}

/* Where frames go and how. */
struct out {
	struct peer *peer;
	bool now;
	struct batch_count *count;
};

static int put_frame(const struct out *o, uint8_t type, const void *data, size_t len, struct err *e)
{
	o->count->bytes += len + FRAME_HEAD;
	return o->now ? peer_send_now(o->peer, type, 0, data, len, e)
		      : peer_send(o->peer, type, 0, data, len, e);
}

static int put_list(const struct out *o, uint8_t type, uint32_t nr, const struct run *v, uint32_t n,
		    struct err *e)
{
	own_buf struct buf b = BUF_INIT;

	if (!n)
		return 0;
	memmsg_put_runs(&b, nr, false, v, n);
	return put_frame(o, type, b.data, b.len, e);
}

/* The head goes right before the data that lies at room + HEAD_ROOM. */
static int put_data(const struct out *o, uint8_t type, uint8_t *room, size_t len,
		    const struct batch *b, const struct run *keep, uint32_t n, struct err *e)
{
	own_buf struct buf head = BUF_INIT;

	memmsg_put_runs(&head, b->from.nr, b->dense, keep, n);
	memcpy(room + HEAD_ROOM - head.len, head.data, head.len);
	return put_frame(o, type, room + HEAD_ROOM - head.len, head.len + len, e);
}

static int put_pages(struct batcher *w, const struct out *o, const struct batch *b, uint32_t n,
		     size_t len, struct err *e)
{
	if (w->zstd && !o->now && !w->skip) {
		size_t packed = ZSTD_compressCCtx(w->zstd, w->packed + HEAD_ROOM,
						  ZSTD_compressBound(DATA_ROOM),
						  w->room + HEAD_ROOM, len, ZSTD_LEVEL);

		if (!ZSTD_isError(packed) && packed < len - len / 5)
			return put_data(o, MEMMSG_ZPAGES, w->packed, packed, b, w->keep, n, e);
		w->skip = ZSTD_SKIP;
	} else if (w->skip) {
		w->skip--;
	}
	return put_data(o, MEMMSG_PAGES, w->room, len, b, w->keep, n, e);
}

/* What became of the pages of a batch. */
struct sorted {
	uint32_t zero, gone, keep; /* runs */
	size_t len;		   /* bytes of data, moved together */
};

static void sort_pages(struct batcher *w, const struct batch *b, const bool *there,
		       struct sorted *s, struct batch_count *count)
{
	uint8_t *data = w->room + HEAD_ROOM, *put = data;
	uint64_t page = 0;

	*s = (struct sorted){ 0, 0, 0, 0 };
	for (uint32_t i = 0; i < b->n; i++)
		for (uint64_t k = 0; k < b->v[i].pages; k++, page++) {
			uint64_t addr = b->v[i].start + (k << MEM_PAGE_SHIFT);
			const uint8_t *from = data + (page << MEM_PAGE_SHIFT);

			if (unchanged(&b->from, addr, there[page] ? from : NULL))
				continue;
			if (!there[page]) {
				count->dropped++;
				s->gone = grow_runs(w->gone, s->gone, addr);
			} else if (is_zero(from)) {
				count->zero++;
				s->zero = grow_runs(w->zero, s->zero, addr);
			} else {
				count->data++;
				s->keep = grow_runs(w->keep, s->keep, addr);
				if (put != from)
					memcpy(put, from, MEM_PAGE);
				put += MEM_PAGE;
			}
		}
	s->len = (size_t)(put - data);
}

int batch_send(struct batcher *w, struct peer *p, const struct batch *b, bool now,
	       struct batch_count *count, struct err *e)
{
	struct out o = { p, now, count };
	bool there[MEMMSG_MAX_PAGES];
	struct sorted s;

	read_batch(b, w->room + HEAD_ROOM, there);
	sort_pages(w, b, there, &s, count);
	if (put_list(&o, MEMMSG_DROP, b->from.nr, w->gone, s.gone, e) < 0 ||
	    put_list(&o, MEMMSG_ZERO, b->from.nr, w->zero, s.zero, e) < 0)
		return -1;
	return s.keep ? put_pages(w, &o, b, s.keep, s.len, e) : 0;
}
