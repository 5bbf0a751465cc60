/* SPDX-License-Identifier: MIT */
/*
 * commit/dest.h - what a migration does to the destination, and how it is taken
 * back or made final.
 *
 * Everything is written to the journal before it is done, and undo and commit
 * read only the journal: the agent that did it, the agent that is asked about
 * it after a crash, and `pmigrate recover` take the same path.  All are
 * idempotent.
 */
#ifndef COMMIT_DEST_H
#define COMMIT_DEST_H

#include <stdbool.h>
#include <stdint.h>

#include "commit/journal.h"
#include "engine/engine.h"

struct dest {
	struct journal *journal; /* owned */
	const struct engine_ops *ops;
	struct ct home;
	int lock_fd;
	bool held; /* by dest_make of this process */
};

#define DEST_INIT { .lock_fd = -1 }
void dest_fini(struct dest *d); /* lets go of journal and lock; undoes nothing */

/* Begins: journal and sticky lock.  On failure nothing was done. */
int dest_begin(struct dest *d, const char *id, const struct engine_ops *ops,
	       const struct ct *home, const char *source, bool keep, struct err *e);

/* Takes over an unfinished one from its journal (recover, ASK).  A process that still
 * works on it is ended first. */
int dest_resume(struct dest *d, const char *id, struct err *e);

/* The private area: a kept one of an earlier try is taken up again (*resumed), else it
 * is made. */
int dest_area(struct dest *d, bool *resumed, struct err *e);

/* Bytes of a kept area of this container, 0 when there is none. */
uint64_t dest_kept_bytes(const struct engine_ops *ops, const struct ct *home);

/* Registers it; holds it when `run`; then state ready. */
int dest_adopt(struct dest *d, const struct ct_desc *desc, struct err *e);
int dest_hold(struct dest *d, bool run, struct err *e);
/* The two halves of dest_hold, for who puts restored processes in its place between. */
int dest_make(struct dest *d, bool run, struct err *e);
int dest_ready(struct dest *d, struct err *e);

/* A machine of an engine that moves running ones itself will come; then state ready.  `sockets`
 * is where its ways end; it goes when this is over. */
int dest_expect(struct dest *d, const struct ct_desc *desc, const char *sockets, struct err *e);

/* Lets it run when it was held, state done.  On failure it was undone, and is
 * durably so: the source may run its copy again.  But ERR_RECOVER: nothing was decided.
 * Online, by the agent that restored it: state committed until dest_filled. */
int dest_commit(struct dest *d, struct err *e);

/* Online: all its memory is in place, so that it needs nobody any more. */
int dest_filled(struct dest *d, struct err *e);

/* Online, committed, and its agent died before that: it may have run, but is no more whole.  Somebody
 * must choose: dest_undo, or dest_start_anew. */
bool dest_lacks_memory(const struct dest *d);
int dest_start_anew(struct dest *d, struct err *e);

/* Puts everything back, state undone.  Must not be called once committed, unless dest_lacks_memory. */
int dest_undo(struct dest *d, struct err *e);

#endif
