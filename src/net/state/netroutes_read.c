// SPDX-License-Identifier: MIT
/* Reading for net/state/netroutes.h: the kernel's lists as items. */
#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "base/own.h"
#include "net/state/netroutes_priv.h"

enum { USER_HZ = 100 };

/* ---- interfaces: numbers here, positions in names elsewhere ---- */

static int on_link(void *arg, const struct nlmsghdr *h)
{
	struct netlinks *l = arg;
	const struct ifinfomsg *info;
	const struct rtattr *a;
	int len;

	if (!h) {
		if (!l->fixed)
			strv_fini(&l->names);
		return 0;
	}
	info = NLMSG_DATA(h);
	len = (int)IFLA_PAYLOAD(h);
	for (a = IFLA_RTA(info); RTA_OK(a, len); a = RTA_NEXT(a, len)) {
		const char *name = RTA_DATA(a);

		if (a->rta_type != IFLA_IFNAME)
			continue;
		if (!l->fixed && l->names.n < NETROUTE_NAMES_MAX) {
			strv_add(&l->names, name);
			l->index[l->names.n - 1] = info->ifi_index;
		}
		for (size_t i = 0; l->fixed && i < l->names.n; i++) {
			if (!strcmp(l->names.item[i], name))
				l->index[i] = info->ifi_index;
		}
	}
	return 0;
}

