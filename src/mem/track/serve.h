/* SPDX-License-Identifier: MIT */
/*
 * mem/track/serve.h - the source's page server of a lazy migration: the frozen
 * container's memory stays here until the destination has said FILLED.
 *
 * Works after track_final(lazy).  Wanted pages go out before pushed ones, and do
 * not wait for the rate limit.  Each page is pushed once; after a broken link the destination says what it
 * lacks, to this process or to another one: the pages live as long as the frozen container does.
 */
#ifndef MEM_TRACK_SERVE_H
#define MEM_TRACK_SERVE_H

#include "base/err.h"
#include "mem/track/track.h"
#include "wire/peer.h"

struct serve;

struct serve_stats {
	uint64_t wanted, pushed; /* pages */
	uint64_t left;
};

/* The track must stay open and the container frozen until serve_free. */
int serve_new(struct serve **out, struct track *t, struct err *e);
void serve_free(struct serve *s);

/*
 * Serves over this stream, blocking, until FILLED (0) or the link is lost (-1: call again
 * serve_resume with a new one; the container stays frozen and the pages stay here).
 */
int serve_run(struct serve *s, struct peer *p, struct err *e);

/*
 * The same over a new link, from nothing but the frozen processes of the container (`init`, `cgroup` as
 * for track_open): the other end tells what it lacks.  Blocks until it has.  1: it has everything
 * (*out is NULL).  Then serve_run.  The serve is of no use for another link.
 */
int serve_resume(struct serve **out, pid_t init, const char *cgroup, struct peer *p, struct err *e);

struct serve_stats serve_stats(struct serve *s);

#endif
