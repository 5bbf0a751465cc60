/* SPDX-License-Identifier: MIT */
/*
 * net/state/netroutes.h - the addresses, routes and routing rules of a network namespace as plain
 * data: read in one, made so in another.
 *
 * An item is the kernel's own message (ifaddrmsg, rtmsg or fib_rule_hdr and attributes, see
 * rtnetlink(7)) without what differs between two servers: interfaces are positions in
 * `names`, states and time stamps are left out.  So equal items are equal bytes.  What the kernel
 * makes by itself (local and connected routes) is not listed.
 */
#ifndef NET_STATE_NETROUTES_H
#define NET_STATE_NETROUTES_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/strv.h"

enum netroute_kind { NETROUTE_ADDRESS = 1, NETROUTE_ROUTE, NETROUTE_RULE };

struct netroute_item {
	uint8_t kind;
	uint8_t *data; /* owned */
	size_t len;
};

struct netroutes {
	struct strv names; /* interfaces */
	struct netroute_item *v; /* owned */
	size_t n;
};

#define NETROUTES_INIT { .names = STRV_INIT }
#define own_netroutes __attribute__((cleanup(netroutes_fini)))
void netroutes_fini(struct netroutes *r);

/* All of the namespace (open descriptor).  With names: in terms of these; else of its own
 * interfaces, all of them. */
int netroutes_read(struct netroutes *out, int ns_fd, const struct strv *names, struct err *e);

/* Makes the namespace so: takes away what is not wanted, adds what is missing.  An interface that
 * it has not is ERR_UNSUPPORTED. */
int netroutes_apply(const struct netroutes *want, int ns_fd, struct err *e);

/* For the wire: pure; get caps all sizes and leaves *out empty on failure. */
void netroutes_put(struct buf *b, const struct netroutes *r);
int netroutes_get(struct reader *r, struct netroutes *out, struct err *e);

#endif
