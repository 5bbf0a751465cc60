// SPDX-License-Identifier: MIT
/* The link of a lazy migration, the destination's end: pages wanted, pages that come. */
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "base/own.h"
#include "mem/lazy/priv.h"
#include "mem/maps.h"

/* To the source, when there is a link; FILLED only once. */
static int send(struct lazy *l, uint8_t type, const struct buf *b, struct err *e)
{
	struct peer *p;
	int ret = 0;

	pthread_mutex_lock(&l->sending);
	pthread_mutex_lock(&l->lock);
	p = l->link_lost || (type == MEMMSG_FILLED && l->told) ? NULL : l->peer;
	pthread_mutex_unlock(&l->lock);
	if (p && type == MEMMSG_FILLED)
		l->told = true;
	if (p)
		ret = peer_send_now(p, type, 0, b ? b->data : NULL, b ? b->len : 0, e);
	pthread_mutex_unlock(&l->sending);
	return ret;
}

static void send_want(struct lazy *l, uint32_t nr, uint64_t then)
{
	own_buf struct buf b = BUF_INIT;
	struct run r = { then, 1 };

	memmsg_put_runs(&b, nr, false, &r, 1);
	send(l, MEMMSG_WANT, &b, NULL);
}

void lazy_want(void *arg, struct lazytask *t, uint64_t then)
{
	struct lazy *l = arg;
	bool again;

	pthread_mutex_lock(&t->lock);
	again = pageset_has(&t->wanted, then);
	pageset_add(&t->wanted, then, 1);
	pthread_mutex_unlock(&t->lock);
	if (again)
		return;
	l->wanted++;
	/* Without a link it is asked for when there is one again. */
	send_want(l, t->nr, then);
}

void lazy_tell_filled(struct lazy *l)
{
	send(l, MEMMSG_FILLED, NULL, NULL);
}

static int hear_source(struct lazy *l, struct peer *p, const struct frame *f, struct run *v,
		       struct err *e)
{
	own_free struct lazytask **tasks = NULL;
	struct memmsg_runs m;
	size_t n;

	if (f->type == MEMMSG_END) {
		log_debug("the source has sent all pages once");
		return 0;
	}
	if (!store_takes(f->type) || f->type == MEMMSG_OBJECT || f->type == MEMMSG_GONE ||
	    f->type == MEMMSG_PRESENT)
		return err_set(e, ERR_PROTO, "%s sent frame type %u while pages were filled",
			       peer_name(p), f->type);
	if (store_frame(l->o.store, p, f, e) < 0)
		return -1;
	if (f->type == MEMMSG_SYNC)
		return 0;
	if (memmsg_get_runs(f, &m, v, e) < 0)
		return -1;
	tasks = lazy_snapshot(l, &n);
	for (size_t i = 0; i < n; i++) {
		if (tasks[i]->nr != m.nr || tasks[i]->over)
			continue;
		if (f->type == MEMMSG_DROP)
			lazytask_dropped(tasks[i], v, m.n);
		else
			lazytask_arrived(tasks[i], v, m.n);
	}
	pthread_mutex_lock(&l->lock);
	pthread_cond_broadcast(&l->change);
	pthread_mutex_unlock(&l->lock);
	return 0;
}

static void *reader_main(void *arg)
{
	struct lazy *l = arg;
	own_free struct run *v = xmalloc(MEMMSG_MAX_LIST * sizeof(*v));
	struct err e = ERR_INIT;

	for (;;) {
		own_frame struct frame f = FRAME_INIT;

		if (peer_recv(l->peer, &f, &e) < 0 || hear_source(l, l->peer, &f, v, &e) < 0)
			break;
	}
	pthread_mutex_lock(&l->lock);
	l->link_lost = true;
	l->why = e;
	pthread_cond_broadcast(&l->change);
	pthread_mutex_unlock(&l->lock);
	return NULL;
}

