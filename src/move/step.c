// SPDX-License-Identifier: MIT
#include "move/step.h"

#include <assert.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"

bool steps_valid(const struct step *list)
{
	unsigned commits = 0;

	for (const struct step *s = list; s->name; s++) {
		if (s->kind == STEP_COMMIT)
			commits++;
		if (!s->run || (s->kind == STEP_REVERSIBLE && commits) ||
		    (s->kind == STEP_AFTER && !commits) ||
		    (s->kind != STEP_REVERSIBLE && s->undo))
			return false;
	}
	return commits == 1;
}

static int run_one(const struct step *s, const struct step_hooks *hooks, void *ctx,
		   struct err *e)
{
	uint64_t begun = clock_ns();

	/* The last moment is just before the commit. */
	if (s->kind != STEP_AFTER && cancel_requested())
		return cancel_err(e);
	if (s->kind == STEP_COMMIT)
		cancel_allow(false);
	log_debug("step %s", s->name);
	if (hooks->begin)
		hooks->begin(ctx, s);
	if (fault_point(hooks->end, s->name, "", e) < 0 || s->run(ctx, e) < 0)
		return -1;
	/* What was done is done, whatever a fault says now: an AFTER fault. */
	if (fault_point(hooks->end, s->name, ".done", e) < 0 && s->kind == STEP_REVERSIBLE)
		return -1;
	if (hooks->done)
		hooks->done(ctx, s, clock_ns() - begun);
	return 0;
}

static void undo_from(const struct step *list, const struct step *last, void *ctx)
{
	cancel_allow(false);
	for (const struct step *s = last; s >= list; s--) {
		if (!s->undo || (s->wanted && !s->wanted(ctx)))
			continue;
		log_debug("undo %s", s->name);
		s->undo(ctx);
	}
}

static enum step_outcome run_all(const struct step *list, const struct step_hooks *hooks, void *ctx,
			    struct err *e)
{
	const struct step *s;
	bool failed = false;

	assert(steps_valid(list));
	for (s = list; s->name; s++) {
		if (s->wanted && !s->wanted(ctx))
			continue;
		if (s->kind == STEP_AFTER) {
			struct err after = ERR_INIT;

			/* All of them are tried; the first failure is told. */
			if (run_one(s, hooks, ctx, &after) < 0 && !failed) {
				failed = true;
				*e = after;
			}
			continue;
		}
		if (run_one(s, hooks, ctx, e) == 0)
			continue;
		if (s->kind == STEP_COMMIT && e->code == ERR_RECOVER)
			return STEPS_COMMITTED;
		/* Whatever the signal broke on its way is not what failed. */
		if (cancel_requested() && e->code != ERR_CANCELLED) {
			log_info("%s", e->msg);
			cancel_err(e);
		}
		undo_from(list, s, ctx);
		return STEPS_UNDONE;
	}
	return failed ? STEPS_COMMITTED : STEPS_DONE;
}

enum step_outcome steps_run(const struct step *list, const struct step_hooks *hooks, void *ctx,
			    struct err *e)
{
	enum step_outcome outcome = run_all(list, hooks, ctx, e);

	cancel_allow_pause(true); /* who stopped or froze the container had it switched off */
	return outcome;
}
