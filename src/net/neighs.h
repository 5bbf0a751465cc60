/* SPDX-License-Identifier: MIT */
/*
 * net/neighs.h - what a container knows of its neighbours' MACs, taken along.
 *
 * Restored sockets speak at once, before their network is open: without these they would
 * ask for MACs, nobody would hear it, and the kernel asks again a second later.
 */
#ifndef NET_NEIGHS_H
#define NET_NEIGHS_H

#include <net/if.h>

#include "base/buf.h"
#include "net/ip.h"

struct neigh {
	char dev[IFNAMSIZ]; /* in the container */
	struct ip ip;
	uint8_t mac[6];
};

struct neighs {
	struct neigh *v; /* owned */
	size_t n;
};

#define NEIGHS_INIT { .v = NULL }
#define own_neighs __attribute__((cleanup(neighs_fini)))
void neighs_fini(struct neighs *l);

/* Those that the namespace (a file) has learned and knows now, a thousand at most. */
int neighs_read(const char *netns, struct neighs *l, struct err *e);
/* Makes it know them, as entries to be verified after their first use.  One of an interface
 * that is not there is left out. */
int neighs_set(const char *netns, const struct neighs *l, struct err *e);

void neighs_put(struct buf *b, const struct neighs *l);
/* ERR_PROTO; l is NEIGHS_INIT then. */
int neighs_get(struct reader *r, struct neighs *l, struct err *e);

#endif
