/* SPDX-License-Identifier: MIT */
/*
 * net/traffic/closed.h - TCP connections that their program has closed while the other end had not
 * acknowledged all of it: FIN-WAIT-1, CLOSING, LAST-ACK.  They belong to no process, so no dump sees them;
 * without them whoever downloads gets what is cut short, and a reset.
 *
 *	closed_take   the source, frozen and cut off: what is still to be sent is read out of the kernel
 *	closed_make   the destination (or the source, when the move comes to nothing): the same connections
 *
 * No descriptor leads to such a socket.  So the kernel is asked as its other end would ask it: a SYN in a connection that
 * exists is answered with the current numbers (RFC 5961, 4), and what is acknowledged makes it send the rest.  The
 * acknowledged bytes are ours then; a reset ends the connection here.  At the other place it is made in repair mode
 * (TCP_REPAIR) and closed again.
 *
 * Left behind: FIN-WAIT-2 and TIME-WAIT.  Everything was said and acknowledged there; the other end's own farewell is
 * answered by a reset, which its program does not see.
 */
#ifndef NET_TRAFFIC_CLOSED_H
#define NET_TRAFFIC_CLOSED_H

#include "base/buf.h"
#include "base/err.h"
#include "base/strv.h"
#include "net/traffic/tcpseg.h"

struct closed_conn {
	int family;		  /* AF_INET, AF_INET6 */
	struct tcp_end here, peer;
	uint32_t snd_una, rcv_nxt;
	uint32_t snd_wnd, rcv_wnd; /* scaled */
	uint32_t sent;		   /* of the bytes, not acknowledged */
	uint32_t tsval;
	uint16_t mss;
	uint8_t snd_wscale, rcv_wscale;
	bool scales, sacks, stamps;
	struct buf data;	   /* all that is not acknowledged */
};

struct closed {
	struct closed_conn *v; /* owned */
	size_t n;
	struct strv lost;      /* "1234 bytes to 10.0.0.1 port 80": could not be read */
};

#define CLOSED_INIT { .v = NULL }
#define own_closed __attribute__((cleanup(closed_fini)))
void closed_fini(struct closed *c);

enum { CLOSED_MAX = 256 << 20 }; /* bytes of all of them */

/*
 * Those of the namespace (a file), which are no more in it.  Takes 0.2 ms where there are none, else some milliseconds for
 * each MiB; at most two seconds.  With -1 nothing was touched.
 */
int closed_take(const char *netns, struct closed *c, struct err *e);
/* *refused: how many the kernel refused. */
int closed_make(const char *netns, const struct closed *c, size_t *refused, struct err *e);

/* Ends those of a network that is about to be removed: while they try to reach somebody, its interfaces cannot go. */
void closed_end(const char *netns);

void closed_put(struct buf *b, const struct closed *c);
/* ERR_PROTO; *c is CLOSED_INIT then. */
int closed_get(struct reader *r, struct closed *c, struct err *e);

#endif
