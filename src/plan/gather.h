/* SPDX-License-Identifier: MIT */
/*
 * plan/gather.h - looks at this server and fills need and facts.  The only
 * part of plan/ that is not pure; changes nothing, may take seconds (it walks
 * the private area).
 */
#ifndef PLAN_GATHER_H
#define PLAN_GATHER_H

#include "engine/engine.h"
#include "plan/facts.h"
#include "plan/job.h"
#include "plan/need.h"

/*
 * Source.  What `ct` needs.  `d` is its engine's description as it stands here.
 * *out is the caller's (need_fini), also after a failure.
 */
int need_gather(const struct job *j, const struct ct *ct, const struct ct_desc *d,
		enum ct_state state, struct need *out, struct err *e);

/*
 * Either end.  What this server offers.  Destination: `n` and `d` (with the
 * wishes of the job put in) are what the source sent, and the home is planned
 * with the engine.  Source: d NULL.  A thing that cannot be measured is left
 * empty and said in the log; only what makes every answer wrong fails.
 */
int facts_gather(const struct need *n, const struct ct_desc *d, struct facts *out,
		 struct err *e);

#endif
