/* SPDX-License-Identifier: MIT */
/*
 * net/traffic/flows.h - tracked connections (conntrack) that travel with a container: those that its
 * host's packet filter knows, and those of its own.  Without them a filter that lets only known
 * connections pass would break every one that survived the move.
 *
 *	flows_open    listens for new ones from now on (before the first take)
 *	flows_take    those that exist, of these addresses
 *	flows_news    those that have come since; microseconds, for the frozen window
 *	flows_apply   makes them known in another namespace
 *
 * Where nothing tracks connections all of it costs nothing.  A connection that is translated to
 * an address of this host cannot move: it is counted and left out.
 * linux/netfilter/nfnetlink_conntrack.h
 */
#ifndef NET_TRAFFIC_FLOWS_H
#define NET_TRAFFIC_FLOWS_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/strv.h"
#include "net/netlink.h"

struct flows {
	int ns_fd;		/* -1: the host's own namespace; owned */
	struct strv addresses;	/* of the container */
	bool all;		/* whatever the addresses */
	struct strv here;	/* addresses of the host itself */
	struct nl events;
	bool used;		/* something tracks connections there */
	size_t translated;	/* left out */
};

#define FLOWS_INIT { .ns_fd = -1, .events = NL_INIT }

/* netns: a file, or NULL for the host's own; addresses NULL: all that are tracked in it (none in the list: none). */
int flows_open(struct flows *f, const char *netns, const struct strv *addresses, struct err *e);
void flows_close(struct flows *f);

/* Both add messages to *out; what flows_apply takes. */
int flows_take(struct flows *f, struct buf *out, struct err *e);
int flows_news(struct flows *f, struct buf *out, struct err *e);

/* Best effort: flows that the kernel refuses are counted in *refused. */
int flows_apply(const char *netns, const void *data, size_t n, size_t *refused, struct err *e);

#endif
