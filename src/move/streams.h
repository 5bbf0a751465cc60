/* SPDX-License-Identifier: MIT */
/*
 * move/streams.h - more than one connection for the data (--streams).
 *
 *	source                              destination
 *	STREAMS n ─────────────────────────▶ agent: listens on a socket of its own
 *	ssh … pmigrate agent --join ID ────▶ joiner: hands its stdin and stdout over
 *	(n - 1 times)                            to the agent, and waits for its end
 *	PASS … n streams ══════════════════▶ agent: takes those that joined
 *
 * The socket is in a root-only directory and named after the migration.
 */
#ifndef MOVE_STREAMS_H
#define MOVE_STREAMS_H

#include "base/err.h"
#include "base/spawn.h"
#include "plan/job.h"
#include "wire/peer.h"

enum { STREAMS_MAX = JOB_STREAMS_MAX + 1 /* an online move: memory's own */ };

/* The extra streams of one end; the first is the control link's own peer. */
struct streams {
	struct peer *peer[STREAMS_MAX]; /* [0] is borrowed, the others owned */
	unsigned n;
	struct child child[STREAMS_MAX]; /* source: the ssh of [i] */
	int joiner[STREAMS_MAX];	 /* agent: closing it ends the joiner of [i] */
	int listener;			 /* agent; -1 */
	char *path;
};

/* One stream: the control link. */
void streams_init(struct streams *s, struct peer *control);
void streams_fini(struct streams *s);

/* Source: opens n - 1 further connections to the agent of migration `id`, which
 * answered STREAMS.  `limit` is shared by all. */
int streams_open(struct streams *s, unsigned n, const char *id, const struct job *job,
		 struct bucket *limit, struct err *e);

/* Agent: from now on joiners of `id` may come. */
int streams_listen(struct streams *s, const char *id, struct err *e);
/* Agent: waits until there are n in all. */
int streams_accept(struct streams *s, unsigned n, struct err *e);

/* Agent: has another one joined (within timeout_ms)?  It takes the place of [i], which is freed. */
bool streams_waiting(struct streams *s, int timeout_ms);
int streams_replace(struct streams *s, unsigned i, struct err *e);

/* Source: one further connection to the agent of migration `id`.  The child is its ssh. */
int stream_dial(struct child *c, struct peer **p, const char *id, const struct where *w,
		const struct link_opts *lo, struct bucket *limit, struct err *e);

/* `pmigrate agent --join ID`: the joiner; the exit code. */
int streams_join_main(const char *id);

#endif
