/* SPDX-License-Identifier: MIT */
/*
 * move/online_net.h - the container's own network state and its tracked connections in an
 * online move (host/netstate.h, host/flows.h).
 *
 * The source takes all of it while the container runs (step live-arm) and listens from then on;
 * in the frozen window it says only what has changed, which is nothing as a rule.  Both times
 * as LIVE_NET frames, pieces of one text:
 *
 *	u8 has_state, [netstate], bytes flows of the host, bytes flows of the container
 */
#ifndef MOVE_ONLINE_NET_H
#define MOVE_ONLINE_NET_H

#include "host/flows.h"
#include "host/netstate.h"
#include "engine/engine.h"
#include "plan/check.h"
#include "wire/frame.h"
#include "wire/peer.h"

struct online_net {
	struct netwatch watch;
	struct flows host, inside;
};

#define ONLINE_NET_INIT \
	{ .watch = NETWATCH_INIT, .host = FLOWS_INIT, .inside = FLOWS_INIT }
void online_net_close(struct online_net *n);

struct source;

/* Preflight: what of the network cannot move. */
void online_net_check(const struct source *s, const struct ct_parts *parts,
		      struct findings *found);
/* Everything, and applied there when it returns. */
int online_net_send(struct source *s, struct err *e);
/* Frozen: what is new; not waited for. */
int online_net_send_news(struct source *s, struct err *e);

/* Destination: one frame; after the last piece all of it is made so in that namespace.
 * *asked: the source waits for an answer. */
int online_net_take(struct buf *text, const struct frame *f, const char *netns, bool *asked,
		    struct err *e);

#endif
