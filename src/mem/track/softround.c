// SPDX-License-Identifier: MIT
/*
 * mem/track/softround.c - rounds by soft-dirty bits: the part of track.h for kernels without
 * PAGEMAP_SCAN.
 *
 *	look, views		running
 *	private pages, bits	stopped, about 50 ms a GiB and thread: pagemap looks at each page struct
 *	reading and sending	running
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/own.h"
#include "mem/track/priv.h"
#include "mem/track/soft.h"

/* A thread looks at so much at once: some milliseconds. */
#define PART (UINT64_C(64) << 20)

struct part {
	struct space *space;
	struct map map; /* a part of one; borrowed name */
	struct pageset dirty;
	struct soft_record seen;
};

struct look {
	struct part *v;
	size_t n, cap;
	_Atomic size_t next;
};

static void *look_main(void *arg)
{
	struct look *l = arg;
	size_t i;

	/* Of one that ended meanwhile there is nothing: soft_clear will tell. */
	while ((i = l->next++) < l->n)
		soft_private(l->v[i].space->scan.soft, l->v[i].space->scan.pagemap, &l->v[i].map, NULL,
			     &l->v[i].dirty, &l->v[i].seen);
	return NULL;
}

static void add_parts(struct look *l, struct space *s)
{
	for (size_t i = 0; i < s->maps.n; i++) {
		const struct map *m = &s->maps.v[i];

		if (!space_covers(m))
			continue;
		for (uint64_t at = m->start; at < m->end; at += PART) {
			struct part *p;

			if (l->n == l->cap) {
				l->cap = l->cap ? 2 * l->cap : 64;
				l->v = xrealloc(l->v, l->cap * sizeof(*l->v));
			}
			p = &l->v[l->n++];
			*p = (struct part){ .space = s, .map = *m };
			p->map.start = at;
			p->map.end = m->end - at < PART ? m->end : at + PART;
		}
	}
}

static void look_in_parallel(const struct track *t, struct look *l)
{
	unsigned want = track_threads(t), started = 0;
	own_free pthread_t *threads = xcalloc(want + 1, sizeof(*threads));

	want = want < l->n ? want : (unsigned)l->n;
	while (started + 1 < want && pthread_create(&threads[started], NULL, look_main, l) == 0)
		started++;
	look_main(l);
	while (started)
		pthread_join(threads[--started], NULL);
}

/* One that ended or executed something since the look at its mappings is only noted. */
static int clear_space(struct space *s, struct err *e)
{
	struct err own = ERR_INIT;

	if (s->gone || soft_clear(s->scan.soft, s->pid, &own) == 0)
		return 0;
	if (own.sys == ESRCH || own.sys == ENOENT) {
		s->gone = true;
		return 0;
	}
	if (e)
		*e = own;
	return -1;
}

static int all_of_them(struct track *t, struct err *e)
{
	struct look l = { .n = 0 };
	int ret = 0;

	for (size_t i = 0; i < t->nr_spaces; i++) {
		struct space *s = t->spaces[i];

		pageset_clear(&s->dirty);
		s->gone |= !space_is_same(s);
		if (s->gone)
			continue;
		soft_begin(s->scan.soft, s->pid, &s->maps);
		add_parts(&l, s);
	}
	look_in_parallel(t, &l);
	for (size_t i = 0; i < l.n; i++) {
		struct part *p = &l.v[i];

		pageset_add_set(&p->space->dirty, &p->dirty);
		pageset_fini(&p->dirty);
		soft_take(p->space->scan.soft, &p->seen);
	}
	free(l.v);
	for (size_t i = 0; i < t->nr_spaces && ret == 0; i++) {
		space_doubt(t->spaces[i], t->flying);
		ret = clear_space(t->spaces[i], e);
	}
	return ret;
}

static void forget_loose(struct track *t)
{
	for (size_t i = 0; t->loose && i < t->nr_spaces; i++)
		soft_forget(t->spaces[i]->scan.soft, NULL);
	t->loose = false;
}

int soft_round(struct track *t, struct track_round *r, struct err *e)
{
	uint64_t began = clock_ns(), stopped;
	int ret;

	if (!t->o.stop)
		return err_set(e, ERR_UNSUPPORTED, "rounds by soft-dirty pages must stop the container");
	forget_loose(t);
	for (size_t i = 0; i < t->nr_spaces; i++)
		scan_views(t, t->spaces[i], true);
	stopped = clock_ns();
	if (t->o.stop(t->o.arg, e) < 0)
		return -1;
	ret = all_of_them(t, e);
	if (t->o.go(t->o.arg, ret < 0 ? NULL : e) < 0)
		ret = -1;
	r->scan_ns = clock_ns() - began;
	stopped = clock_ns() - stopped;
	r->stop_ns = stopped;
	log_debug("soft-dirty: stopped for %.1f ms", (double)stopped / 1e6);
	return ret;
}

int soft_arm(struct track *t, struct err *e)
{
	t->loose = true;
	return all_of_them(t, e);
}

void soft_prepare(struct track *t)
{
	forget_loose(t);
	for (size_t i = 0; i < t->nr_spaces; i++)
		soft_begin(t->spaces[i]->scan.soft, t->spaces[i]->pid, &t->spaces[i]->maps);
}
