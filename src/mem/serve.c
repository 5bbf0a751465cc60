// SPDX-License-Identifier: MIT
#include "mem/serve.h"

#include <poll.h>
#include <string.h>

#include "base/log.h"
#include "base/own.h"
#include "mem/batch.h"
#include "mem/maps.h"
#include "mem/msg.h"
#include "mem/track_priv.h"

/*
 * The push runs in windows: after WINDOW pages a barrier is sent, and no more than two
 * barriers are unanswered, so that a wanted page never queues behind more than that.
 */
enum { WINDOW = 512, BARRIERS = 2, AROUND = 8 /* pages sent with a wanted one */ };

struct owed {
	struct batch_from from;
	struct pageset left;  /* not confirmed by the other end */
	struct pageset queue; /* not sent over this link */
};

struct window {
	uint32_t id;		/* of its barrier; 0: still filling */
	struct pageset *sent;	/* one a space */
	uint64_t pages;
};

struct serve {
	struct owed *v;
	size_t n;
	struct batcher *batcher;
	struct window windows[BARRIERS + 1];
	unsigned nr_windows; /* answered ones are gone; the last one is filling */
	uint32_t next_id;
	struct serve_stats stats;
};

int serve_new(struct serve **out, struct track *t, struct err *e)
{
	struct serve *s = xcalloc(1, sizeof(*s));

	(void)e;
	s->n = track_nr_spaces(t);
	s->v = xcalloc(s->n + 1, sizeof(*s->v));
	for (size_t i = 0; i < s->n; i++) {
		s->v[i].from = space_from(t->spaces[i]);
		pageset_add_set(&s->v[i].left, track_owed(t, i));
		s->stats.left += s->v[i].left.pages;
	}
	s->batcher = batcher_new(false);
	for (size_t i = 0; i <= BARRIERS; i++)
		s->windows[i].sent = xcalloc(s->n + 1, sizeof(struct pageset));
	*out = s;
	return 0;
}

void serve_free(struct serve *s)
{
	if (!s)
		return;
	for (size_t k = 0; k <= BARRIERS; k++) {
		for (size_t i = 0; i < s->n; i++)
			pageset_fini(&s->windows[k].sent[i]);
		free(s->windows[k].sent);
	}
	for (size_t i = 0; i < s->n; i++) {
		pageset_fini(&s->v[i].left);
		pageset_fini(&s->v[i].queue);
	}
	batcher_free(s->batcher);
	free(s->v);
	free(s);
}

struct serve_stats serve_stats(struct serve *s)
{
	return s->stats;
}

/* ---- windows ---- */

static struct window *filling(struct serve *s)
{
	return &s->windows[s->nr_windows - 1];
}

static void reset_windows(struct serve *s)
{
	for (size_t k = 0; k <= BARRIERS; k++) {
		for (size_t i = 0; i < s->n; i++)
			pageset_clear(&s->windows[k].sent[i]);
		s->windows[k].pages = 0;
		s->windows[k].id = 0;
	}
	s->nr_windows = 1;
}

static int close_window(struct serve *s, struct peer *p, struct err *e)
{
	struct window *w = filling(s);

	w->id = UINT32_C(0x40000000) | ++s->next_id;
	s->nr_windows++;
	return peer_send_now(p, MEMMSG_SYNC, w->id, NULL, 0, e);
}

/* The first unanswered barrier was answered: its pages are there for good. */
static int confirm(struct serve *s, const struct frame *f, struct err *e)
{
	struct window first = s->windows[0];

	if (s->nr_windows < 2 || f->id != first.id)
		return err_set(e, ERR_PROTO, "a memory barrier that was not sent was answered");
	for (size_t i = 0; i < s->n; i++) {
		s->stats.left -= s->v[i].left.pages;
		pageset_remove_set(&s->v[i].left, &first.sent[i]);
		s->stats.left += s->v[i].left.pages;
		pageset_clear(&first.sent[i]);
	}
	memmove(s->windows, s->windows + 1, BARRIERS * sizeof(*s->windows));
	first.pages = 0;
	first.id = 0;
	s->windows[BARRIERS] = first;
	s->nr_windows--;
	return 0;
}

