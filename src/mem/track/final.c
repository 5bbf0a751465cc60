// SPDX-License-Identifier: MIT
/*
 * mem/track/final.c - the frozen part of track.h: all pages of all spaces are looked at
 * once, by several threads; what is dirty goes out as soon as its piece is
 * scanned, and the lists of what exists last.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/own.h"
#include "mem/track/direct.h"
#include "mem/track/family.h"
#include "mem/track/priv.h"

/* A thread scans so much at once: some milliseconds. */
#define PIECE (UINT64_C(256) << 20)

struct piece {
	struct space *space;
	struct map map; /* a part of one; borrowed name */
	struct pageset present, dirty;
	bool late; /* lazy: its pages follow after the switch */
	bool failed; /* it could not be looked at */
	bool done;
};

struct work {
	struct piece *v;
	size_t n, cap;
	_Atomic size_t next;
	pthread_mutex_t lock;
	pthread_cond_t ready;
};

static void scan_piece(struct piece *p)
{
	own_pageset struct pageset doubt = PAGESET_INIT;

	if (p->done)
		return;
	p->failed = space_scan(p->space, &p->map, &p->present, &p->dirty) == SCAN_GONE;
	if (!p->space->direct)
		return;
	pageset_add_set(&doubt, &p->present);
	pageset_keep(&doubt, &p->space->doubt);
	pageset_add_set(&p->dirty, &doubt);
}

static void *scan_main(void *arg)
{
	struct work *w = arg;
	size_t i;

	while ((i = w->next++) < w->n) {
		scan_piece(&w->v[i]);
		pthread_mutex_lock(&w->lock);
		w->v[i].done = true;
		pthread_cond_signal(&w->ready);
		pthread_mutex_unlock(&w->lock);
	}
	return NULL;
}

static void add_pieces(struct work *w, struct space *s, bool lazy)
{
	for (size_t i = 0; i < s->maps.n; i++) {
		const struct map *m = &s->maps.v[i];
		const uint64_t most = piece_of(m, PIECE);

		if (!space_covers(m))
			continue;
		for (uint64_t at = m->start; at < m->end; at += most) {
			struct piece *p;

			if (w->n == w->cap) {
				w->cap = w->cap ? 2 * w->cap : 64;
				w->v = xrealloc(w->v, w->cap * sizeof(*w->v));
			}
			p = &w->v[w->n++];
			*p = (struct piece){ .space = s, .map = *m };
			p->late = lazy && map_can_be_lazy(m) && !map_is_eager(m);
			p->map.start = at;
			p->map.end = m->end - at < most ? m->end : at + most;
			p->map.offset += at - m->start;
		}
	}
}

static void work_init(struct track *t, struct work *w, bool lazy)
{
	*w = (struct work){ .n = 0 };
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->ready, NULL);
	for (size_t i = 0; i < t->nr_spaces; i++)
		add_pieces(w, t->spaces[i], lazy);
}

static void work_fini(struct work *w)
{
	for (size_t i = 0; i < w->n; i++) {
		pageset_fini(&w->v[i].present);
		pageset_fini(&w->v[i].dirty);
	}
	free(w->v);
	pthread_mutex_destroy(&w->lock);
	pthread_cond_destroy(&w->ready);
}

static void wait_piece(struct work *w, struct piece *p)
{
	pthread_mutex_lock(&w->lock);
	while (!p->done)
		pthread_cond_wait(&w->ready, &w->lock);
	pthread_mutex_unlock(&w->lock);
}

/* Frozen, nothing goes away: pages that nobody has seen would be zeros there. */
static int not_seen(const struct space *s, struct err *e)
{
	return err_set(e, ERR_COPY, "the memory of process %d (%d inside) cannot be looked at; has it been killed?",
		       (int)s->pid, (int)s->vpid);
}

/* Lazy: these follow later, but for what the images must have. */
static int leave_late(struct piece *p, const struct batch_from *from, struct sender *to, int ret, struct err *e)
{
	own_pageset struct pageset now = PAGESET_INIT;

	if (p->space->shared.n) {
		pageset_add_set(&now, &p->dirty);
		pageset_keep(&now, &p->space->shared);
		pageset_remove_set(&p->dirty, &now);
	}
	pageset_add_set(&p->space->dirty, &p->dirty);
	return ret < 0 ? ret : sender_pages(to, from, now.v, now.n, e);
}