int netlinks_read(struct nl *nl, struct netlinks *l, const struct strv *names)
{
	struct ifinfomsg info = { .ifi_family = AF_UNSPEC };
	struct nl_msg m;

	*l = (struct netlinks){ .fixed = names };
	for (size_t i = 0; names && i < names->n; i++)
		strv_add(&l->names, names->item[i]);
	nl_begin(&m, RTM_GETLINK, 0, &info, sizeof(info));
	nl_put_u32(&m, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	return nl_dump(nl, &m, on_link, l);
}

static uint32_t position_of(const struct netlinks *l, int index)
{
	for (size_t i = 0; index && i < l->names.n; i++) {
		if (l->index[i] == index)
			return (uint32_t)i;
	}
	return NO_INTERFACE;
}

/* ---- reading ---- */

struct reading {
	struct netroutes *out;
	const struct netlinks *links;
	uint8_t kind;
};

/* The message as an item, being built. */
struct item {
	uint8_t data[NETROUTE_ITEM_MAX];
	size_t len;
	bool bad; /* too long, or with an interface that is not ours to tell */
};

static void item_attr(struct item *it, uint16_t type, const void *data, size_t len)
{
	struct rtattr a = { .rta_type = type, .rta_len = (uint16_t)RTA_LENGTH(len) };
	size_t at = RTA_ALIGN(it->len);

	if (at + RTA_SPACE(len) > sizeof(it->data)) {
		it->bad = true;
		return;
	}
	memcpy(it->data + at, &a, sizeof(a));
	memcpy(it->data + at + RTA_LENGTH(0), data, len);
	it->len = at + RTA_SPACE(len);
}

/* Next hops, each with an interface of its own. */
static void item_multipath(struct item *it, const struct netlinks *l, const struct rtattr *a)
{
	_Alignas(struct rtnexthop) uint8_t hops[NETROUTE_ITEM_MAX];
	size_t len = RTA_PAYLOAD(a), at = 0;

	if (len > sizeof(hops)) {
		it->bad = true;
		return;
	}
	memcpy(hops, RTA_DATA(a), len);
	while (at + sizeof(struct rtnexthop) <= len) {
		struct rtnexthop *hop = (struct rtnexthop *)(void *)(hops + at);

		if (hop->rtnh_len < sizeof(*hop))
			break;
		hop->rtnh_ifindex = (int)position_of(l, hop->rtnh_ifindex);
		hop->rtnh_flags &= RTNH_F_ONLINK;
		at += RTNH_ALIGN(hop->rtnh_len);
	}
	item_attr(it, a->rta_type, hops, len);
}

/* How long an address is valid: only what is limited, without when it was made. */
static void item_lifetime(struct item *it, const struct rtattr *a)
{
	struct ifa_cacheinfo c;

	if (RTA_PAYLOAD(a) < sizeof(c))
		return;
	memcpy(&c, RTA_DATA(a), sizeof(c));
	c.cstamp = c.tstamp = 0;
	if (c.ifa_valid != UINT32_MAX || c.ifa_prefered != UINT32_MAX)
		item_attr(it, a->rta_type, &c, sizeof(c));
}

static void address_attr(struct item *it, const struct rtattr *a)
{
	uint32_t flags;

	switch (a->rta_type) {
	case IFA_CACHEINFO:
		item_lifetime(it, a);
		return;
	case IFA_FLAGS:
		memcpy(&flags, RTA_DATA(a), sizeof(flags));
		flags &= IFA_F_HOMEADDRESS | IFA_F_NOPREFIXROUTE | IFA_F_MCAUTOJOIN |
			 IFA_F_MANAGETEMPADDR | IFA_F_STABLE_PRIVACY;
		item_attr(it, a->rta_type, &flags, sizeof(flags));
		return;
	case IFA_LOCAL:
	case IFA_ADDRESS:
	case IFA_LABEL:
	case IFA_BROADCAST:
	case IFA_ANYCAST:
	case IFA_RT_PRIORITY:
	case IFA_PROTO:
		item_attr(it, a->rta_type, RTA_DATA(a), RTA_PAYLOAD(a));
		return;
	default:
		return;
	}
}

/* A router's announcement is valid for a time only. */
static void route_lifetime(struct item *it, const struct rtattr *a)
{
	struct rta_cacheinfo c;
	uint32_t seconds;

	if (RTA_PAYLOAD(a) < sizeof(c))
		return;
	memcpy(&c, RTA_DATA(a), sizeof(c));
	seconds = (uint32_t)c.rta_expires / USER_HZ;
	if (c.rta_expires > 0)
		item_attr(it, RTA_EXPIRES, &seconds, sizeof(seconds));
}

static void route_attr(struct item *it, const struct netlinks *l, const struct rtattr *a)
{
	uint32_t number;

	switch (a->rta_type) {
	case RTA_OIF:
	case RTA_IIF:
		memcpy(&number, RTA_DATA(a), sizeof(number));
		number = position_of(l, (int)number);
		item_attr(it, a->rta_type, &number, sizeof(number));
		return;
	case RTA_MULTIPATH:
		item_multipath(it, l, a);
		return;
	case RTA_CACHEINFO:
		route_lifetime(it, a);
		return;
	case RTA_NH_ID: /* the hops themselves stand beside it */
		return;
	default:
		item_attr(it, a->rta_type, RTA_DATA(a), RTA_PAYLOAD(a));
		return;
	}
}

/* The fixed part in the form of an item; false: not listed. */
static bool fixed_part(const struct reading *r, struct item *it, const struct nlmsghdr *h)
{
	struct ifaddrmsg address;
	struct rtmsg route;
	struct fib_rule_hdr rule;

	switch (r->kind) {
	case NETROUTE_ADDRESS:
		memcpy(&address, NLMSG_DATA(h), sizeof(address));
		address.ifa_index = position_of(r->links, (int)address.ifa_index);
		address.ifa_flags = 0;
		memcpy(it->data, &address, it->len = sizeof(address));
		return address.ifa_index != NO_INTERFACE;
	case NETROUTE_ROUTE:
		memcpy(&route, NLMSG_DATA(h), sizeof(route));
		if (route.rtm_table == RT_TABLE_LOCAL || route.rtm_protocol == RTPROT_KERNEL ||
		    route.rtm_flags & RTM_F_CLONED ||
		    (route.rtm_family != AF_INET && route.rtm_family != AF_INET6))
			return false;
		route.rtm_flags &= RTNH_F_ONLINK;
		memcpy(it->data, &route, it->len = sizeof(route));
		return true;
	default:
		memcpy(&rule, NLMSG_DATA(h), sizeof(rule));
		rule.flags &= FIB_RULE_INVERT;
		memcpy(it->data, &rule, it->len = sizeof(rule));
		return rule.family == AF_INET || rule.family == AF_INET6;
	}
}

static void forget_kind(struct netroutes *r, uint8_t kind)
{
	while (r->n && r->v[r->n - 1].kind == kind)
		free(r->v[--r->n].data);
}

static int on_item(void *arg, const struct nlmsghdr *h)
{
	struct reading *r = arg;
	struct item it = { .len = 0 };
	const struct rtattr *a;
	size_t skip = NLMSG_ALIGN(netroutes_fixed(r->kind));
	int len;

	if (!h) {
		forget_kind(r->out, r->kind);
		return 0;
	}
	if (h->nlmsg_len < NLMSG_LENGTH(skip) || !fixed_part(r, &it, h))
		return 0;
	len = (int)(h->nlmsg_len - NLMSG_LENGTH(skip));
	a = (const struct rtattr *)(const void *)((const uint8_t *)NLMSG_DATA(h) + skip);
	for (; RTA_OK(a, len); a = RTA_NEXT(a, len)) {
		if (r->kind == NETROUTE_ADDRESS)
			address_attr(&it, a);
		else if (r->kind == NETROUTE_ROUTE)
			route_attr(&it, r->links, a);
		else
			item_attr(&it, a->rta_type, RTA_DATA(a), RTA_PAYLOAD(a));
	}
	if (it.bad || r->out->n >= NETROUTE_ITEMS_MAX) {
		errno = E2BIG;
		return -1;
	}
	netroutes_add(r->out, r->kind, it.data, it.len);
	return 0;
}

static const uint16_t get_type[] = {
	[NETROUTE_ADDRESS] = RTM_GETADDR,
	[NETROUTE_ROUTE] = RTM_GETROUTE,
	[NETROUTE_RULE] = RTM_GETRULE,
};

int netroutes_read_kind(struct nl *nl, struct netroutes *out, const struct netlinks *l, uint8_t kind)
{
	struct reading r = { .out = out, .links = l, .kind = kind };
	static const uint8_t families[] = { AF_INET, AF_INET6 };
	uint8_t zero[16] = { 0 };
	struct nl_msg m;

	for (size_t i = 0; i < array_len(families); i++) {
		size_t had = out->n;
		int ret;

		zero[0] = families[i];
		nl_begin(&m, get_type[kind], 0, zero, netroutes_fixed(kind));
		ret = nl_dump(nl, &m, on_item, &r);
		/* a kernel without IPv6 knows none of it */
		if (ret < 0 && (errno != EOPNOTSUPP || out->n != had))
			return -1;
	}
	return 0;
}

int netroutes_read(struct netroutes *out, int ns_fd, const struct strv *names, struct err *e)
{
	own_nl struct nl nl = NL_INIT;
	own_free struct netlinks *l = xcalloc(1, sizeof(*l));
	int ret;

	*out = (struct netroutes)NETROUTES_INIT;
	if (nl_open(&nl, ns_fd, e) < 0)
		return -1;
	ret = netlinks_read(&nl, l, names) < 0 || netroutes_read_kind(&nl, out, l, NETROUTE_ADDRESS) < 0 ||
			      netroutes_read_kind(&nl, out, l, NETROUTE_ROUTE) < 0 ||
			      netroutes_read_kind(&nl, out, l, NETROUTE_RULE) < 0
		      ? err_sys(e, "cannot list the addresses and routes of a network namespace")
		      : 0;
	if (ret == 0)
		out->names = l->names;
	else {
		strv_fini(&l->names);
		netroutes_fini(out);
	}
	return ret;
}
