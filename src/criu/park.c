// SPDX-License-Identifier: MIT
#include "criu/park.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/own.h"

enum {
	AGAIN_NS = 2000000, /* less than a grace period */
	AT_MOST_MS = 5000,  /* a freeze that is so late need not be that quick; and we are not alone here */
};

struct park {
	char *procs; /* the cgroup's file */
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t change;
	pid_t criu; /* 0: not yet */
	bool stop, started;
	int ret;
	struct err err;
};

/* Under the lock. */
static void nap(struct park *p, uint64_t deadline)
{
	struct timespec until;

	if (clock_left_ms(deadline) == 0) {
		pthread_cond_wait(&p->change, &p->lock);
		return;
	}
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += AGAIN_NS;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	pthread_cond_timedwait(&p->change, &p->lock, &until);
}

static void *park_main(void *arg)
{
	struct park *p = arg;
	own_free char *us = xasprintf("%d", (int)getpid());
	uint64_t deadline = clock_deadline(AT_MOST_MS);
	own_free char *criu = NULL;

	pthread_mutex_lock(&p->lock);
	while (!p->criu && !p->stop) {
		pthread_mutex_unlock(&p->lock);
		file_poke(AT_FDCWD, p->procs, us, NULL);
		pthread_mutex_lock(&p->lock);
		if (!p->criu && !p->stop)
			nap(p, deadline);
	}
	if (p->criu)
		criu = xasprintf("%d", (int)p->criu);
	pthread_mutex_unlock(&p->lock);
	if (criu)
		p->ret = file_poke(AT_FDCWD, p->procs, criu, &p->err);
	return NULL;
}

int park_start(struct park **out, const char *dir, struct err *e)
{
	struct park *p = xcalloc(1, sizeof(*p));
	pthread_condattr_t monotonic;

	p->procs = xasprintf("%s/cgroup.procs", dir);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&p->change, &monotonic);
	pthread_condattr_destroy(&monotonic);
	pthread_mutex_init(&p->lock, NULL);
	*out = p;
	p->started = pthread_create(&p->thread, NULL, park_main, p) == 0;
	return p->started ? 0 : err_set(e, ERR_SYS, "cannot start a thread");
}

void park_go(struct park *p, pid_t criu)
{
	pthread_mutex_lock(&p->lock);
	p->criu = criu;
	pthread_cond_signal(&p->change);
	pthread_mutex_unlock(&p->lock);
}

int park_wait(struct park *p, struct err *e)
{
	if (p->started)
		pthread_join(p->thread, NULL);
	p->started = false;
	if (p->ret < 0 && e)
		*e = p->err;
	return p->ret;
}

void park_free(struct park *p)
{
	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	p->stop = true;
	pthread_cond_signal(&p->change);
	pthread_mutex_unlock(&p->lock);
	park_wait(p, NULL);
	pthread_mutex_destroy(&p->lock);
	pthread_cond_destroy(&p->change);
	free(p->procs);
	free(p);
}
