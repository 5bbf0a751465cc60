/* SPDX-License-Identifier: MIT */
/*
 * move/local.h - a local move: the same server, another id, name or place.
 *
 * Nothing is copied when the new place lies on the same file system: the
 * private area is renamed.  The journal is a source's with "local yes" and the
 * new home beside the old one.
 */
#ifndef MOVE_LOCAL_H
#define MOVE_LOCAL_H

#include "base/err.h"
#include "commit/origin.h"
#include "plan/event.h"
#include "plan/job.h"

/* The whole move; the caller tells begin and finish. */
int local_run(const struct job *job, struct events *ev, struct err *e);

/* Is this the journal of a local move? */
bool local_is(const struct journal *j);
/* After a crash: not committed is undone, committed is finished.  The lock of the old
 * id is the caller's already (origin_resume). */
int local_recover(struct origin *o, struct err *e);

#endif
