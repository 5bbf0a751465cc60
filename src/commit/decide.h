/* SPDX-License-Identifier: MIT */
/*
 * commit/decide.h - who may run the container after something died: the one table.
 *
 * Asked by the command whose link broke at the switch, by its guard, and by `pmigrate recover`.  Pure: our journal's state,
 * what the destination answered and what a person said go in, what to do with our copy comes out.
 *
 * The destination had a journal before the source could commit.  So a destination that knows nothing of a committed migration
 * has lost its journal (reinstalled, rolled back, pruned, another machine at this address): whether it runs the container
 * is not known, and only a person can say.
 */
#ifndef COMMIT_DECIDE_H
#define COMMIT_DECIDE_H

#include <stdbool.h>

#include "base/err.h"
#include "commit/journal.h"

enum answer {
	ANSWER_SILENT,	  /* none came */
	ANSWER_NONE,	  /* it knows nothing of this migration */
	ANSWER_ACTIVE,	  /* not ready, and could not be undone */
	ANSWER_READY,	  /* complete and held */
	ANSWER_COMMITTED, /* it starts it, or brings its memory: nobody else is needed */
	ANSWER_STUCK,	  /* committed, and cannot go on by itself */
	ANSWER_DONE,	  /* it has the container */
	ANSWER_UNDONE,	  /* it has given it up, durably */
};

/* What a person says with `pmigrate recover` on the source: nothing, --undo, --commit. */
enum word { WORD_NONE, WORD_UNDO, WORD_COMMIT };

enum decision {
	DECIDE_WAIT,   /* undecided: neither copy is touched */
	DECIDE_FOLLOW, /* ask again, and bring what it lacks */
	DECIDE_UNDO,   /* ours runs again */
	DECIDE_RETIRE, /* the destination has it: ours is put away */
};

/* Of what was answered; `why`: what went wrong there, or ERR_NONE. */
enum answer answer_of(enum journal_state there, const struct err *why);

/* `committed`: our journal says so.  A migration that has ended is none of its business. */
enum decision decide(bool committed, enum answer a, enum word w);

#endif
