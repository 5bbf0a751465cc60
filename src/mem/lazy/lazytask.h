/* SPDX-License-Identifier: MIT */
/*
 * mem/lazy/lazytask.h - one restored address space that gets its pages through a
 * userfaultfd: what is still owed to it, and where that lies by now.
 *
 *	left	pages owed, by their address at the source (that is where the store has them)
 *	places	where these addresses are now: one identity until the program mremaps
 *
 * Rules against old data in new places:
 *  - Events (fork, mremap, munmap, madvise) are read and applied under the lock, exclusively; pages
 *    are copied under it, shared, and taken out of `left` in the same hold.  So no copy runs
 *    while an event is known but not applied.  Between the event and its read the kernel
 *    itself refuses copies (EAGAIN).
 *  - A page that is not owed and faults is zero.
 */
#ifndef MEM_LAZY_LAZYTASK_H
#define MEM_LAZY_LAZYTASK_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "mem/pageset.h"
#include "mem/store/pagebits.h"
#include "mem/store/store.h"

struct place {
	uint64_t now, then, len;
};

enum { LAZYTASK_NEAR = 64 };

struct lazytask {
	int uffd;
	pid_t vpid;
	uint32_t nr;		 /* its object in the store */
	struct store *store;	 /* borrowed */
	_Atomic bool release;	 /* nobody else needs these pages of the store */
	_Atomic bool complete;	 /* all its mappings are in place: a page without one is gone */
	pthread_rwlock_t events; /* see above */
	_Atomic bool waited_for; /* who reads events waits for those who copy */
	pthread_mutex_t lock;	 /* left to window */
	struct pagebits left;
	uint64_t in_hand;	 /* pages taken out of `left` that may have to go back */
	uint64_t cursor;
	struct pageset hot; /* filled first; begins at run hot_at */
	size_t hot_at;
	uint64_t near[LAZYTASK_NEAR]; /* a ring of what is around the latest faults: from where on */
	unsigned near_at, nr_near;
	uint64_t next_fault, window; /* where the pages of the last fault ended, and how many they were */
	struct place *places;
	size_t nr_places;
	_Atomic bool over; /* its address space ended */
	/* The kernel cannot place its pages just now (no memory).  They stay owed, for without them the program would read
	 * zeros. */
	_Atomic bool refused;
	_Atomic uint64_t told_ns; /* of it, last */
	_Atomic uint64_t faults, copied, zeros;
	struct pageset wanted; /* remote: asked for and not here; under lock */
};

/* Takes the descriptor. `left`: what it is owed. */
struct lazytask *lazytask_new(int uffd, pid_t vpid, uint32_t nr, struct store *s,
			      const struct pageset *left);
void lazytask_free(struct lazytask *t);

/* Somebody who is told what happens while events are read. */
struct lazytask_ops {
	/* The task forked: this one is yours.  It has what its parent is owed. */
	void (*forked)(void *arg, struct lazytask *child);
	/* Remote only (else NULL): these pages are needed and not in the store. */
	void (*want)(void *arg, struct lazytask *t, uint64_t then);
	void *arg;
};

/* Reads and serves all that is there.  Never blocks on the program. */
void lazytask_serve(struct lazytask *t, const struct lazytask_ops *ops);

/* Fills up to `max` pages of what is owed and in the store; returns how many are settled: 0: none
 * left that is here, -1: not now (events are pending). */
long lazytask_fill(struct lazytask *t, uint64_t max);

/* Pages that just arrived in the store: fills those owed at once. */
void lazytask_arrived(struct lazytask *t, const struct run *v, size_t n);
/* The source has no such pages (any more): they are zero, or not mapped. */
void lazytask_dropped(struct lazytask *t, const struct run *v, size_t n);

/* Gives the mappings back to the kernel alone: what has no page from now on is zero.  False: it is still
 * owed some, that were on their way when the caller looked. */
bool lazytask_close(struct lazytask *t);

/* Pages that it is owed, those that are being placed included: 0 means that nothing comes any more. */
uint64_t lazytask_left(struct lazytask *t);

/* Adds what it is owed, by addresses at the source, to *out: none is on its way meanwhile. */
void lazytask_owed(struct lazytask *t, struct pageset *out);

#endif
