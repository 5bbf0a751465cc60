/* SPDX-License-Identifier: MIT */
/*
 * move/recover.h - finishing or undoing what a crash left in between.
 *
 * The source's journal decides: not committed means undo, committed means that
 * the destination shall let it run.  A destination alone undoes what never
 * became ready, finishes what was committed, and keeps the rest held.
 */
#ifndef MOVE_RECOVER_H
#define MOVE_RECOVER_H

#include <stdbool.h>

#include "base/err.h"
#include "plan/event.h"
#include "plan/job.h"

/*
 * Before a new migration: an unfinished one of the same container is decided
 * first.  *settled: it turned out to have been completed, and there is nothing
 * left to move.
 */
int recover_earlier(const struct job *job, struct events *ev, bool *settled, struct err *e);

#endif
