/* SPDX-License-Identifier: MIT */
/*
 * net/uplink.h - the host's own interfaces, seen from routed containers: which of them
 * answers ARP and ND for an address, and the settings that make the host forward.
 */
#ifndef NET_UPLINK_H
#define NET_UPLINK_H

#include "base/strv.h"
#include "net/ip.h"
#include "net/netlink.h"

enum { UPLINK_MAX = 16 };

struct uplink_set {
	int dev[UPLINK_MAX];
	uint8_t mac[UPLINK_MAX][6];
	size_t n;
};

/* The interfaces named, or, when none is: those that have an address in the same network;
 * when none has: that of the default route.  May be none. */
void uplink_of(struct nl *nl, const struct strv *named, const struct ip *ip, struct uplink_set *out);

/* Forwarding on; on every uplink immediate answers for others' addresses.  An interface
 * that learns its own address from router advertisements goes on doing so. */
int uplink_prepare(const struct strv *named, struct err *e);
/* Could it?  Changes nothing. */
int uplink_may_forward(struct err *e);

/* Both directions of a veth pair at most that fast, by `tc`; one log line when it cannot. */
void rate_shape(int ns_fd, const char *host_dev, const char *inside_dev, uint64_t rate_bps);

#endif
