/* SPDX-License-Identifier: MIT */
/*
 * move/follow.h - the source of an online move after the switch, when links broke or the first
 * pmigrate was killed: until the destination has all memory.
 *
 *	ASK commit ──▶ committed, its agent lives
 *	  lazy: agent --join ──▶ what it lacks, from the frozen container (mem/track/serve.h)
 *	ASK commit ──▶ done
 *
 * Needs nothing but the journal and the frozen container.  The container there waits for
 * pages meanwhile, as long as it takes.
 */
#ifndef MOVE_FOLLOW_H
#define MOVE_FOLLOW_H

#include "engine/engine.h"
#include "move/msg.h"
#include "wire/bucket.h"
#include "wire/link.h"

struct follow {
	const char *id;
	const struct where *where;
	const struct link_opts *link;
	struct bucket *limit;		/* or NULL */
	const struct ct_parts *parts;	/* lazy: the frozen container; else NULL */
	int timeout_ms;			/* without an answer */
};

/*
 * Asks until the answer is not `committed` (*out), connecting again and again.  -1: no answer for
 * timeout_ms, or (ERR_RECOVER) the destination cannot go on by itself; *out is the last answer.
 */
int follow_run(const struct follow *f, struct msg_asked *out, struct err *e);

#endif