/* In order, as they are ready. */
static int collect(struct work *w, struct sender *to, struct track_round *r, struct err *e)
{
	int ret = 0;

	for (size_t i = 0; i < w->n; i++) {
		struct piece *p = &w->v[i];
		struct batch_from from = space_from(p->space);

		wait_piece(w, p);
		if (p->failed && ret == 0)
			ret = not_seen(p->space, e);
		pageset_add_set(&p->space->present, &p->present);
		r->present_pages += p->present.pages;
		if (p->map.kind == MAP_KIND_FILE) {
			ret = ret < 0 ? ret : send_copies(p->space, &p->map, &p->dirty, to, e);
			continue;
		}
		r->dirty_pages += p->dirty.pages;
		if (p->late)
			ret = leave_late(p, &from, to, ret, e);
		else if (ret == 0)
			ret = sender_pages(to, &from, p->dirty.v, p->dirty.n, e);
	}
	return ret;
}

unsigned track_threads(const struct track *t)
{
	cpu_set_t set;
	unsigned n = t->o.threads;

	if (n)
		return n;
	n = sched_getaffinity(0, sizeof(set), &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1;
	return n < 4 ? n : 4;
}

static int scan_all(struct track *t, struct work *w, struct sender *to, struct track_round *r, struct err *e)
{
	unsigned n = track_threads(t), started = 0;
	own_free pthread_t *threads = xcalloc(n + 1, sizeof(*threads));
	int ret;

	n = n < w->n ? n : (unsigned)w->n;
	while (started < n && pthread_create(&threads[started], NULL, scan_main, w) == 0)
		started++;
	if (!started)
		scan_main(w);
	ret = collect(w, to, r, e);
	for (unsigned i = 0; i < started; i++)
		pthread_join(threads[i], NULL);
	return ret;
}

/* Lazy: what is dirty is not there, but older pages may be: those go. */
static int send_lists(struct track *t, struct sender *to, bool lazy, struct err *e)
{
	for (size_t i = 0; i < t->nr_spaces; i++) {
		struct space *s = t->spaces[i];

		if (lazy && s->dirty.n && sender_drop(to, s->nr, s->dirty.v, s->dirty.n, e) < 0)
			return -1;
		if (sender_present(to, s->nr, &s->present, e) < 0)
			return -1;
	}
	for (size_t i = 0; i < t->nr_shms; i++)
		if (sender_present(to, t->shms[i]->nr, &t->shms[i]->present, e) < 0)
			return -1;
	return 0;
}

/* CRIU pokes into executable memory later: it is looked at and read now. */
static int take_executable(struct track *t, struct sender *to, struct err *e)
{
	for (size_t i = 0; i < t->nr_spaces; i++) {
		struct space *s = t->spaces[i];
		struct batch_from from = space_from(s);

		pageset_clear(&s->dirty);
		pageset_clear(&s->present);
		if (announce_space(t, s, to, e) < 0)
			return -1;
		for (size_t k = 0; k < s->maps.n; k++) {
			const struct map *m = &s->maps.v[k];

			if (m->prot & MAP_EXEC && space_covers(m) &&
			    space_scan(s, m, &s->present, &s->dirty) == SCAN_GONE)
				return not_seen(s, e);
		}
		if (sender_pages(to, &from, s->dirty.v, s->dirty.n, e) < 0)
			return -1;
		t->early_pages += s->dirty.pages;
		pageset_clear(&s->dirty);
	}
	return sender_read(to, e);
}

static int wait_for_aio(const struct track *t, struct err *e)
{
	own_free struct direct_ring *rings = NULL;
	size_t n = 0;

	for (size_t i = 0; i < t->nr_spaces; i++) {
		const struct space *s = t->spaces[i];

		for (size_t k = 0; k < s->maps.n; k++) {
			if (!direct_is_ring(&s->maps.v[k]))
				continue;
			rings = xrealloc(rings, (n + 1) * sizeof(*rings));
			rings[n++] = (struct direct_ring){ s->mem, s->maps.v[k].start };
		}
	}
	return direct_wait(rings, n, e);
}

int track_frozen(struct track *t, struct sender *s, struct err *e)
{
	uint64_t began = clock_ns(), met;
	bool dropped;

	sender_urgent(s, true);
	t->early_pages = 0;
	if (look_at_spaces(t, s, false, e) < 0)
		return -1;
	procs_last_look(&t->procs);
	met = clock_ns();
	if (look_at_mappings(t, s, false, &dropped, e) < 0)
		return -1;
	if (t->soft)
		soft_prepare(t);
	if (wait_for_aio(t, e) < 0 || take_executable(t, s, e) < 0)
		return -1;
	log_debug("frozen: %zu processes met in %.1f ms, mappings of %zu spaces in %.1f ms", t->procs.n,
		  (double)(met - began) / 1e6, t->nr_spaces, (double)(clock_ns() - met) / 1e6);
	t->frozen = true;
	return 0;
}

void track_keep_shared(struct track *t)
{
	t->keep_shared = true;
}

static int look_for_shared(struct track *t, struct err *e)
{
	for (size_t i = 0; i < t->nr_spaces; i++) {
		struct space *s = t->spaces[i];

		pageset_clear(&s->shared);
		for (size_t k = 0; k < s->maps.n; k++) {
			const struct map *m = &s->maps.v[k];

			if (map_can_be_lazy(m) && !map_is_eager(m) && space_covers(m) &&
			    family_pages(s->scan.pagemap, m, &s->shared) < 0)
				return not_seen(s, e);
		}
	}
	return 0;
}

int track_final(struct track *t, struct sender *s, bool lazy, struct track_round *r, struct err *e)
{
	uint64_t began = clock_ns(), scanned;
	struct work w;
	int ret = 0;

	*r = (struct track_round){ .nr = t->rounds + 1 };
	if (!t->frozen && track_frozen(t, s, e) < 0)
		return -1;
	t->frozen = false;
	if (t->keep_shared && look_for_shared(t, e) < 0)
		return -1;
	for (size_t i = 0; i < t->nr_spaces; i++) {
		pageset_clear(&t->spaces[i]->doubt);
		space_add_doubts(t->spaces[i], &t->spaces[i]->doubt);
	}
	work_init(t, &w, lazy);
	for (size_t i = 0; i < w.n; i++)
		w.v[i].done = w.v[i].map.prot & MAP_EXEC;
	r->dirty_pages = t->early_pages;
	for (size_t i = 0; i < t->nr_spaces; i++) {
		r->present_pages += t->spaces[i]->present.pages;
		t->spaces[i]->guarded = false;
	}
	for (size_t i = 0; !t->soft && i < t->nr_spaces; i++)
		scan_views(t, t->spaces[i], true);
	if (t->soft)
		suspect_all(t);
	ret = scan_all(t, &w, s, r, e);
	work_fini(&w);
	scanned = clock_ns();
	if (ret == 0)
		ret = send_shms(t, s, &r->dirty_pages, e);
	if (ret < 0 || send_lists(t, s, lazy, e) < 0 || sender_sync(s, &r->missing_pages, e) < 0)
		return -1;
	/* What the lists do not name was dropped there, and may come again here. */
	for (size_t i = 0; i < t->nr_spaces; i++) {
		space_forget_copies(t->spaces[i]);
		pageset_clear(&t->spaces[i]->fresh);
	}
	for (size_t i = 0; i < t->nr_shms; i++)
		r->present_pages += t->shms[i]->present.pages;
	r->scan_ns = scanned - began;
	r->send_ns = clock_ns() - scanned;
	r->interval_ns = began - t->scanned_ns;
	r->nr_spaces = (unsigned)t->nr_spaces;
	r->nr_shms = (unsigned)t->nr_shms;
	log_debug("memory at the freeze: %" PRIu64 " of %" PRIu64 " pages dirty, %" PRIu64
		  " missing, scan %.1f ms, send %.1f ms",
		  r->dirty_pages, r->present_pages, r->missing_pages, (double)r->scan_ns / 1e6,
		  (double)r->send_ns / 1e6);
	return 0;
}
