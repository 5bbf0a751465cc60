/* SPDX-License-Identifier: MIT */
/*
 * net/traffic/backlog.h - what waits to be taken by programs, and cannot be saved by CRIU, in one
 * network namespace: a TCP connection that is not yet accepted, a unix connection of which that is
 * true and on which something was already said or whose client has closed it, a netlink message.
 *
 * A server under load has some at most instants, for a moment each.  So whoever has frozen a
 * container looks, and lets it run on for a moment when there are some.
 */
#ifndef NET_TRAFFIC_BACKLOG_H
#define NET_TRAFFIC_BACKLOG_H

#include <stdbool.h>

#include "base/err.h"

struct backlog {
	int sk;	     /* sock_diag(7), of that namespace */
	int netlink; /* its list of netlink sockets */
	bool no_udp; /* this kernel does not tell of UDP sockets */
};

#define BACKLOG_INIT { .sk = -1, .netlink = -1 }

/* netns: a file such as /run/netns/NAME or /proc/PID/ns/net. */
int backlog_open(struct backlog *b, const char *netns, struct err *e);
void backlog_close(struct backlog *b);

/* How many there are (or sockets that have some); -1 with e.  *what (may be NULL): one of them,
 * such as "a connection that nobody accepts".  Takes 0.1 ms and does not block. */
int backlog_count(struct backlog *b, const char **what, struct err *e);

/* How many UDP sockets have datagrams that nobody has read yet: CRIU saves those sockets, without them.  As above;
 * 0 where the kernel does not tell. */
int backlog_unread(struct backlog *b, struct err *e);

#endif
