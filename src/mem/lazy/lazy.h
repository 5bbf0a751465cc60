/* SPDX-License-Identifier: MIT */
/*
 * mem/lazy/lazy.h - the destination's userfaultfd server: gives restored tasks
 * their pages, from the store, and in lazy migration over the link.
 *
 * Speaks CRIU's lazy-pages protocol (criu/uffd.c) as the server on the unix
 * stream socket "lazy-pages.socket" in the restore's work directory:
 *
 *	CRIU -> i32 vpid, then one byte with the uffd in SCM_RIGHTS
 *	        (negative vpid: a zombie, no uffd)
 *	CRIU -> u32 0x52535446: restore is finished
 *
 * Faults come from the first moment, and are served at once; the rest is filled in
 * the background, held or running.  A range ends being ours when its last page is
 * there: then it is unregistered, and when nothing is left the descriptor closed.
 */
#ifndef MEM_LAZY_LAZY_H
#define MEM_LAZY_LAZY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "mem/store/store.h"
#include "wire/peer.h"

struct lazy;

struct lazy_opts {
	struct store *store; /* borrowed */
	int workdir;	     /* directory descriptor; borrowed during lazy_start only */
	unsigned threads;    /* background fillers; 0: the CPUs, at most 4 */
	bool remote;	     /* pages may still be at the source: lazy migration */

	/* For a witness of our death, both or none: each userfaultfd, before its task may run;
	 * and that no task needs one any more. */
	void (*met)(void *arg, int uffd);
	void (*filled)(void *arg);
	void *arg;
};

struct lazy_stats {
	unsigned tasks;		/* descriptors served, forks included */
	uint64_t faults;	/* answered */
	uint64_t copied, zeros; /* pages */
	uint64_t wanted;	/* pages asked of the source for a fault */
	uint64_t left;		/* pages still to fill */
	uint64_t first_ns, done_ns; /* of clock_ns: first task, everything filled; or 0 */
};

/* Listens and starts its threads: before the restore, best before the freeze.  For each
 * space the pages to fill are what its PRESENT list names at the moment its task
 * connects. */
int lazy_start(struct lazy **out, const struct lazy_opts *o, struct err *e);

/* Narrows what a task gets from us to these pages (what the images say is lazy).
 * Before its restore; without it: all present pages in anonymous mappings. */
int lazy_only(struct lazy *l, pid_t vpid, const struct pageset *pages, struct err *e);

/* CRIU has restored all pages itself and does not call: nothing is to be filled. */
void lazy_unused(struct lazy *l);

/* Remote only: the stream to the source, from now on read by lazy's own thread.
 * Borrowed until lazy_detach or lazy_free.  May be called again with a new one after the
 * link was lost: the source (serve_resume) is told all that is still owed.  On failure the link is
 * lost again. */
int lazy_attach(struct lazy *l, struct peer *source, struct err *e);

/* After lazy_wait told that the link is lost (or all is filled and the other end has closed
 * it): waits for the reading thread; then the peer is the caller's again. */
void lazy_detach(struct lazy *l);

/* Blocks until the link is lost (returns -1 with its error; attach another), or everything
 * is filled (0), or timeout_ms passed (1; -1: no limit). */
int lazy_wait(struct lazy *l, int timeout_ms, struct err *e);

struct lazy_stats lazy_stats(struct lazy *l);

/* Ends the threads.  Only after lazy_wait said 0, or when the restored tasks are to be
 * killed: unfilled pages would stop their tasks for ever.  An attached peer is stopped (peer_stop).  NULL is fine. */
void lazy_free(struct lazy *l);

#endif
