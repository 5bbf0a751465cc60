// SPDX-License-Identifier: MIT
#include "commit/decide.h"

#define WAIT   DECIDE_WAIT
#define FOLLOW DECIDE_FOLLOW
#define UNDO   DECIDE_UNDO
#define RETIRE DECIDE_RETIRE

static const enum decision table[2][3][ANSWER_UNDONE + 1] = {
	/* Not committed: the destination was never told to run it.  A person may have told it all the same. */
	{			/* silent none    active ready  committed stuck done    undone */
	  [WORD_NONE]	 = { UNDO,  UNDO,   UNDO,  UNDO,  WAIT,	    WAIT,  RETIRE, UNDO },
	  [WORD_UNDO]	 = { UNDO,  UNDO,   UNDO,  UNDO,  WAIT,	    WAIT,  RETIRE, UNDO },
	  [WORD_COMMIT]	 = { WAIT,  WAIT,   WAIT,  WAIT,  WAIT,	    WAIT,  RETIRE, WAIT } },
	/* Committed: only the destination knows. */
	{ [WORD_NONE]	 = { WAIT,  WAIT,   WAIT,  WAIT,  FOLLOW,   WAIT,  RETIRE, UNDO },
	  [WORD_UNDO]	 = { WAIT,  UNDO,   WAIT,  WAIT,  WAIT,	    WAIT,  WAIT,   UNDO },
	  [WORD_COMMIT]	 = { WAIT,  RETIRE, WAIT,  WAIT,  FOLLOW,   WAIT,  RETIRE, UNDO } },
};

enum answer answer_of(enum journal_state there, const struct err *why)
{
	switch (there) {
	case JOURNAL_NONE:
		return ANSWER_NONE;
	case JOURNAL_ACTIVE:
		return ANSWER_ACTIVE;
	case JOURNAL_READY:
		return ANSWER_READY;
	case JOURNAL_COMMITTED:
		return why->code == ERR_NONE ? ANSWER_COMMITTED : ANSWER_STUCK;
	case JOURNAL_DONE:
		return ANSWER_DONE;
	case JOURNAL_UNDONE:
		return ANSWER_UNDONE;
	}
	return ANSWER_NONE;
}

enum decision decide(bool committed, enum answer a, enum word w)
{
	return table[committed][w][a];
}
