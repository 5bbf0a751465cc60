/* SPDX-License-Identifier: MIT */
/*
 * mem/lazy/priv.h - what the parts of the userfaultfd server share; nobody else's.
 *
 *	lazy_criu   CRIU's socket: tasks come; their events and faults are served
 *	lazy_fill   the background: whatever is owed and here
 *	lazy_link   the source of a lazy migration: pages wanted, pages that come
 *	lazy        start, end, waiting
 *
 * Locks: a task's before ours.
 */
#ifndef MEM_LAZY_PRIV_H
#define MEM_LAZY_PRIV_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "mem/lazy/lazy.h"
#include "mem/lazy/lazytask.h"
#include "mem/pageset.h"
#include "wire/peer.h"

enum {
	LAZY_MAX_FILLERS = 4,
	/* Of real-time scheduling: fillers, while they hold a task, and whoever answers faults. */
	LAZY_FILL_PRIORITY = 1,
	LAZY_FAULT_PRIORITY = 2,
};

/* What the images say is lazy, for one pid. */
struct narrow {
	pid_t vpid;
	struct pageset pages;
};

struct lazy {
	struct lazy_opts o;
	int dirfd; /* of the work directory */
	int listener, conn, epoll, stopper;
	pthread_t events, fillers[LAZY_MAX_FILLERS], reader;
	unsigned nr_fillers;
	bool has_events, has_reader;

	pthread_mutex_t lock; /* all below */
	pthread_cond_t change;
	struct lazytask **tasks;
	size_t nr_tasks;
	struct narrow *narrow;
	size_t nr_narrow;
	bool finished; /* CRIU said so */
	bool broken;   /* CRIU went away without saying so */
	bool stop, finishing, all_here, done;
	pthread_mutex_t sending; /* held while something is sent to the source; before lock */
	struct peer *peer;	 /* remote: attached */
	bool attached_before;
	bool told; /* that all is here, over this link; under `sending` */
	bool link_lost;
	struct err why;
	uint64_t first_ns, finished_ns, done_ns;
	_Atomic uint64_t wanted;
	_Atomic uint64_t event_ns; /* when a task last asked for something */
	atomic_bool held;	   /* restored, not let run */
};

/* lazy_criu.c.  Opens the socket; the thread that serves it and all tasks. */
int lazy_listen(struct lazy *l, int workdir, struct err *e);
void lazy_watch(struct lazy *l, int fd, void *what);
void *lazy_events_main(void *arg);

/* lazy_fill.c: starts up to `want` fillers; l->nr_fillers tells how many.  They take only idle CPUs until
 * lazy_fill_release, which never blocks: somebody waits for pages. */
void lazy_fill_begin(struct lazy *l, unsigned want);
void lazy_fill_release(struct lazy *l);
/* Waits for a change, at most so long; under the lock. */
void lazy_nap(struct lazy *l, long ns);
/* The tasks of this moment; they live until lazy_free.  The array is the caller's. */
struct lazytask **lazy_snapshot(struct lazy *l, size_t *n);

/* lazy_link.c: asks the source for a page. */
void lazy_want(void *arg, struct lazytask *t, uint64_t then);
/* Tells it that everything is here, once a link. */
void lazy_tell_filled(struct lazy *l);

#endif
