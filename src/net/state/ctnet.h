/* SPDX-License-Identifier: MIT */
/*
 * net/state/ctnet.h - the network of one container: a named network namespace and its
 * interfaces, made closed, opened and closed in an instant.
 *
 *   routed ("venet")                          bridged
 *
 *   container   venet0  address/32            container   eth0  address/24
 *                  │    default via 169.254.1.1 or fe80::1      │
 *   host        host_name                     host        host_name
 *                  │  route address dev host_name               │ port of the bridge
 *               uplink: answers ARP/ND for the address        bridge ── uplink
 *
 * "Closed" means: nobody outside can reach an address, and nothing that the container
 * sends leaves it.  Routed: the host has no route to the address (or a blackhole, which
 * also makes rp_filter drop what comes from it), and answers no ARP for it.  Bridged:
 * the port is disabled.  The interfaces stay up and all neighbour entries are fixed or
 * kept, so opening needs no carrier, no ARP and no duplicate detection.
 *
 * The gateway's MAC is the same on every server and the container's follows from its
 * namespace's name or its config: a container that moved finds the neighbours it knew.
 */
#ifndef NET_STATE_CTNET_H
#define NET_STATE_CTNET_H

#include <net/if.h>

#include "base/strv.h"
#include "net/ip.h"

struct ctnet_if {
	char name[IFNAMSIZ];	  /* in the container */
	char host_name[IFNAMSIZ]; /* here */
	char bridge[IFNAMSIZ];	  /* "": routed */
	uint8_t mac[6];		  /* of the container's end */
	struct ip *addr;	  /* owned */
	size_t n_addr;
	struct ip gw4, gw6;	  /* bridged only; family 0: none */
	uint64_t rate_bps;	  /* bytes a second, each way; 0: as fast as it goes */
};

struct ctnet {
	char *netns;		/* file; owned */
	struct ctnet_if *ifs;	/* owned */
	size_t n;
	struct strv uplinks;	/* that answer for routed addresses; empty: found by the host's
				 * own addresses and default route */
	bool rehearsal;		/* nothing of the host's own settings is changed */
	bool keep_mptcp;	/* else it is off inside: CRIU cannot dump such sockets */
};

#define CTNET_INIT { .netns = NULL }
#define own_ctnet __attribute__((cleanup(ctnet_fini)))
void ctnet_fini(struct ctnet *n);

/* Makes namespace, interfaces, addresses, fixed neighbour entries: closed.  Also sets
 * what the host needs to forward.  After a failure nothing of it is left. */
int ctnet_prepare(const struct ctnet *n, struct err *e);

/* Opens it and announces the addresses.  No program is started and nothing is waited
 * for: less than a millisecond.  Opening an open one announces again.  ERR_IP_USED when
 * an address is routed to another container here; closed then. */
int ctnet_open(const struct ctnet *n, struct err *e);

/* Closes it, the reverse of open; as fast.  Fine for a closed one. */
int ctnet_close(const struct ctnet *n, struct err *e);

/* Closes and removes all of it, also what a crash left behind.  Fine when there is
 * nothing.  Sockets of processes that still run in it lose their network. */
int ctnet_remove(const struct ctnet *n, struct err *e);

/* Is there such a namespace? */
bool ctnet_exists(const struct ctnet *n);

/* Addresses of a running container: what differs between the two is added or taken
 * away, the rest is not touched.  Same interfaces in both. */
int ctnet_change(const struct ctnet *from, const struct ctnet *to, struct err *e);

#endif
