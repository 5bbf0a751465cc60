/* SPDX-License-Identifier: MIT */
/*
 * commit/origin.h - what a migration does to the source's own copy, and how it
 * is taken back or made final.
 *
 * The mirror of commit/dest.h: written to the journal before it is done, undone
 * and finished from the journal alone, idempotent.
 */
#ifndef COMMIT_ORIGIN_H
#define COMMIT_ORIGIN_H

#include <stdbool.h>

#include "commit/journal.h"
#include "engine/engine.h"
#include "plan/job.h"

struct origin {
	struct journal *journal; /* owned */
	const struct engine_ops *ops;
	struct ct ct;
	int lock_fd;
};

#define ORIGIN_INIT { .lock_fd = -1 }
void origin_fini(struct origin *o); /* lets go; undoes nothing */

/* Begins: journal with everything that recover needs, sticky lock (not for a
 * --readonly job).  `remove`: what becomes of the copy in the end. */
int origin_begin(struct origin *o, const char *id, const struct engine_ops *ops,
		 const struct ct *ct, const struct job *job, bool remove, struct err *e);

/* Takes over an unfinished one.  ERR_LOCKED when its process lives. */
int origin_resume(struct origin *o, const char *id, struct err *e);

/* Where its agent is, and how to get there: from the journal; the caller's. */
int origin_destination(const struct origin *o, struct where *w, struct link_opts *lo,
		       struct err *e);

/* Stops the running container. */
int origin_stop(struct origin *o, struct err *e);
/* Online: it is about to be frozen and cut off; origin_restart is its undo, too. */
int origin_freeze(struct origin *o, bool lazy, struct err *e);
/* Does its memory follow after the switch?  Then the frozen copy is needed until it is all there. */
bool origin_is_lazy(const struct origin *o);
/* The engine will move it, running, by its own means; origin_restart is its undo, too. */
int origin_leave(struct origin *o, struct err *e);
/* Online, committed: ends the frozen copy. */
int origin_end(struct origin *o, struct err *e);
/* Starts it again if origin_stop stopped it (or may have). */
int origin_restart(struct origin *o, struct err *e);

/* From here on our copy never runs again, unless the destination refuses. */
int origin_commit(struct origin *o, struct err *e);

/* Puts the container back as it was; state undone. */
int origin_undo(struct origin *o, struct err *e);

/* The destination has it: renames or removes our copy; state done. */
int origin_retire(struct origin *o, struct err *e);

#endif
