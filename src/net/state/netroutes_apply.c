// SPDX-License-Identifier: MIT
/* Making a namespace so for net/state/netroutes.h. */
#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "base/own.h"
#include "net/state/netroutes_priv.h"

static bool listed(const struct netroutes *r, const struct netroute_item *it)
{
	for (size_t i = 0; i < r->n; i++) {
		if (r->v[i].kind == it->kind && r->v[i].len == it->len &&
		    !memcmp(r->v[i].data, it->data, it->len))
			return true;
	}
	return false;
}

/* A position becomes the interface's number here; false: there is none. */
static bool number_of(const struct netlinks *l, uint32_t *v)
{
	if (*v == NO_INTERFACE) {
		*v = 0;
		return true;
	}
	if (*v >= l->names.n || !l->index[*v])
		return false;
	*v = (uint32_t)l->index[*v];
	return true;
}

static bool number_hops(const struct netlinks *l, uint8_t *hops, size_t len)
{
	size_t at = 0;

	while (at + sizeof(struct rtnexthop) <= len) {
		struct rtnexthop hop;
		uint32_t v;

		memcpy(&hop, hops + at, sizeof(hop));
		v = (uint32_t)hop.rtnh_ifindex;
		if (hop.rtnh_len < sizeof(hop) || !number_of(l, &v))
			return false;
		hop.rtnh_ifindex = (int)v;
		memcpy(hops + at, &hop, sizeof(hop));
		at += RTNH_ALIGN(hop.rtnh_len);
	}
	return true;
}

/* Nobody else has it: it was proven where it comes from.  IFA_FLAGS counts where both are there (net/ipv6/addrconf.c). */
static void no_duplicates(struct ifaddrmsg *address, uint8_t *data, size_t at, size_t len)
{
	address->ifa_flags |= IFA_F_NODAD;
	while (at + sizeof(struct rtattr) <= len) {
		struct rtattr *a = (struct rtattr *)(void *)(data + at);
		uint32_t flags;

		if (a->rta_len < sizeof(*a) || at + a->rta_len > len)
			return;
		if (a->rta_type == IFA_FLAGS && RTA_PAYLOAD(a) == sizeof(flags)) {
			memcpy(&flags, RTA_DATA(a), sizeof(flags));
			flags |= IFA_F_NODAD;
			memcpy(RTA_DATA(a), &flags, sizeof(flags));
		}
		at += RTA_ALIGN(a->rta_len);
	}
}

/* The request that adds or takes away an item; false: it names an interface that is not here. */
static bool request_of(struct nl_msg *m, const struct netlinks *l, const struct netroute_item *it,
		       bool add)
{
	static const uint16_t types[][2] = {
		[NETROUTE_ADDRESS] = { RTM_DELADDR, RTM_NEWADDR },
		[NETROUTE_ROUTE] = { RTM_DELROUTE, RTM_NEWROUTE },
		[NETROUTE_RULE] = { RTM_DELRULE, RTM_NEWRULE },
	};
	uint8_t *data;
	size_t at = NLMSG_ALIGN(netroutes_fixed(it->kind));

	nl_begin(m, types[it->kind][add], add ? NLM_F_CREATE | NLM_F_EXCL : 0, it->data, it->len);
	data = NLMSG_DATA(&m->head);
	if (it->kind == NETROUTE_ADDRESS) {
		struct ifaddrmsg *address = (struct ifaddrmsg *)(void *)data;

		if (!number_of(l, &address->ifa_index))
			return false;
		if (address->ifa_family == AF_INET6)
			no_duplicates(address, data, at, it->len);
	}
	while (it->kind == NETROUTE_ROUTE && at + sizeof(struct rtattr) <= it->len) {
		struct rtattr *a = (struct rtattr *)(void *)(data + at);
		uint32_t v;

		if (a->rta_len < sizeof(*a) || at + a->rta_len > it->len)
			return false;
		if ((a->rta_type == RTA_OIF || a->rta_type == RTA_IIF) &&
		    RTA_PAYLOAD(a) == sizeof(v)) {
			memcpy(&v, RTA_DATA(a), sizeof(v));
			if (!number_of(l, &v))
				return false;
			memcpy(RTA_DATA(a), &v, sizeof(v));
		} else if (a->rta_type == RTA_MULTIPATH &&
			   !number_hops(l, RTA_DATA(a), RTA_PAYLOAD(a))) {
			return false;
		}
		at += RTA_ALIGN(a->rta_len);
	}
	return true;
}

static const char *const kind_word[] = {
	[NETROUTE_ADDRESS] = "an address",
	[NETROUTE_ROUTE] = "a route",
	[NETROUTE_RULE] = "a routing rule",
};

/* One may need another that comes later in the list: tried as long as that helps. */
static int add_missing(struct nl *nl, const struct netlinks *l, const struct netroutes *want,
		       const struct netroutes *have, uint8_t kind, struct err *e)
{
	own_free bool *done = xcalloc(want->n + 1, sizeof(*done));
	size_t left = SIZE_MAX, before = 0;
	int why = 0;

	while (left && left != before) {
		before = left;
		left = 0;
		for (size_t i = 0; i < want->n; i++) {
			struct nl_msg m;

			if (done[i] || want->v[i].kind != kind || listed(have, &want->v[i]))
				continue;
			if (!request_of(&m, l, &want->v[i], true)) {
				err_set(e, ERR_UNSUPPORTED, "%s uses an interface that is not made here",
					kind_word[kind]);
				return err_hint(e, "remove that interface in the container");
			}
			done[i] = nl_do(nl, &m, NULL) == 0 || errno == EEXIST;
			why = done[i] ? why : errno;
			left += !done[i];
		}
	}
	if (!left)
		return 0;
	errno = why;
	return err_sys(e, "cannot make %s of the container here", kind_word[kind]);
}

static int apply_kind(struct nl *nl, const struct netlinks *l, const struct netroutes *want,
		      uint8_t kind, struct err *e)
{
	own_netroutes struct netroutes have = NETROUTES_INIT;

	if (netroutes_read_kind(nl, &have, l, kind) < 0)
		return err_sys(e, "cannot list the addresses and routes of a network namespace");
	for (size_t i = 0; i < have.n; i++) {
		struct nl_msg m;

		if (!listed(want, &have.v[i]) && request_of(&m, l, &have.v[i], false))
			nl_do(nl, &m, NULL); /* it may have gone with another one */
	}
	return add_missing(nl, l, want, &have, kind, e);
}

int netroutes_apply(const struct netroutes *want, int ns_fd, struct err *e)
{
	own_nl struct nl nl = NL_INIT;
	own_free struct netlinks *l = xcalloc(1, sizeof(*l));
	int ret;

	if (nl_open(&nl, ns_fd, e) < 0)
		return -1;
	ret = netlinks_read(&nl, l, &want->names) < 0
		      ? err_sys(e, "cannot list the interfaces of a network namespace")
	      : apply_kind(&nl, l, want, NETROUTE_ADDRESS, e) < 0 ||
			      apply_kind(&nl, l, want, NETROUTE_ROUTE, e) < 0
		      ? -1
		      : apply_kind(&nl, l, want, NETROUTE_RULE, e);
	strv_fini(&l->names);
	return ret;
}
