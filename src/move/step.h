/* SPDX-License-Identifier: MIT */
/*
 * move/step.h - a migration as data: a list of steps, each with its undo.
 *
 *	REVERSIBLE … REVERSIBLE  COMMIT  AFTER … AFTER
 *	<── any failure undoes in ──┘  └── a failure is reported, nothing is
 *	    reverse order		    undone: `pmigrate recover` finishes
 *
 * A step's `do` runs at most once; its `undo` runs when `do` was begun, even
 * when it failed half way: undo must cope with nothing to undo.
 */
#ifndef MOVE_STEP_H
#define MOVE_STEP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum step_kind { STEP_REVERSIBLE, STEP_COMMIT, STEP_AFTER };

struct step {
	const char *name;  /* the fault point and the log's word */
	int phase;	   /* of the plan's phases: what the user sees it as */
	enum step_kind kind;
	/* NULL: always.  Its answer must not change while the list runs. */
	bool (*wanted)(const void *ctx);
	int (*run)(void *ctx, struct err *e);
	/* NULL: nothing to undo.  Failures inside undo are logged and do not stop it. */
	void (*undo)(void *ctx);
};

struct step_hooks {
	const char *end; /* "source": for fault points */
	void (*begin)(void *ctx, const struct step *s);
	void (*done)(void *ctx, const struct step *s, uint64_t took_ns);
};

enum step_outcome {
	STEPS_DONE,	 /* all of them */
	STEPS_UNDONE,	 /* failed before COMMIT and was put back */
	STEPS_COMMITTED, /* failed after COMMIT: the other side has it */
};

/*
 * Runs the list (its last element has name NULL).  On failure *e tells the first
 * reason.  The COMMIT step itself reports by its return: 0 committed; -1 with
 * *e set: was refused, everything is undone; a COMMIT whose fate is unknown
 * sets code ERR_RECOVER and nothing is undone (STEPS_COMMITTED).
 */
enum step_outcome steps_run(const struct step *list, const struct step_hooks *hooks, void *ctx,
			    struct err *e);

/* Does the list have exactly one COMMIT, reversible ones before, AFTER ones behind? */
bool steps_valid(const struct step *list);

#endif
