/* SPDX-License-Identifier: MIT */
/*
 * net/netlink.h - the few netlink requests that containers' networks need, without
 * starting a program: at the switch every millisecond is downtime.
 *
 * A struct nl is a socket in one network namespace (that of the caller when it was
 * opened, or a named one).  Requests are small: built in a fixed buffer, one at a time,
 * each waits for its acknowledgement.  See rtnetlink(7) and linux/rtnetlink.h.
 */
#ifndef NET_NETLINK_H
#define NET_NETLINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/netlink.h>

#include "base/err.h"

struct nl {
	int fd;
	int protocol;
	uint32_t seq;
};

#define NL_INIT { .fd = -1 }
#define own_nl __attribute__((cleanup(nl_close)))

/* ns_fd: an open network namespace, or -1 for ours.  The second is for another protocol than
 * NETLINK_ROUTE; groups: of its multicast groups, as a mask. */
int nl_open(struct nl *nl, int ns_fd, struct err *e);
int nl_open_other(struct nl *nl, int ns_fd, int protocol, uint32_t groups, struct err *e);
void nl_close(struct nl *nl);

/* A request under construction. */
struct nl_msg {
	union {
		struct nlmsghdr head;
		uint8_t bytes[2048];
	};
};

/* Begins a request with its fixed part (ifinfomsg, rtmsg, …). */
void nl_begin(struct nl_msg *m, uint16_t type, uint16_t flags, const void *fixed, size_t len);
void nl_put(struct nl_msg *m, uint16_t type, const void *data, size_t len);
void nl_put_u32(struct nl_msg *m, uint16_t type, uint32_t v);
void nl_put_u8(struct nl_msg *m, uint16_t type, uint8_t v);
void nl_put_text(struct nl_msg *m, uint16_t type, const char *s); /* with its NUL */
/* A nested attribute: begin gives the place that end needs. */
size_t nl_nest(struct nl_msg *m, uint16_t type);
void nl_nest_end(struct nl_msg *m, size_t at);

/* Sends it and waits for the acknowledgement: 0, or -1 with errno what the kernel said.
 * reply (may be NULL): the first message that came before the acknowledgement. */
int nl_do(struct nl *nl, struct nl_msg *m, struct nl_msg *reply);

/*
 * Asks for a list (NLM_F_DUMP is added) and gives every message of it to fn, which returns 0 to go
 * on.  Asked again when the list changed meanwhile: fn is told by a NULL that it begins anew.
 * 0, or -1 with errno, also fn's -1: then the socket is of no more use.
 */
typedef int nl_each_fn(void *arg, const struct nlmsghdr *h);
int nl_dump(struct nl *nl, struct nl_msg *m, nl_each_fn *fn, void *arg);
/* What has come by itself (multicast) is given to fn; never waits.  -1 with ENOBUFS: some of
 * it was lost. */
int nl_drain(struct nl *nl, nl_each_fn *fn, void *arg);

/* The payload of attribute `type` among those that begin `skip` bytes behind the header;
 * NULL when there is none with at least `min` bytes. */
const void *nl_find(const struct nl_msg *m, size_t skip, uint16_t type, size_t min);

/* Runs fn in a network namespace, on this thread, and comes back. */
int netns_call(int ns_fd, int (*fn)(void *arg), void *arg, struct err *e);

/* A named namespace: /run/netns/NAME, as `ip netns` keeps them.  Making one that is there
 * already is ERR_EXISTS; removing one that is not is fine. */
int netns_make(const char *file, struct err *e);
int netns_remove(const char *file, struct err *e);

#endif
