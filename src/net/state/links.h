/* SPDX-License-Identifier: MIT */
/*
 * net/state/links.h - what a container made of the interfaces that its engine gave it: MTU, flags, the length of the
 * queue, further names, a simple queueing discipline, and neighbours that it has fixed.
 *
 * A discipline travels when what the kernel tells of it is what it is made from (pfifo, bfifo, fq, fq_codel).
 */
#ifndef NET_STATE_LINKS_H
#define NET_STATE_LINKS_H

#include <net/if.h>
#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/strv.h"
#include "net/neighs.h"

struct link_of {
	char name[IFNAMSIZ];
	uint32_t mtu, queue, flags; /* of the flags: promiscuous, all multicast, no ARP */
	char *alias;		    /* owned; "" */
	struct strv names;
	char discipline[IFNAMSIZ];  /* "": the kernel's own */
	uint32_t handle;	    /* of it, by which filters know it */
	struct buf options;
};

struct links {
	struct link_of *v; /* owned */
	size_t n;
	struct neighs fixed;
};

#define LINKS_INIT { .v = NULL, .fixed = NEIGHS_INIT }
#define own_links __attribute__((cleanup(links_fini)))
void links_fini(struct links *l);

/* Of an open network namespace. */
int links_read(struct links *l, int ns_fd, struct err *e);
/* Those that it has; again is fine.  What a kernel refuses is logged. */
int links_apply(const struct links *l, int ns_fd, struct err *e);
/* A discipline that does not travel? */
bool links_discipline_stays(const struct link_of *l);

void links_put(struct buf *b, const struct links *l);
/* Makes the reader bad; *l is the caller's to free in any case. */
void links_get(struct reader *r, struct links *l);

#endif
