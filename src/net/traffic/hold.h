/* SPDX-License-Identifier: MIT */
/*
 * net/traffic/hold.h - packets for a container that is between two servers wait here instead of
 * being lost: a lost request costs its client a retransmission timeout, 200 ms at least.
 *
 *	hold_open     before the freeze: a tun device that nobody uses
 *	hold_begin    the container is cut off: routes to its addresses lead into the tun, whose
 *	              queue (500 packets) nobody reads
 *	hold_let_out  it runs on for a moment: what it says may leave it all the same
 *	hold_release  the addresses are somewhere else (or here again): what waited is given back to the
 *	              kernel, which sends it there
 *
 * Only for routed addresses; for others it does nothing.  Needs no thread.
 */
#ifndef NET_TRAFFIC_HOLD_H
#define NET_TRAFFIC_HOLD_H

#include <stdbool.h>

#include "base/err.h"
#include "base/strv.h"

struct hold {
	int tun;       /* -1: none */
	int dev;       /* its index */
	struct strv addresses;
	struct strv ways;	 /* the devices that led to them */
	struct strv was;	 /* while it is let out: how strict each was */
	bool begun;
};

#define HOLD_INIT { .tun = -1 }

/* Without /dev/net/tun, or the rights: -1 and e; the caller goes on without. */
int hold_open(struct hold *h, const struct strv *addresses, struct err *e);
int hold_begin(struct hold *h, struct err *e);
/* A device does not let through what comes from an address that is elsewhere (rp_filter): on for a moment, and
 * off again.  Where the server has that for all its devices, replies are lost. */
void hold_let_out(struct hold *h, bool on);
/* elsewhere: our routes are removed first; else somebody else has replaced them.  Returns
 * how many packets had waited. */
unsigned hold_release(struct hold *h, bool elsewhere);
/* Forgets what waits.  Fine for a HOLD_INIT one. */
void hold_close(struct hold *h);

#endif
