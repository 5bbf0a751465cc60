// SPDX-License-Identifier: MIT
#include "tree/pool.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <unistd.h>

#include "base/own.h"
#include "tree/meta.h"

enum { MAX_THREADS = 32 };

struct thread {
	struct pool *pool;
	pthread_t id;
	unsigned number;
};

struct pool {
	struct pool_ops ops;
	void *arg;
	struct thread thread[MAX_THREADS];
	unsigned n_threads;

	pthread_mutex_t lock; /* all below */
	pthread_cond_t more, room, idle;
	void **item; /* a ring of `max` */
	unsigned max, at, n, busy;
	bool stop;
	_Atomic bool failed;
	struct err why;
};

static void fail(struct pool *p, const struct err *why)
{
	const uint64_t one = 1;

	pthread_mutex_lock(&p->lock);
	if (!p->failed) {
		p->why = *why;
		p->failed = true;
	}
	pthread_cond_broadcast(&p->room);
	pthread_mutex_unlock(&p->lock);
	if (p->ops.wake_fd >= 0 && write(p->ops.wake_fd, &one, sizeof(one)) < 0)
		return; /* it is set already */
}

/* The next item, or NULL to end. */
static void *next(struct pool *p)
{
	void *item = NULL;

	pthread_mutex_lock(&p->lock);
	while (!p->n && !p->stop)
		pthread_cond_wait(&p->more, &p->lock);
	if (p->n) {
		item = p->item[p->at];
		p->at = (p->at + 1) % p->max;
		p->n--;
		p->busy++;
		pthread_cond_signal(&p->room);
	}
	pthread_mutex_unlock(&p->lock);
	return item;
}

static void done(struct pool *p)
{
	pthread_mutex_lock(&p->lock);
	if (--p->busy == 0 && p->n == 0)
		pthread_cond_broadcast(&p->idle);
	pthread_mutex_unlock(&p->lock);
}

static void *thread_main(void *arg)
{
	struct thread *t = arg;
	struct pool *p = t->pool;
	struct err e = ERR_INIT;
	void *item;

	if (meta_own_cwd(&e) < 0)
		fail(p, &e);
	while ((item = next(p))) {
		if (p->failed || p->stop)
			p->ops.drop(item);
		else if (p->ops.work(p->arg, t->number, item, &e) < 0)
			fail(p, &e);
		done(p);
	}
	return NULL;
}

int pool_new(struct pool **out, const struct pool_ops *ops, void *arg, unsigned n_threads,
	     unsigned queue_max, struct err *e)
{
	struct pool *p = xcalloc(1, sizeof(*p));

	p->ops = *ops;
	p->arg = arg;
	p->max = queue_max;
	p->item = xcalloc(queue_max, sizeof(*p->item));
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->more, NULL);
	pthread_cond_init(&p->room, NULL);
	pthread_cond_init(&p->idle, NULL);
	if (n_threads > MAX_THREADS)
		n_threads = MAX_THREADS;
	for (; p->n_threads < n_threads; p->n_threads++) {
		struct thread *t = &p->thread[p->n_threads];

		*t = (struct thread){ .pool = p, .number = p->n_threads };
		errno = pthread_create(&t->id, NULL, thread_main, t);
		if (errno) {
			err_sys(e, "cannot start a thread");
			pool_free(p);
			return -1;
		}
	}
	*out = p;
	return 0;
}

void pool_free(struct pool *p)
{
	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	p->stop = true;
	pthread_cond_broadcast(&p->more);
	pthread_mutex_unlock(&p->lock);
	for (unsigned i = 0; i < p->n_threads; i++)
		pthread_join(p->thread[i].id, NULL);
	pthread_cond_destroy(&p->more);
	pthread_cond_destroy(&p->room);
	pthread_cond_destroy(&p->idle);
	pthread_mutex_destroy(&p->lock);
	free(p->item);
	free(p);
}

int pool_push(struct pool *p, void *item, struct err *e)
{
	bool taken = false;

	pthread_mutex_lock(&p->lock);
	while (p->n == p->max && !p->failed)
		pthread_cond_wait(&p->room, &p->lock);
	if (!p->failed) {
		p->item[(p->at + p->n++) % p->max] = item;
		taken = true;
		pthread_cond_signal(&p->more);
	}
	pthread_mutex_unlock(&p->lock);
	if (taken)
		return 0;
	p->ops.drop(item);
	if (e)
		*e = p->why;
	return -1;
}

int pool_drain(struct pool *p, struct err *e)
{
	pthread_mutex_lock(&p->lock);
	while (p->n || p->busy)
		pthread_cond_wait(&p->idle, &p->lock);
	pthread_mutex_unlock(&p->lock);
	if (!p->failed)
		return 0;
	if (e)
		*e = p->why;
	return -1;
}

bool pool_failed(struct pool *p)
{
	return p->failed;
}
