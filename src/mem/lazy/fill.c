// SPDX-License-Identifier: MIT
/* Filling restored tasks in the background, and the end of it all. */
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/epoll.h>
#include <time.h>

#include "base/clock.h"
#include "base/own.h"
#include "mem/lazy/priv.h"

/*
 * A filler holds the task's lock for one turn, and a fault waits for it.  While the container waits for pages itself, turns
 * are short and a filler rests four times as long as it worked: the CPU is the container's.
 */
enum {
	FILL = 64, /* pages a turn */
	FILL_SHORT = 8,
	CALM_NS = 2000000, /* after the last fault */
	REST_LEAST_NS = 20000,
	REST_MOST_NS = 2000000,
	HELD_MOST_NS = 200000000,
};

/*
 * Restored but held, nobody waits for pages: only what CPUs have left over is taken, for CRIU, the kernel's own threads and
 * the switch are what the downtime is made of.
 */
static void set_policy(struct lazy *l, int policy)
{
	const struct sched_param p = { .sched_priority = 0 };

	for (unsigned i = 0; i < l->nr_fillers; i++)
		pthread_setschedparam(l->fillers[i], policy, &p);
}

void lazy_fill_release(struct lazy *l)
{
	if (atomic_exchange(&l->held, false))
		set_policy(l, SCHED_OTHER);
}

static bool held_too_long(const struct lazy *l)
{
	return l->finished && clock_ns() - l->finished_ns > HELD_MOST_NS;
}

/*
 * For one turn no other program takes the CPU from a filler: it holds the task's lock, and a fault may come to wait for it.
 * False: not allowed here.
 */
static bool hurry(bool on)
{
	const struct sched_param p = { .sched_priority = on ? LAZY_FILL_PRIORITY : 0 };

	return sched_setscheduler(0, on ? SCHED_FIFO : SCHED_OTHER, &p) == 0;
}

/* Under lock. */
static bool all_filled(struct lazy *l)
{
	if (!l->finished)
		return false;
	for (size_t i = 0; i < l->nr_tasks; i++)
		if (lazytask_left(l->tasks[i]))
			return false;
	return true;
}

/* The n-th task from `at` on that is owed something. Under lock. */
static struct lazytask *next_task(struct lazy *l, size_t *at)
{
	for (size_t i = 0; i < l->nr_tasks; i++) {
		struct lazytask *t = l->tasks[(*at + i) % l->nr_tasks];

		if (lazytask_left(t)) {
			*at = (*at + i + 1) % l->nr_tasks;
			return t;
		}
	}
	return NULL;
}

void lazy_nap(struct lazy *l, long ns)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += ns;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	pthread_cond_timedwait(&l->change, &l->lock, &until);
}

struct lazytask **lazy_snapshot(struct lazy *l, size_t *n)
{
	struct lazytask **v;

	pthread_mutex_lock(&l->lock);
	v = xcalloc(l->nr_tasks + 1, sizeof(*v));
	memcpy(v, l->tasks, l->nr_tasks * sizeof(*v));
	*n = l->nr_tasks;
	pthread_mutex_unlock(&l->lock);
	return v;
}

/*
 * Nothing is owed by the lists.  But pages that another thread had taken may come back: it was refused
 * because of an event (a fork).  Without our lock: tasks' locks come before it.
 */
static bool finish(struct lazy *l)
{
	own_free struct lazytask **v = NULL;
	bool all = true;
	size_t n;

	v = lazy_snapshot(l, &n);
	for (size_t i = 0; i < n; i++) {
		/* First: a witness may hold the same descriptor, so that closing ours ends nothing. */
		epoll_ctl(l->epoll, EPOLL_CTL_DEL, v[i]->uffd, NULL);
		if (lazytask_close(v[i]))
			continue;
		lazy_watch(l, v[i]->uffd, v[i]);
		all = false;
	}
	pthread_mutex_lock(&l->lock);
	all &= l->nr_tasks == n; /* a child was born meanwhile, and is owed what its parent was */
	pthread_mutex_unlock(&l->lock);
	if (!all)
		return false;
	if (l->o.filled)
		l->o.filled(l->o.arg);
	/* Who attaches a link from now on tells by itself. */
	pthread_mutex_lock(&l->lock);
	l->all_here = true;
	pthread_mutex_unlock(&l->lock);
	lazy_tell_filled(l);
	pthread_mutex_lock(&l->lock);
	l->done = true;
	l->done_ns = clock_ns();
	pthread_cond_broadcast(&l->change);
	pthread_mutex_unlock(&l->lock);
	return true;
}

static long rest_ns(uint64_t began)
{
	uint64_t rest = 4 * (clock_ns() - began);

	if (rest < REST_LEAST_NS)
		return REST_LEAST_NS;
	return rest < REST_MOST_NS ? (long)rest : REST_MOST_NS;
}

static void *fill_main(void *arg)
{
	struct lazy *l = arg;
	size_t at = 0, idle = 0;
	bool may_hurry = true;

	prctl(PR_SET_TIMERSLACK, 1000UL);
	pthread_mutex_lock(&l->lock);
	while (!l->stop && !l->done) {
		struct lazytask *t = l->finished ? next_task(l, &at) : NULL;
		uint64_t began = clock_ns();
		bool calm = began - l->event_ns > CALM_NS, hurrying;
		long n = 0;

		if (held_too_long(l))
			lazy_fill_release(l);
		if (t) {
			pthread_mutex_unlock(&l->lock);
			hurrying = may_hurry && !l->held;
			if (hurrying)
				may_hurry = hurry(true);
			n = lazytask_fill(t, calm ? FILL : FILL_SHORT);
			if (hurrying)
				hurry(false);
			pthread_mutex_lock(&l->lock);
		} else if (all_filled(l) && !l->finishing) {
			l->finishing = true;
			pthread_mutex_unlock(&l->lock);
			lazy_fill_release(l);
			if (finish(l))
				return NULL;
			pthread_mutex_lock(&l->lock);
			l->finishing = false;
			continue;
		}
		idle = n > 0 ? 0 : idle + 1;
		/* Nothing of it is here yet, or events come first. */
		if (!t)
			lazy_nap(l, 100 * 1000000);
		else if (idle > l->nr_tasks)
			lazy_nap(l, 500000);
		else if (!calm)
			lazy_nap(l, rest_ns(began));
	}
	pthread_mutex_unlock(&l->lock);
	return NULL;
}

void lazy_fill_begin(struct lazy *l, unsigned want)
{
	want = want < LAZY_MAX_FILLERS ? want : LAZY_MAX_FILLERS;
	while (l->nr_fillers < want && pthread_create(&l->fillers[l->nr_fillers], NULL, fill_main, l) == 0)
		l->nr_fillers++;
	l->held = true;
	set_policy(l, SCHED_IDLE);
}
