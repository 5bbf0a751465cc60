/* SPDX-License-Identifier: MIT */
/*
 * net/traffic/silence.h - nothing comes in by some interfaces of a network namespace, while a container is between two servers.
 *
 *	lo, inside	its TCP sockets are saved and restored one after the other; one that spoke before its other end is
 *			there would be reset, and one that heard something after its other end was saved would have lost it
 *	on the server	what a container's kernel still says, though its processes are frozen, must not reach a client: the
 *			copy at the destination would not know of it (IPv6 has no rp_filter)
 *
 * TCP says again what is lost meanwhile.  Segments with CRIU's own mark pass: it sends farewells that way (soccr/soccr.c),
 * and so does net/traffic/closed.h.
 *
 * It is a packet filter that belongs to its netlink socket (NFT_TABLE_F_OWNER): gone with the process that made it.
 */
#ifndef NET_TRAFFIC_SILENCE_H
#define NET_TRAFFIC_SILENCE_H

#include "base/err.h"
#include "base/strv.h"
#include "net/netlink.h"

struct silence {
	struct nl nl;
};

#define SILENCE_INIT { .nl = NL_INIT }

enum { SILENCE_PASS_MARK = 0xc114 };

/* netns: a file, or NULL for ours.  One that is not there is left out, and what is beyond 16.  About a millisecond.
 * -1 where the kernel has no nftables of 5.12 or newer. */
int silence_begin(struct silence *s, const char *netns, const struct strv *interfaces, struct err *e);
/* Fine for a SILENCE_INIT one. */
void silence_end(struct silence *s);

#endif
