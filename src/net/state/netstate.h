/* SPDX-License-Identifier: MIT */
/*
 * net/state/netstate.h - what the processes of a container made of their network namespace:
 * addresses, routes, rules, settings (sysctl), packet filters, and what it set on its interfaces (net/state/links.h).  CRIU does not see it (the namespace
 * is made beforehand at the destination, by the engine), so it travels as a message of ours.
 *
 * Interfaces that were made inside do not travel: netstate_strangers names them before.
 * Traffic control of the inside does not travel, but for the simplest kinds, nor do neighbours that it has learned (net/neighs.h).
 */
#ifndef NET_STATE_NETSTATE_H
#define NET_STATE_NETSTATE_H

#include "base/buf.h"
#include "base/err.h"
#include "base/strv.h"
#include "net/netlink.h"
#include "net/state/links.h"
#include "net/state/netroutes.h"

enum { NETSTATE_MAX = 32 << 20 }; /* bytes of one encoded */

struct netstate_setting {
	char *path, *value; /* below /proc/sys/net */
};

struct netstate {
	struct links links;
	struct netroutes routes;
	struct netstate_setting *set;
	size_t n_set;
	char *nft;  /* a ruleset as nft(8) writes it; "" or NULL: none */
	char *ipt4; /* of the older kind, as iptables-legacy-save(8) writes it */
	char *ipt6;
};

#define NETSTATE_INIT { .links = LINKS_INIT, .routes = NETROUTES_INIT }
#define own_netstate __attribute__((cleanup(netstate_fini)))
void netstate_fini(struct netstate *s);

/* Of the namespace in that file.  Tens of milliseconds: before a freeze. */
int netstate_take(struct netstate *out, const char *netns, struct err *e);
/* Makes another namespace so.  Again is fine. */
int netstate_apply(const struct netstate *s, const char *netns, struct err *e);

/* The programs that netstate_apply will need for it there. */
int netstate_programs(struct strv *out, const char *netns, struct err *e);

/* Interfaces in it beside lo, those of `known` and the kernel's own fallback devices. */
int netstate_strangers(struct strv *out, const char *netns, const struct strv *known,
		       struct err *e);

void netstate_put(struct buf *b, const struct netstate *s);
/* Leaves *out empty on failure. */
int netstate_get(struct reader *r, struct netstate *out, struct err *e);

/* Notices changes of interfaces, addresses, routes, rules and packet filters from its opening on.
 * Settings change without a sound. */
struct netwatch {
	struct nl route, filter;
};

#define NETWATCH_INIT { .route = NL_INIT, .filter = NL_INIT }
#define own_netwatch __attribute__((cleanup(netwatch_close)))
int netwatch_open(struct netwatch *w, const char *netns, struct err *e);
bool netwatch_changed(struct netwatch *w); /* since the opening or the last call */
void netwatch_close(struct netwatch *w);

#endif
