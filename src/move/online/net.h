/* SPDX-License-Identifier: MIT */
/*
 * move/online/net.h - the container's own network state and its tracked connections in an
 * online move (net/state/netstate.h, net/traffic/flows.h).
 *
 * The source takes all of it while the container runs (step live-arm) and listens from then on;
 * in the frozen window it says only what has changed, which is nothing as a rule.  Both times
 * as LIVE_NET frames, pieces of one text:
 *
 *	u8 has_state, [netstate], bytes flows of the host, bytes flows of the container
 */
#ifndef MOVE_ONLINE_NET_H
#define MOVE_ONLINE_NET_H

#include <pthread.h>
#include <stdbool.h>

#include "engine/engine.h"
#include "net/state/netstate.h"
#include "net/traffic/closed.h"
#include "net/traffic/flows.h"
#include "net/traffic/silence.h"
#include "plan/check.h"
#include "wire/frame.h"
#include "wire/peer.h"

struct online_net {
	struct netwatch watch;
	struct flows host, inside;
	struct buf news;		 /* what has changed until the freeze: has_state, netstate */
	struct silence lo, uplink;	 /* no packets while it is saved */
	struct closed closed;		 /* connections that no process has any more */
	pthread_t closed_thread;
	bool closed_begun, closed_taken; /* the thread runs; they are here, not in the kernel */
	struct err closed_err;
};

#define ONLINE_NET_INIT \
	{ .watch = NETWATCH_INIT, .host = FLOWS_INIT, .inside = FLOWS_INIT, .lo = SILENCE_INIT, .uplink = SILENCE_INIT }
void online_net_close(struct online_net *n);

struct source;

/* Preflight: what of the network cannot move. */
void online_net_check(const struct source *s, const struct ct_parts *parts,
		      struct findings *found);
/* Everything, and applied there when it returns. */
int online_net_send(struct source *s, struct err *e);
/* Shortly before the freeze: what has changed since, so that it need not be read and made so in it. */
int online_net_refresh(struct source *s, struct err *e);
/* Frozen and cut off: looks for changes, silences it, and begins to take its closed connections. */
int online_net_quiet(struct source *s, struct err *e);
/* It will run on here: all as it was.  Fine when nothing was done. */
void online_net_undo(struct source *s);
/* Restored there, held: the closed connections follow. */
int online_net_send_closed(struct source *s, struct err *e);
/* Frozen: what is new; not waited for. */
int online_net_send_news(struct source *s, struct err *e);

/* Destination: one frame; after the last piece all of it is made so in that namespace.
 * *asked: the source waits for an answer. */
int online_net_take(struct buf *text, const struct frame *f, const char *netns, bool *asked,
		    struct err *e);

/* Destination, frozen: no packets inside until its processes are all there. */
void online_net_silence(struct silence *lo, const char *netns);
/* LIVE_CLOSED, one frame of it: as above.  *refused: how many could not be made. */
int online_net_take_closed(struct buf *text, const struct frame *f, const char *netns, size_t *refused, bool *asked,
			   struct err *e);

#endif
