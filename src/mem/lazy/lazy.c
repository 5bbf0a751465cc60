// SPDX-License-Identifier: MIT
#include "mem/lazy/lazy.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/own.h"
#include "mem/lazy/priv.h"

static unsigned default_fillers(void)
{
	cpu_set_t set;
	int n = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;

	return n < LAZY_MAX_FILLERS ? (unsigned)n : LAZY_MAX_FILLERS;
}

int lazy_start(struct lazy **out, const struct lazy_opts *o, struct err *e)
{
	struct lazy *l = xcalloc(1, sizeof(*l));
	unsigned want = o->threads ? o->threads : default_fillers();

	l->o = *o;
	l->dirfd = l->listener = l->conn = l->epoll = l->stopper = -1;
	pthread_mutex_init(&l->lock, NULL);
	pthread_mutex_init(&l->sending, NULL);
	pthread_cond_init(&l->change, NULL);
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	l->stopper = eventfd(0, EFD_CLOEXEC);
	if (lazy_listen(l, o->workdir, e) < 0)
		goto fail;
	lazy_watch(l, l->listener, &l->listener);
	lazy_watch(l, l->stopper, &l->stopper);
	errno = pthread_create(&l->events, NULL, lazy_events_main, l);
	if (errno) {
		err_sys(e, "cannot start the thread that serves page faults");
		goto fail;
	}
	l->has_events = true;
	lazy_fill_begin(l, want);
	if (l->nr_fillers) {
		*out = l;
		return 0;
	}
	err_set(e, ERR_SYS, "cannot start a thread that fills memory");
fail:
	lazy_free(l);
	return -1;
}

int lazy_only(struct lazy *l, pid_t vpid, const struct pageset *pages, struct err *e)
{
	struct narrow one = { vpid, PAGESET_INIT };

	(void)e;
	pageset_add_set(&one.pages, pages);
	pthread_mutex_lock(&l->lock);
	l->narrow = xrealloc(l->narrow, (l->nr_narrow + 1) * sizeof(*l->narrow));
	l->narrow[l->nr_narrow++] = one;
	pthread_mutex_unlock(&l->lock);
	return 0;
}

int lazy_wait(struct lazy *l, int timeout_ms, struct err *e)
{
	uint64_t deadline = clock_deadline(timeout_ms);
	int ret = 0;

	pthread_mutex_lock(&l->lock);
	while (!l->done) {
		if (l->broken) {
			ret = err_set(e, ERR_CHILD, "CRIU ended before the restore was finished");
			break;
		}
		if (l->link_lost) {
			if (e)
				*e = l->why;
			ret = -1;
			break;
		}
		if (deadline && clock_ns() >= deadline) {
			ret = 1;
			break;
		}
		lazy_nap(l, 20 * 1000000);
	}
	pthread_mutex_unlock(&l->lock);
	return ret;
}

struct lazy_stats lazy_stats(struct lazy *l)
{
	struct lazy_stats s = { 0 };

	pthread_mutex_lock(&l->lock);
	s.tasks = (unsigned)l->nr_tasks;
	for (size_t i = 0; i < l->nr_tasks; i++) {
		s.faults += l->tasks[i]->faults;
		s.copied += l->tasks[i]->copied;
		s.zeros += l->tasks[i]->zeros;
		s.left += lazytask_left(l->tasks[i]);
	}
	s.wanted = l->wanted;
	s.first_ns = l->first_ns;
	s.done_ns = l->done_ns;
	pthread_mutex_unlock(&l->lock);
	return s;
}

void lazy_free(struct lazy *l)
{
	uint64_t one = 1;

	if (!l)
		return;
	pthread_mutex_lock(&l->lock);
	l->stop = true;
	pthread_cond_broadcast(&l->change);
	pthread_mutex_unlock(&l->lock);
	for (unsigned i = 0; i < l->nr_fillers; i++)
		pthread_join(l->fillers[i], NULL);
	if (l->has_events && write(l->stopper, &one, sizeof(one)) == sizeof(one))
		pthread_join(l->events, NULL);
	if (l->peer) /* its reader would wait for a source that has no more to say */
		peer_stop(l->peer);
	lazy_detach(l);
	for (size_t i = 0; i < l->nr_tasks; i++)
		lazytask_free(l->tasks[i]);
	for (size_t i = 0; i < l->nr_narrow; i++)
		pageset_fini(&l->narrow[i].pages);
	if (l->listener >= 0)
		unlinkat(l->dirfd, "lazy-pages.socket", 0);
	close_fd(&l->conn);
	close_fd(&l->listener);
	close_fd(&l->epoll);
	close_fd(&l->stopper);
	close_fd(&l->dirfd);
	free(l->tasks);
	free(l->narrow);
	pthread_mutex_destroy(&l->lock);
	pthread_mutex_destroy(&l->sending);
	pthread_cond_destroy(&l->change);
	free(l);
}
