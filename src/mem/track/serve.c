// SPDX-License-Identifier: MIT
#include "mem/track/serve.h"

#include <poll.h>
#include <string.h>

#include "base/log.h"
#include "base/own.h"
#include "mem/batch.h"
#include "mem/maps.h"
#include "mem/msg.h"
#include "mem/procs.h"
#include "mem/track/priv.h"
#include "mem/track/space.h"

/*
 * The push runs in windows: after WINDOW pages a barrier is sent, and no more than two
 * barriers are unanswered, so that a wanted page never queues behind more than that.
 */
enum { WINDOW = 512, BARRIERS = 2, AROUND = 8 /* pages sent with a wanted one */ };

struct owed {
	struct batch_from from;
	struct space *space;  /* owned, or NULL: the track's */
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

/* For `n` spaces at most. */
static struct serve *serve_make(size_t n)
{
	struct serve *s = xcalloc(1, sizeof(*s));

	s->v = xcalloc(n + 1, sizeof(*s->v));
	s->batcher = batcher_new(false);
	for (size_t i = 0; i <= BARRIERS; i++)
		s->windows[i].sent = xcalloc(n + 1, sizeof(struct pageset));
	return s;
}

int serve_new(struct serve **out, struct track *t, struct err *e)
{
	struct serve *s = serve_make(track_nr_spaces(t));

	(void)e;
	s->n = track_nr_spaces(t);
	for (size_t i = 0; i < s->n; i++) {
		s->v[i].from = space_from(t->spaces[i]);
		pageset_add_set(&s->v[i].left, track_owed(t, i));
		s->stats.left += s->v[i].left.pages;
	}
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
		space_close(s->v[i].space);
	}
	batcher_free(s->batcher);
	free(s->v);
	free(s);
}

struct serve_stats serve_stats(struct serve *s)
{
	return s->stats;
}

/* ---- from what the other end says ---- */

static struct owed *find_owed(struct serve *s, uint32_t nr)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->v[i].from.nr == nr)
			return &s->v[i];
	return NULL;
}

/* The other end names an address space: only processes of the container are looked at. */
static int take_space(struct serve *s, const struct procs *procs, const struct frame *f, struct err *e)
{
	struct owed *o = &s->v[s->n];
	struct memobj obj;
	uint64_t ns = 0;

	if (memmsg_get_object(f, &obj, e) < 0)
		return -1;
	if (obj.kind != MEMOBJ_SPACE || s->n == procs->n || find_owed(s, obj.nr))
		return err_set(e, ERR_PROTO, "memory object %u cannot be lazy", obj.nr);
	for (size_t i = 0; i < procs->n; i++) {
		const struct proc *p = &procs->v[i];

		if ((uint64_t)p->vpid != obj.id || p->zombie)
			continue;
		if (space_open(&o->space, p->pid, p->vpid, false, &ns, e) < 0)
			return -1;
		o->space->nr = obj.nr;
		o->from = space_from(o->space);
		s->n++;
		return 0;
	}
	return err_set(e, ERR_PROTO, "memory of process %llu is owed, which is not there",
		       (unsigned long long)obj.id);
}

static int take_owed(struct serve *s, const struct frame *f, struct err *e)
{
	own_free struct run *v = xmalloc(MEMMSG_MAX_LIST * sizeof(*v));
	struct memmsg_runs m;
	struct owed *o;

	if (memmsg_get_runs(f, &m, v, e) < 0)
		return -1;
	o = find_owed(s, m.nr);
	if (!o)
		return err_set(e, ERR_PROTO, "memory object %u was not named", m.nr);
	for (uint32_t i = 0; i < m.n; i++)
		pageset_add(&o->left, v[i].start, v[i].pages);
	return 0;
}

/* 0: all was told; 1: it has everything. */
static int hear_owed(struct serve *s, const struct procs *procs, struct peer *p, struct err *e)
{
	for (;;) {
		own_frame struct frame f = FRAME_INIT;

		if (peer_recv(p, &f, e) < 0)
			return -1;
		if (f.type == MEMMSG_FILLED || f.type == MEMMSG_END)
			return f.type == MEMMSG_FILLED;
		if (f.type != MEMMSG_OBJECT && f.type != MEMMSG_OWED)
			return err_set(e, ERR_PROTO, "%s sent frame type %u instead of what it lacks",
				       peer_name(p), f.type);
		if ((f.type == MEMMSG_OBJECT ? take_space(s, procs, &f, e) : take_owed(s, &f, e)) < 0)
			return -1;
	}
}

int serve_resume(struct serve **out, pid_t init, const char *cgroup, struct peer *p, struct err *e)
{
	own_procs struct procs procs = PROCS_INIT;
	struct serve *s;
	int ret;

	*out = NULL;
	if (procs_init(&procs, init, cgroup, e) < 0 || procs_refresh(&procs, e) < 0)
		return -1;
	s = serve_make(procs.n);
	ret = hear_owed(s, &procs, p, e);
	if (ret) {
		serve_free(s);
		return ret;
	}
	for (size_t i = 0; i < s->n; i++)
		s->stats.left += s->v[i].left.pages;
	*out = s;
	return 0;
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
