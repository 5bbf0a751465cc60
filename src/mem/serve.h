/* SPDX-License-Identifier: MIT */
/*
 * mem/serve.h - the source's page server of a lazy migration: the frozen
 * container's memory stays here until the destination has said FILLED.
 *
 * Works after track_final(lazy).  Wanted pages go out before pushed ones, and do
 * not wait for the rate limit.  Each page is pushed once; what was lost with a
 * broken link is pushed again over the next one.
 */
#ifndef MEM_SERVE_H
#define MEM_SERVE_H

#include "base/err.h"
#include "mem/track.h"
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
 * with a new one; the container stays frozen and the pages stay here).
 */
int serve_run(struct serve *s, struct peer *p, struct err *e);

struct serve_stats serve_stats(struct serve *s);

#endif
