/* SPDX-License-Identifier: MIT */
/* net/state/netroutes_priv.h - between netroutes*.c only. */
#ifndef NET_STATE_NETROUTES_PRIV_H
#define NET_STATE_NETROUTES_PRIV_H

#include <stdbool.h>

#include "net/netlink.h"
#include "net/state/netroutes.h"

enum {
	NETROUTE_ITEM_MAX = 1800, /* fits into a struct nl_msg with its header */
	NETROUTE_ITEMS_MAX = 8192,
	NETROUTE_NAMES_MAX = 4096,
};
/* Stands where an item names no interface. */
#define NO_INTERFACE UINT32_MAX

/* Interfaces: their numbers here, and positions in names, which is how items name them. */
struct netlinks {
	int index[NETROUTE_NAMES_MAX]; /* of names[i]; 0: there is none */
	struct strv names;
	bool fixed; /* names were given */
};

void netroutes_add(struct netroutes *r, uint8_t kind, const void *data, size_t len);
/* Bytes of an item before its attributes. */
size_t netroutes_fixed(uint8_t kind);

/* All of the namespace, or those in names.  -1 with errno. */
int netlinks_read(struct nl *nl, struct netlinks *l, const struct strv *names);
int netroutes_read_kind(struct nl *nl, struct netroutes *out, const struct netlinks *l, uint8_t kind);

#endif