/* All that somebody waits for. */
static void ask_again(struct lazy *l, struct lazytask *const *tasks, size_t n)
{
	own_pageset struct pageset wanted = PAGESET_INIT;

	for (size_t i = 0; i < n; i++) {
		pageset_clear(&wanted);
		pthread_mutex_lock(&tasks[i]->lock);
		pageset_add_set(&wanted, &tasks[i]->wanted);
		pthread_mutex_unlock(&tasks[i]->lock);
		for (size_t k = 0; k < wanted.n; k++)
			for (uint64_t at = wanted.v[k].start; at < run_end(&wanted.v[k]); at += MEM_PAGE)
				send_want(l, tasks[i]->nr, at);
	}
}

/* What tasks with memory object `nr` are owed and the store lacks. */
static void owed_of(struct lazy *l, uint32_t nr, struct lazytask *const *tasks, size_t n,
		    struct pageset *owed)
{
	own_pageset struct pageset missing = PAGESET_INIT;
	struct err e = ERR_INIT;

	for (size_t i = 0; i < n; i++)
		if (tasks[i]->nr == nr && !tasks[i]->over)
			lazytask_owed(tasks[i], owed);
	if (store_missing(l->o.store, nr, &missing, &e) < 0) {
		log_warn("%s", e.msg);
		return;
	}
	pageset_keep(owed, &missing);
}

static int tell_owed(struct lazy *l, const struct memobj *o, const struct pageset *owed, struct err *e)
{
	own_buf struct buf b = BUF_INIT;

	memmsg_put_object(&b, o);
	if (send(l, MEMMSG_OBJECT, &b, e) < 0)
		return -1;
	for (size_t at = 0; at < owed->n; at += MEMMSG_MAX_LIST) {
		size_t n = owed->n - at < MEMMSG_MAX_LIST ? owed->n - at : MEMMSG_MAX_LIST;

		buf_clear(&b);
		memmsg_put_runs(&b, o->nr, false, owed->v + at, (uint32_t)n);
		if (send(l, MEMMSG_OWED, &b, e) < 0)
			return -1;
	}
	return 0;
}

/* To a source that may have forgotten everything: it has the frozen processes, we know what of
 * their memory is not here. */
static int tell_all_owed(struct lazy *l, struct err *e)
{
	own_free struct lazytask **tasks = NULL;
	size_t n;

	tasks = lazy_snapshot(l, &n);
	for (size_t i = 0; i < n; i++) {
		own_pageset struct pageset owed = PAGESET_INIT;
		struct memobj o;
		bool told = false;

		for (size_t k = 0; k < i; k++)
			told |= tasks[k]->nr == tasks[i]->nr;
		if (told || !tasks[i]->nr || !store_get(l->o.store, tasks[i]->nr, &o))
			continue;
		owed_of(l, o.nr, tasks, n, &owed);
		log_debug("process %d is owed %llu pages that are not here", (int)o.id,
			  (unsigned long long)owed.pages);
		if (tell_owed(l, &o, &owed, e) < 0)
			return -1;
	}
	if (send(l, MEMMSG_END, NULL, e) < 0)
		return -1;
	ask_again(l, tasks, n);
	return 0;
}

void lazy_detach(struct lazy *l)
{
	if (l->has_reader)
		pthread_join(l->reader, NULL);
	l->has_reader = false;
	pthread_mutex_lock(&l->sending);
	pthread_mutex_lock(&l->lock);
	l->peer = NULL;
	l->told = false;
	pthread_mutex_unlock(&l->lock);
	pthread_mutex_unlock(&l->sending);
}

int lazy_attach(struct lazy *l, struct peer *source, struct err *e)
{
	bool all_here, again;

	lazy_detach(l);
	pthread_mutex_lock(&l->lock);
	l->peer = source;
	l->link_lost = false;
	all_here = l->all_here;
	again = l->attached_before;
	l->attached_before = true;
	pthread_mutex_unlock(&l->lock);
	if (all_here)
		lazy_tell_filled(l);
	else if (again && tell_all_owed(l, e) < 0) {
		pthread_mutex_lock(&l->lock);
		l->link_lost = true;
		l->why = e ? *e : (struct err)ERR_INIT;
		pthread_mutex_unlock(&l->lock);
		return -1;
	}
	errno = pthread_create(&l->reader, NULL, reader_main, l);
	if (errno)
		return err_sys(e, "cannot start the thread that receives pages");
	l->has_reader = true;
	return 0;
}
