/* SPDX-License-Identifier: MIT */
/*
 * move/move.h - the engine's front door: what pmigrate/ calls.
 */
#ifndef MOVE_MOVE_H
#define MOVE_MOVE_H

#include <stdbool.h>

#include "base/err.h"
#include "commit/decide.h"
#include "plan/event.h"
#include "plan/job.h"

/*
 * Carries out one job whose source is this server, from connection to end, and
 * tells `ev` everything (it ends with event_finish).  0: the container is there
 * (or, for --dry-run, could go).  -1: *e is the reason; it was undone unless
 * e->code is ERR_RECOVER.  Blocks for as long as it takes; cancel_install first,
 * and call it before any other thread runs.
 */
int move_run(const struct job *job, struct events *ev, struct err *e);

/*
 * Finishes or undoes what a crash or a dead link left in between: migration `id`,
 * or all of this server (NULL).  WORD_NONE: the journals decide, by commit/decide.h;
 * WORD_COMMIT or WORD_UNDO: the administrator does, where the other end is lost for good.  `say` gets one line per decision (may be NULL).
 * -1 when something is still undecided.
 */
int recover_run(const char *id, enum word word, void (*say)(void *arg, const char *line),
		void *arg, struct err *e);

/* One line a migration of either role: running ones with their progress, unfinished
 * ones with what to do; with `all` the finished ones too.  json: one object a line.  *open: how many are neither over nor
 * running, or cannot be read. */
int status_run(bool all, bool json, void (*say)(void *arg, const char *line), void *arg, size_t *open,
	       struct err *e);

#endif
