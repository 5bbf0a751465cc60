// SPDX-License-Identifier: MIT
#include "mem/lazy/lazytask.h"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/own.h"
#include "mem/maps.h"

enum {
	AHEAD = 64, /* pages given with a fault at most, when faults go upwards */
	AT_ONCE = 4, /* pages placed, until we look whether somebody waits */
	AROUND = 64 << 10, /* bytes around a fault that go first then; aligned */
	EVENTS = 32,
	REFUSED_NS = 20000, /* until a refused copy is tried again */
	NO_MEMORY_NS = 1000000,
	TELL_AGAIN_S = 60,
};

struct lazytask *lazytask_new(int uffd, pid_t vpid, uint32_t nr, struct store *s,
			      const struct pageset *left)
{
	struct lazytask *t = xcalloc(1, sizeof(*t));
	pthread_rwlockattr_t attr;

	t->uffd = uffd;
	t->vpid = vpid;
	t->nr = nr;
	t->store = s;
	pagebits_init(&t->left, left);
	store_hot(s, nr, &t->hot);
	t->places = xcalloc(1, sizeof(*t->places));
	t->places[0] = (struct place){ 0, 0, MEMMSG_MAX_ADDR };
	t->nr_places = 1;
	fcntl(uffd, F_SETFL, fcntl(uffd, F_GETFL) | O_NONBLOCK);
	/* Faults must not wait behind a queue of fillers. */
	pthread_rwlockattr_init(&attr);
	pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(&t->events, &attr);
	pthread_rwlockattr_destroy(&attr);
	pthread_mutex_init(&t->lock, NULL);
	return t;
}