/* ---- sending ---- */

static int send_run(struct serve *s, struct peer *p, size_t i, struct run r, bool now, struct err *e)
{
	struct batch b = { .from = s->v[i].from, .n = 1, .pages = r.pages, .v = { r } };
	struct batch_count c = { 0 };

	pageset_remove(&s->v[i].queue, r.start, r.pages);
	pageset_add(&filling(s)->sent[i], r.start, r.pages);
	filling(s)->pages += r.pages;
	return batch_send(s->batcher, p, &b, now, &c, e);
}

/* The next pages of the push; false: nothing is left to push. */
static int push_some(struct serve *s, struct peer *p, bool *more, struct err *e)
{
	struct window *w = filling(s);

	*more = true;
	for (size_t i = 0; i < s->n; i++) {
		struct run r;

		if (!s->v[i].queue.n)
			continue;
		r = s->v[i].queue.v[0];
		r.pages = r.pages < MEMMSG_MAX_PAGES ? r.pages : MEMMSG_MAX_PAGES;
		s->stats.pushed += r.pages;
		if (send_run(s, p, i, r, false, e) < 0)
			return -1;
		return w->pages >= WINDOW ? close_window(s, p, e) : 0;
	}
	*more = false;
	if (w->pages)
		return close_window(s, p, e);
	return 0;
}

static int serve_want(struct serve *s, struct peer *p, const struct frame *f, struct err *e)
{
	own_free struct run *v = xmalloc(MEMMSG_MAX_LIST * sizeof(*v));
	struct memmsg_runs m;

	if (memmsg_get_runs(f, &m, v, e) < 0)
		return -1;
	for (size_t i = 0; i < s->n; i++) {
		uint64_t span;

		if (s->v[i].from.nr != m.nr)
			continue;
		/* What is asked for is sent, were it for the second time; and its neighbours. */
		span = pageset_span(&s->v[i].queue, v[0].start);
		span = span < AROUND ? span : AROUND;
		v[0].pages = span > v[0].pages ? span : v[0].pages;
		s->stats.wanted += v[0].pages;
		return send_run(s, p, i, v[0], true, e);
	}
	return err_set(e, ERR_PROTO, "%s wants pages of memory object %u, which is not lazy",
		       peer_name(p), m.nr);
}

/* One frame of the other end. 1: everything is there. */
static int hear(struct serve *s, struct peer *p, struct err *e)
{
	own_frame struct frame f = FRAME_INIT;

	if (peer_recv(p, &f, e) < 0)
		return -1;
	switch (f.type) {
	case MEMMSG_WANT:
		return serve_want(s, p, &f, e);
	case MEMMSG_FILLED:
		return 1;
	case PROTO_REPLY:
		return confirm(s, &f, e);
	default:
		return err_set(e, ERR_PROTO, "%s sent frame type %u to the page server", peer_name(p),
			       f.type);
	}
}

int serve_run(struct serve *s, struct peer *p, struct err *e)
{
	bool more = true, ended = false;
	int ret;

	reset_windows(s);
	for (size_t i = 0; i < s->n; i++) {
		pageset_clear(&s->v[i].queue);
		pageset_add_set(&s->v[i].queue, &s->v[i].left);
	}
	for (;;) {
		bool may_push = more && s->nr_windows <= BARRIERS;

		while (!may_push || peer_pending(p)) {
			ret = hear(s, p, e);
			if (ret)
				return ret < 0 ? -1 : 0;
			may_push = more && s->nr_windows <= BARRIERS;
		}
		if (push_some(s, p, &more, e) < 0)
			return -1;
		if (!more && !ended) {
			ended = true;
			if (peer_send(p, MEMMSG_END, 0, NULL, 0, e) < 0)
				return -1;
		}
	}
}
