// SPDX-License-Identifier: MIT
#include "host/netroutes.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/own.h"
#include "host/netlink.h"

enum {
	ITEM_MAX = 1800,      /* fits into a struct nl_msg with its header */
	ITEMS_MAX = 8192,
	NAMES_MAX = 4096,
	NAME_MAX_LEN = 64,
	USER_HZ = 100,
};
static const uint32_t no_interface = UINT32_MAX;

void netroutes_fini(struct netroutes *r)
{
	for (size_t i = 0; i < r->n; i++)
		free(r->v[i].data);
	free(r->v);
	strv_fini(&r->names);
	*r = (struct netroutes)NETROUTES_INIT;
}

static void add_item(struct netroutes *r, uint8_t kind, const void *data, size_t len)
{
	r->v = xrealloc(r->v, (r->n + 1) * sizeof(*r->v));
	r->v[r->n] = (struct netroute_item){ .kind = kind, .data = xmalloc(len), .len = len };
	memcpy(r->v[r->n++].data, data, len);
}

/* ---- interfaces: numbers here, positions in names elsewhere ---- */

struct links {
	int index[NAMES_MAX]; /* of names[i]; 0: there is none */
	struct strv names;
	bool fixed;
};

static int on_link(void *arg, const struct nlmsghdr *h)
{
	struct links *l = arg;
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
		if (!l->fixed && l->names.n < NAMES_MAX) {
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

static int read_links(struct nl *nl, struct links *l, const struct strv *names)
{
	struct ifinfomsg info = { .ifi_family = AF_UNSPEC };
	struct nl_msg m;

	*l = (struct links){ .fixed = names };
	for (size_t i = 0; names && i < names->n; i++)
		strv_add(&l->names, names->item[i]);
	nl_begin(&m, RTM_GETLINK, 0, &info, sizeof(info));
	nl_put_u32(&m, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	return nl_dump(nl, &m, on_link, l);
}

static uint32_t position_of(const struct links *l, int index)
{
	for (size_t i = 0; index && i < l->names.n; i++) {
		if (l->index[i] == index)
			return (uint32_t)i;
	}
	return no_interface;
}

/* ---- reading ---- */

struct reading {
	struct netroutes *out;
	const struct links *links;
	uint8_t kind;
};

/* The message as an item, being built. */
struct item {
	uint8_t data[ITEM_MAX];
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
static void item_multipath(struct item *it, const struct links *l, const struct rtattr *a)
{
	_Alignas(struct rtnexthop) uint8_t hops[ITEM_MAX];
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

static void route_attr(struct item *it, const struct links *l, const struct rtattr *a)
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
		return address.ifa_index != no_interface;
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

static size_t fixed_len(uint8_t kind)
{
	return kind == NETROUTE_ADDRESS ? sizeof(struct ifaddrmsg) :
	       kind == NETROUTE_ROUTE	? sizeof(struct rtmsg) :
					  sizeof(struct fib_rule_hdr);
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
	size_t skip = NLMSG_ALIGN(fixed_len(r->kind));
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
	if (it.bad || r->out->n >= ITEMS_MAX) {
		errno = E2BIG;
		return -1;
	}
	add_item(r->out, r->kind, it.data, it.len);
	return 0;
}

static const uint16_t get_type[] = {
	[NETROUTE_ADDRESS] = RTM_GETADDR,
	[NETROUTE_ROUTE] = RTM_GETROUTE,
	[NETROUTE_RULE] = RTM_GETRULE,
};

static int read_kind(struct nl *nl, struct netroutes *out, const struct links *l, uint8_t kind)
{
	struct reading r = { .out = out, .links = l, .kind = kind };
	static const uint8_t families[] = { AF_INET, AF_INET6 };
	uint8_t zero[16] = { 0 };
	struct nl_msg m;

	for (size_t i = 0; i < array_len(families); i++) {
		size_t had = out->n;
		int ret;

		zero[0] = families[i];
		nl_begin(&m, get_type[kind], 0, zero, fixed_len(kind));
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
	own_free struct links *l = xcalloc(1, sizeof(*l));
	int ret;

	*out = (struct netroutes)NETROUTES_INIT;
	if (nl_open(&nl, ns_fd, e) < 0)
		return -1;
	ret = read_links(&nl, l, names) < 0 || read_kind(&nl, out, l, NETROUTE_ADDRESS) < 0 ||
			      read_kind(&nl, out, l, NETROUTE_ROUTE) < 0 ||
			      read_kind(&nl, out, l, NETROUTE_RULE) < 0
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

/* ---- making it so ---- */

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
static bool number_of(const struct links *l, uint32_t *v)
{
	if (*v == no_interface) {
		*v = 0;
		return true;
	}
	if (*v >= l->names.n || !l->index[*v])
		return false;
	*v = (uint32_t)l->index[*v];
	return true;
}

static bool number_hops(const struct links *l, uint8_t *hops, size_t len)
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

/* The request that adds or takes away an item; false: it names an interface that is not here. */
static bool request_of(struct nl_msg *m, const struct links *l, const struct netroute_item *it,
		       bool add)
{
	static const uint16_t types[][2] = {
		[NETROUTE_ADDRESS] = { RTM_DELADDR, RTM_NEWADDR },
		[NETROUTE_ROUTE] = { RTM_DELROUTE, RTM_NEWROUTE },
		[NETROUTE_RULE] = { RTM_DELRULE, RTM_NEWRULE },
	};
	uint8_t *data;
	size_t at = NLMSG_ALIGN(fixed_len(it->kind));

	nl_begin(m, types[it->kind][add], add ? NLM_F_CREATE | NLM_F_EXCL : 0, it->data, it->len);
	data = NLMSG_DATA(&m->head);
	if (it->kind == NETROUTE_ADDRESS) {
		struct ifaddrmsg *address = (struct ifaddrmsg *)(void *)data;

		if (!number_of(l, &address->ifa_index))
			return false;
		/* Nobody else has it: it was proven where it comes from. */
		if (address->ifa_family == AF_INET6)
			address->ifa_flags |= IFA_F_NODAD;
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
static int add_missing(struct nl *nl, const struct links *l, const struct netroutes *want,
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

static int apply_kind(struct nl *nl, const struct links *l, const struct netroutes *want,
		      uint8_t kind, struct err *e)
{
	own_netroutes struct netroutes have = NETROUTES_INIT;

	if (read_kind(nl, &have, l, kind) < 0)
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
	own_free struct links *l = xcalloc(1, sizeof(*l));
	int ret;

	if (nl_open(&nl, ns_fd, e) < 0)
		return -1;
	ret = read_links(&nl, l, &want->names) < 0
		      ? err_sys(e, "cannot list the interfaces of a network namespace")
	      : apply_kind(&nl, l, want, NETROUTE_ADDRESS, e) < 0 ||
			      apply_kind(&nl, l, want, NETROUTE_ROUTE, e) < 0
		      ? -1
		      : apply_kind(&nl, l, want, NETROUTE_RULE, e);
	strv_fini(&l->names);
	return ret;
}

/* ---- the wire ---- */

void netroutes_put(struct buf *b, const struct netroutes *r)
{
	buf_put_u32(b, (uint32_t)r->names.n);
	for (size_t i = 0; i < r->names.n; i++)
		buf_put_str(b, r->names.item[i]);
	buf_put_u32(b, (uint32_t)r->n);
	for (size_t i = 0; i < r->n; i++) {
		buf_put_u8(b, r->v[i].kind);
		buf_put_bytes(b, r->v[i].data, r->v[i].len);
	}
}

int netroutes_get(struct reader *r, struct netroutes *out, struct err *e)
{
	uint32_t n = get_u32(r);

	*out = (struct netroutes)NETROUTES_INIT;
	for (uint32_t i = 0; i < n && n <= NAMES_MAX && !r->bad; i++) {
		own_free char *name = get_str(r, NAME_MAX_LEN);

		strv_add(&out->names, name);
	}
	r->bad |= n > NAMES_MAX;
	n = get_u32(r);
	r->bad |= n > ITEMS_MAX;
	for (uint32_t i = 0; i < n && !r->bad; i++) {
		uint8_t kind = get_u8(r);
		size_t len;
		const uint8_t *data = get_bytes(r, ITEM_MAX, &len);

		if (kind < NETROUTE_ADDRESS || kind > NETROUTE_RULE || !data ||
		    len < fixed_len(kind))
			r->bad = true;
		else
			add_item(out, kind, data, len);
	}
	if (!r->bad)
		return 0;
	netroutes_fini(out);
	return err_set(e, ERR_PROTO, "a list of routes cannot be understood");
}