void lazytask_free(struct lazytask *t)
{
	if (!t)
		return;
	close_fd(&t->uffd);
	pagebits_fini(&t->left);
	pageset_fini(&t->hot);
	pageset_fini(&t->wanted);
	free(t->places);
	pthread_rwlock_destroy(&t->events);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

uint64_t lazytask_left(struct lazytask *t)
{
	uint64_t n;

	pthread_mutex_lock(&t->lock);
	n = t->over ? 0 : t->left.pages + t->in_hand;
	pthread_mutex_unlock(&t->lock);
	return n;
}

void lazytask_owed(struct lazytask *t, struct pageset *out)
{
	pthread_rwlock_wrlock(&t->events); /* a copy under way has taken its pages out of `left` */
	pthread_mutex_lock(&t->lock);
	pagebits_runs(&t->left, out);
	pthread_mutex_unlock(&t->lock);
	pthread_rwlock_unlock(&t->events);
}

/* ---- places ---- */

/* Where the page of address `now` was; false: it came into being here. */
static bool place_then(const struct lazytask *t, uint64_t now, uint64_t *then)
{
	for (size_t i = 0; i < t->nr_places; i++) {
		const struct place *p = &t->places[i];

		if (now - p->now < p->len) {
			*then = now - p->now + p->then;
			return true;
		}
	}
	return false;
}

/* Where the page that was at `then` is, and for how many bytes that goes on. */
static bool place_now(const struct lazytask *t, uint64_t then, uint64_t *now, uint64_t *len)
{
	for (size_t i = 0; i < t->nr_places; i++) {
		const struct place *p = &t->places[i];

		if (then - p->then < p->len) {
			*now = then - p->then + p->now;
			*len = p->len - (then - p->then);
			return true;
		}
	}
	return false;
}

static void add_place(struct lazytask *t, struct place p)
{
	t->places = xrealloc(t->places, (t->nr_places + 1) * sizeof(*t->places));
	t->places[t->nr_places++] = p;
}

/* Nothing of before is at [start, end) any more.  `moved`: the pieces go there instead. */
static void cut_places(struct lazytask *t, uint64_t start, uint64_t end, const uint64_t *moved)
{
	size_t n = t->nr_places;

	for (size_t i = 0; i < n; i++) {
		struct place p = t->places[i];
		uint64_t a = p.now > start ? p.now : start;
		uint64_t b = p.now + p.len < end ? p.now + p.len : end;

		if (a >= b)
			continue;
		t->places[i].len = a - p.now;
		if (p.now + p.len > b)
			add_place(t, (struct place){ b, p.then + (b - p.now), p.now + p.len - b });
		if (moved)
			add_place(t, (struct place){ *moved + (a - start), p.then + (a - p.now), b - a });
	}
	for (size_t i = 0; i < t->nr_places;)
		if (t->places[i].len)
			i++;
		else
			t->places[i] = t->places[--t->nr_places];
}

/* The pages now at [start, end) are not owed any more. */
static void forget(struct lazytask *t, uint64_t start, uint64_t end)
{
	pthread_mutex_lock(&t->lock);
	for (size_t i = 0; i < t->nr_places; i++) {
		const struct place *p = &t->places[i];
		uint64_t a = p->now > start ? p->now : start;
		uint64_t b = p->now + p->len < end ? p->now + p->len : end;

		if (a < b)
			pagebits_remove(&t->left, a - p->now + p->then, (b - a) >> MEM_PAGE_SHIFT);
	}
	pthread_mutex_unlock(&t->lock);
}

/* ---- copying ---- */

static void note_refused(struct lazytask *t, int why)
{
	uint64_t told = t->told_ns, now = clock_ns();

	t->refused = true;
	if ((told && now - told < UINT64_C(1000000000) * TELL_AGAIN_S) ||
	    !atomic_compare_exchange_strong(&t->told_ns, &told, now))
		return;
	log_warn("pages of process %d cannot be placed, so it waits and it is tried again: %s", (int)t->vpid,
		 strerror(why));
}

/* Pages [now, now + n) from data, or zeros.  Returns the pages that are settled (there, or without
 * a mapping); fewer than n only when events are pending, there is no memory, or it yields and somebody waits for the task. */
static uint64_t place_pages(struct lazytask *t, uint64_t now, uint64_t n, const uint8_t *data, bool yields)
{
	uint64_t done = 0, some = n;

	while (done < n && !t->over && !(yields && done && t->waited_for)) {
		uint64_t few = yields && some > AT_ONCE ? AT_ONCE : some;
		uint64_t at = now + (done << MEM_PAGE_SHIFT), len = few << MEM_PAGE_SHIFT;
		struct uffdio_copy c = { .dst = at, .src = (uintptr_t)data + (done << MEM_PAGE_SHIFT),
					 .len = len };
		struct uffdio_zeropage z = { .range = { at, len } };
		int64_t got;
		int ret = data ? ioctl(t->uffd, UFFDIO_COPY, &c) : ioctl(t->uffd, UFFDIO_ZEROPAGE, &z);
		int why = errno;

		got = data ? c.copy : z.zeropage;
		if (ret == 0)
			got = (int64_t)len;
		if (got > 0) {
			*(data ? &t->copied : &t->zeros) += (uint64_t)got >> MEM_PAGE_SHIFT;
			done += (uint64_t)got >> MEM_PAGE_SHIFT;
			some = n - done;
			t->refused = false;
			continue;
		}
		switch (why) {
		case EAGAIN:
			return done;
		case EEXIST: /* it was faster: written by the program, or by CRIU */
			done++;
			some = n - done;
			break;
		case ENOENT: /* not one mapping, or none */
		case EINVAL:
			if (few > 1) {
				some = few / 2;
			} else {
				done++;
				some = n - done;
			}
			break;
		case ESRCH:
			t->over = true;
			break;
		default:
			note_refused(t, why);
			return done;
		}
	}
	return t->over ? n : done;
}

/*
 * Settles up to n pages from `then` on, as far as they are in the store; under `events`, the
 * pages are out of `left`.  Returns pages settled; *absent: stopped at one that is not here.
 * `yields`: it is the background, for which nobody waits.
 */
static uint64_t settle(struct lazytask *t, uint64_t then, uint64_t n, bool yields, bool *absent)
{
	uint64_t done = 0;

	*absent = false;
	while (done < n && !t->over) {
		uint64_t at = then + (done << MEM_PAGE_SHIFT), now, len, some = 1, got;
		const void *data;
		enum store_page what;

		if (!place_now(t, at, &now, &len)) { /* unmapped, or moved over */
			done++;
			continue;
		}
		len >>= MEM_PAGE_SHIFT;
		what = store_peek(t->store, t->nr, at, n - done < len ? n - done : len, &some, &data);
		if (what == STORE_ABSENT) {
			*absent = true;
			break;
		}
		got = place_pages(t, now, some, data, yields);
		if (t->release)
			store_release(t->store, t->nr, at, got);
		done += got;
		if (got < some)
			break;
	}
	return t->over ? n : done;
}

/* Out of `left`, to be settled. Under lock. */
static void take_pages(struct lazytask *t, uint64_t start, uint64_t n)
{
	pagebits_remove(&t->left, start, n);
	t->in_hand += n;
}

/* The first `done` of them are settled. Under lock. */
static void settled(struct lazytask *t, uint64_t start, uint64_t n, uint64_t done)
{
	t->in_hand -= n;
	if (done < n)
		pagebits_add(&t->left, start + (done << MEM_PAGE_SHIFT), n - done);
}

/* Up to max of the hot pages that are still owed, each but once; 0: there are none.  Under lock. */
static uint64_t next_hot(struct lazytask *t, uint64_t max, uint64_t *start)
{
	while (t->hot_at < t->hot.n) {
		struct run *hot = &t->hot.v[t->hot_at];
		uint64_t n = hot->pages ? pagebits_next(&t->left, hot->start, max, start) : 0;
		uint64_t end;

		if (!n || *start >= run_end(hot)) {
			t->hot_at++;
			continue;
		}
		end = *start + (n << MEM_PAGE_SHIFT);
		end = end < run_end(hot) ? end : run_end(hot);
		*hot = (struct run){ end, (run_end(hot) - end) >> MEM_PAGE_SHIFT };
		return (end - *start) >> MEM_PAGE_SHIFT;
	}
	return 0;
}

/* Up to max that are owed around a page that was touched, the latest first and each but once: what lies together is often used
 * together.  0: there are none.  Under lock. */
static uint64_t next_near(struct lazytask *t, uint64_t max, uint64_t *start)
{
	while (t->nr_near) {
		uint64_t *at = &t->near[(t->near_at - 1) % LAZYTASK_NEAR], end = (*at | (AROUND - 1)) + 1;
		uint64_t n = pagebits_next(&t->left, *at, max, start);

		if (n && *start < end) {
			uint64_t left = (end - *start) >> MEM_PAGE_SHIFT;

			n = n < left ? n : left;
			*at = *start + (n << MEM_PAGE_SHIFT);
			if (*at < end)
				return n;
		} else {
			n = 0;
		}
		t->near_at--;
		t->nr_near--;
		if (n)
			return n;
	}
	return 0;
}

/* Under lock. */
static void note_near(struct lazytask *t, uint64_t then)
{
	t->near[t->near_at++ % LAZYTASK_NEAR] = then & ~(uint64_t)(AROUND - 1);
	t->nr_near += t->nr_near < LAZYTASK_NEAR;
}

/* Up to max that are owed behind the cursor, and then from the beginning; 0: nothing is.  Under lock. */
static uint64_t next_owed(struct lazytask *t, uint64_t max, uint64_t *start)
{
	uint64_t n = pagebits_next(&t->left, t->cursor, max, start);

	n = n ? n : pagebits_next(&t->left, 0, max, start);
	t->cursor = *start + (n << MEM_PAGE_SHIFT);
	return n;
}

long lazytask_fill(struct lazytask *t, uint64_t max)
{
	uint64_t start = 0, n = 0, done;
	bool absent;

	pthread_rwlock_rdlock(&t->events);
	pthread_mutex_lock(&t->lock);
	if (!t->over) {
		n = next_near(t, max, &start);
		n = n ? n : next_hot(t, max, &start);
		n = n ? n : next_owed(t, max, &start);
	}
	if (n)
		take_pages(t, start, n);
	pthread_mutex_unlock(&t->lock);
	done = n ? settle(t, start, n, true, &absent) : 0;
	pthread_mutex_lock(&t->lock);
	settled(t, start, n, done);
	pthread_mutex_unlock(&t->lock);
	pthread_rwlock_unlock(&t->events);
	if (done < n && !done && !absent)
		return -1;
	return (long)done;
}

/* Takes [start, start + n) as far as owed out of left and settles it; under `events`. */
static void settle_range(struct lazytask *t, uint64_t start, uint64_t n)
{
	uint64_t end = start + (n << MEM_PAGE_SHIFT);

	while (start < end && !t->over) {
		uint64_t span, done;
		bool absent;

		pthread_mutex_lock(&t->lock);
		span = pagebits_next(&t->left, start, (end - start) >> MEM_PAGE_SHIFT, &start);
		if (!span || start >= end) {
			pthread_mutex_unlock(&t->lock);
			return;
		}
		span = span < (end - start) >> MEM_PAGE_SHIFT ? span : (end - start) >> MEM_PAGE_SHIFT;
		take_pages(t, start, span);
		pthread_mutex_unlock(&t->lock);
		done = settle(t, start, span, false, &absent);
		pthread_mutex_lock(&t->lock);
		settled(t, start, span, done);
		pageset_remove(&t->wanted, start, done);
		pthread_mutex_unlock(&t->lock);
		if (done < span && !absent)
			return; /* events first; whoever waits will be served after them */
		start += (done + absent) << MEM_PAGE_SHIFT;
	}
}

/* The same; before the mappings are complete only what somebody waits for. */
static void settle_owed(struct lazytask *t, uint64_t start, uint64_t n)
{
	own_pageset struct pageset waiting = PAGESET_INIT;

	if (t->complete) {
		settle_range(t, start, n);
		return;
	}
	pageset_add(&waiting, start, n);
	pthread_mutex_lock(&t->lock);
	pageset_keep(&waiting, &t->wanted);
	pthread_mutex_unlock(&t->lock);
	for (size_t i = 0; i < waiting.n; i++)
		settle_range(t, waiting.v[i].start, waiting.v[i].pages);
}

void lazytask_arrived(struct lazytask *t, const struct run *v, size_t n)
{
	pthread_rwlock_rdlock(&t->events);
	for (size_t i = 0; i < n; i++)
		settle_owed(t, v[i].start, v[i].pages);
	pthread_rwlock_unlock(&t->events);
}

bool lazytask_close(struct lazytask *t)
{
	bool all;

	pthread_rwlock_wrlock(&t->events);
	pthread_mutex_lock(&t->lock);
	all = t->over || !t->left.pages;
	pthread_mutex_unlock(&t->lock);
	if (all) {
		t->over = true;
		close_fd(&t->uffd);
	}
	pthread_rwlock_unlock(&t->events);
	return all;
}

static void wake(struct lazytask *t, uint64_t now, uint64_t n)
{
	struct uffdio_range r = { now, n << MEM_PAGE_SHIFT };

	ioctl(t->uffd, UFFDIO_WAKE, &r);
}

void lazytask_dropped(struct lazytask *t, const struct run *v, size_t n)
{
	pthread_rwlock_rdlock(&t->events);
	pthread_mutex_lock(&t->lock);
	for (size_t i = 0; i < n; i++) {
		uint64_t now, len;

		pagebits_remove(&t->left, v[i].start, v[i].pages);
		pageset_remove(&t->wanted, v[i].start, v[i].pages);
		/* Whoever waits faults again and gets zeros. */
		if (place_now(t, v[i].start, &now, &len))
			wake(t, now, v[i].pages);
	}
	pthread_mutex_unlock(&t->lock);
	pthread_rwlock_unlock(&t->events);
}

/* ---- events ---- */

/* How many pages go with this fault: one, and more each time that it is where the last one's pages ended. Under lock. */
static uint64_t fault_window(struct lazytask *t, uint64_t then)
{
	/* During the restore the neighbours may not be mapped yet. */
	if (!t->complete || then != t->next_fault)
		t->window = 1;
	else
		t->window = 2 * t->window < AHEAD ? 2 * t->window : AHEAD;
	return t->window;
}

/* False: not now, events are pending again. */
static bool serve_fault(struct lazytask *t, uint64_t now, const struct lazytask_ops *ops)
{
	uint64_t then, span = 0, done;
	bool absent = false;

	pthread_mutex_lock(&t->lock);
	if (place_then(t, now, &then))
		span = pagebits_span(&t->left, then, AHEAD);
	if (span) {
		span = span < fault_window(t, then) ? span : t->window;
		t->next_fault = then + (span << MEM_PAGE_SHIFT);
		note_near(t, then);
		take_pages(t, then, span);
	}
	pthread_mutex_unlock(&t->lock);
	if (!span) { /* never had a page, or has it already */
		done = place_pages(t, now, 1, NULL, false);
		wake(t, now, 1);
		return done == 1;
	}
	done = settle(t, then, span, false, &absent);
	pthread_mutex_lock(&t->lock);
	settled(t, then, span, done);
	pageset_remove(&t->wanted, then, done);
	pthread_mutex_unlock(&t->lock);
	if (done) {
		wake(t, now, 1);
		return true;
	}
	if (!absent)
		return false;
	if (ops->want)
		ops->want(ops->arg, t, then);
	else
		log_warn("page %#llx of process %d is missing: it waits for ever",
			 (unsigned long long)then, (int)t->vpid);
	return true;
}

static void forked(struct lazytask *t, int uffd, const struct lazytask_ops *ops)
{
	static const struct pageset nothing = PAGESET_INIT;
	struct lazytask *child = lazytask_new(uffd, t->vpid, t->nr, t->store, &nothing);

	pthread_mutex_lock(&t->lock);
	pagebits_copy(&child->left, &t->left);
	pthread_mutex_unlock(&t->lock);
	free(child->places);
	child->places = xcalloc(t->nr_places + 1, sizeof(*child->places));
	memcpy(child->places, t->places, t->nr_places * sizeof(*child->places));
	child->nr_places = t->nr_places;
	/* Two now need the pages: they stay until the end. */
	t->release = false;
	child->complete = (bool)t->complete;
	ops->forked(ops->arg, child);
}

static void apply(struct lazytask *t, const struct uffd_msg *m, const struct lazytask_ops *ops)
{
	switch (m->event) {
	case UFFD_EVENT_FORK:
		forked(t, (int)m->arg.fork.ufd, ops);
		break;
	case UFFD_EVENT_REMAP: {
		uint64_t from = m->arg.remap.from, to = m->arg.remap.to, len = m->arg.remap.len;

		/* What was at the new place went without an event of its own, or with one. */
		forget(t, to, to + len);
		cut_places(t, to, to + len, NULL);
		cut_places(t, from, from + len, &to);
		break;
	}
	case UFFD_EVENT_REMOVE:
		forget(t, m->arg.remove.start, m->arg.remove.end);
		break;
	case UFFD_EVENT_UNMAP:
		forget(t, m->arg.remove.start, m->arg.remove.end);
		cut_places(t, m->arg.remove.start, m->arg.remove.end, NULL);
		break;
	default:
		log_warn("userfaultfd told of an unknown event %u", m->event);
	}
}

void lazytask_serve(struct lazytask *t, const struct lazytask_ops *ops)
{
	uint64_t pending[EVENTS];
	struct uffd_msg m[EVENTS];
	size_t n_pending = 0;

	t->waited_for = true;
	pthread_rwlock_wrlock(&t->events);
	t->waited_for = false;
	for (;;) {
		ssize_t n = t->over ? 0 : read(t->uffd, m, (EVENTS - n_pending) * sizeof(*m));
		size_t kept = 0, k = n > 0 ? (size_t)n / sizeof(*m) : 0;

		if (n < 0 && errno != EAGAIN && errno != EINTR)
			t->over = true;
		for (size_t i = 0; i < k; i++) {
			if (m[i].event != UFFD_EVENT_PAGEFAULT) {
				apply(t, &m[i], ops);
				continue;
			}
			t->faults++;
			pending[n_pending++] = m[i].arg.pagefault.address & ~(uint64_t)(MEM_PAGE - 1);
		}
		/* Faults after events: a copy is refused while one is pending. */
		for (size_t i = 0; i < n_pending; i++)
			if (!t->over && !serve_fault(t, pending[i], ops))
				pending[kept++] = pending[i];
		n_pending = kept;
		if (t->over || (!n_pending && k < EVENTS - n_pending))
			break;
		/* Refused, and its event is not here yet: the program is on its way into it.  It must
		 * get a CPU for that: no yield, this thread may be of real-time priority. */
		if (!k)
			nanosleep(&(struct timespec){ 0, REFUSED_NS }, NULL);
		/* Let them fault again: there are too many, or it will take its time. */
		if (n_pending == EVENTS || t->refused) {
			for (size_t i = 0; i < n_pending; i++)
				wake(t, pending[i], 1);
			n_pending = 0;
		}
		if (t->refused) {
			nanosleep(&(struct timespec){ 0, NO_MEMORY_NS }, NULL);
			break;
		}
	}
	pthread_rwlock_unlock(&t->events);
}
