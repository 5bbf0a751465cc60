// SPDX-License-Identifier: MIT
#include "net/traffic/flows.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <string.h>

#include "base/own.h"
#include "net/addresses.h"
#include "net/sysctl.h"

enum { FLOW_MAX = 1500, FLOWS_MAX_BYTES = 64 << 20 };

/* One direction of a flow. */
struct tuple {
	uint8_t family, proto;
	uint8_t src[16], dst[16];
	uint16_t sport, dport; /* as on the wire */
};

struct flow {
	struct nfgenmsg head;
	struct tuple orig, reply;
};

/* Attributes of netfilter's messages have a flag for "nested" in their type. */
static uint16_t type_of(const struct rtattr *a)
{
	return a->rta_type & NLA_TYPE_MASK;
}

#define each_attr(a, first, len) \
	for (const struct rtattr *a = (first); RTA_OK(a, len); a = RTA_NEXT(a, len))

static void read_addresses(struct tuple *t, const struct rtattr *nest)
{
	int len = (int)RTA_PAYLOAD(nest);

	each_attr(a, RTA_DATA(nest), len) {
		size_t n = RTA_PAYLOAD(a) < 16 ? RTA_PAYLOAD(a) : 16;

		switch (type_of(a)) {
		case CTA_IP_V4_SRC:
		case CTA_IP_V6_SRC:
			memcpy(t->src, RTA_DATA(a), n);
			break;
		case CTA_IP_V4_DST:
		case CTA_IP_V6_DST:
			memcpy(t->dst, RTA_DATA(a), n);
			break;
		default:
			break;
		}
	}
}

static void read_ports(struct tuple *t, const struct rtattr *nest)
{
	int len = (int)RTA_PAYLOAD(nest);

	each_attr(a, RTA_DATA(nest), len) {
		if (type_of(a) == CTA_PROTO_NUM && RTA_PAYLOAD(a) >= 1)
			memcpy(&t->proto, RTA_DATA(a), 1);
		else if (type_of(a) == CTA_PROTO_SRC_PORT && RTA_PAYLOAD(a) >= 2)
			memcpy(&t->sport, RTA_DATA(a), 2);
		else if (type_of(a) == CTA_PROTO_DST_PORT && RTA_PAYLOAD(a) >= 2)
			memcpy(&t->dport, RTA_DATA(a), 2);
	}
}

static void read_tuple(struct tuple *t, uint8_t family, const struct rtattr *nest)
{
	int len = (int)RTA_PAYLOAD(nest);

	t->family = family;
	each_attr(a, RTA_DATA(nest), len) {
		if (type_of(a) == CTA_TUPLE_IP)
			read_addresses(t, a);
		else if (type_of(a) == CTA_TUPLE_PROTO)
			read_ports(t, a);
	}
}

static const struct rtattr *attrs_of(const struct nlmsghdr *h, int *len)
{
	*len = (int)h->nlmsg_len - (int)NLMSG_LENGTH(sizeof(struct nfgenmsg));
	return (const struct rtattr *)(const void *)((const uint8_t *)h +
						     NLMSG_LENGTH(sizeof(struct nfgenmsg)));
}

static void read_flow(struct flow *f, const struct nlmsghdr *h)
{
	int len;
	const struct rtattr *first = attrs_of(h, &len);

	*f = (struct flow){ .head = { .nfgen_family = 0 } };
	memcpy(&f->head, NLMSG_DATA(h), sizeof(f->head));
	each_attr(a, first, len) {
		if (type_of(a) == CTA_TUPLE_ORIG)
			read_tuple(&f->orig, f->head.nfgen_family, a);
		else if (type_of(a) == CTA_TUPLE_REPLY)
			read_tuple(&f->reply, f->head.nfgen_family, a);
	}
}

static bool among(const struct strv *list, uint8_t family, const uint8_t address[16])
{
	char text[INET6_ADDRSTRLEN];

	return inet_ntop(family, address, text, sizeof(text)) && strv_has(list, text);
}

/* Is the address or the port of one end another one in the answers? */
static bool source_translated(const struct flow *f)
{
	return memcmp(f->orig.src, f->reply.dst, 16) != 0 || f->orig.sport != f->reply.dport;
}

static bool target_translated(const struct flow *f)
{
	return memcmp(f->orig.dst, f->reply.src, 16) != 0 || f->orig.dport != f->reply.sport;
}

/* Does this one travel? */
static bool travels(struct flows *fl, const struct flow *f)
{
	uint8_t family = f->head.nfgen_family;

	if (family != AF_INET && family != AF_INET6)
		return false;
	if (fl->all)
		return true;
	if (!among(&fl->addresses, family, f->orig.src) &&
	    !among(&fl->addresses, family, f->orig.dst) &&
	    !among(&fl->addresses, family, f->reply.src) &&
	    !among(&fl->addresses, family, f->reply.dst))
		return false;
	if ((source_translated(f) && among(&fl->here, family, f->reply.dst)) ||
	    (target_translated(f) && among(&fl->here, family, f->orig.dst))) {
		fl->translated++;
		return false;
	}
	return true;
}

/* ---- the message that makes it known elsewhere ---- */

static void put_tuple(struct nl_msg *m, uint16_t type, const struct tuple *t)
{
	bool v4 = t->family == AF_INET;
	size_t all = nl_nest(m, type | NLA_F_NESTED);
	size_t part = nl_nest(m, CTA_TUPLE_IP | NLA_F_NESTED);

	nl_put(m, v4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC, t->src, v4 ? 4 : 16);
	nl_put(m, v4 ? CTA_IP_V4_DST : CTA_IP_V6_DST, t->dst, v4 ? 4 : 16);
	nl_nest_end(m, part);
	part = nl_nest(m, CTA_TUPLE_PROTO | NLA_F_NESTED);
	nl_put_u8(m, CTA_PROTO_NUM, t->proto);
	nl_put(m, CTA_PROTO_SRC_PORT, &t->sport, sizeof(t->sport));
	nl_put(m, CTA_PROTO_DST_PORT, &t->dport, sizeof(t->dport));
	nl_nest_end(m, part);
	nl_nest_end(m, all);
}

static void put_translation(struct nl_msg *m, uint16_t type, uint8_t family,
			    const uint8_t address[16], uint16_t port)
{
	bool v4 = family == AF_INET;
	size_t all = nl_nest(m, type | NLA_F_NESTED), part;

	nl_put(m, v4 ? CTA_NAT_V4_MINIP : CTA_NAT_V6_MINIP, address, v4 ? 4 : 16);
	nl_put(m, v4 ? CTA_NAT_V4_MAXIP : CTA_NAT_V6_MAXIP, address, v4 ? 4 : 16);
	part = nl_nest(m, CTA_NAT_PROTO | NLA_F_NESTED);
	nl_put(m, CTA_PROTONAT_PORT_MIN, &port, sizeof(port));
	nl_put(m, CTA_PROTONAT_PORT_MAX, &port, sizeof(port));
	nl_nest_end(m, part);
	nl_nest_end(m, all);
}

/* The kernel makes translations from what is asked for, starting at the plain answer. */
static void put_translated(struct nl_msg *m, const struct flow *f)
{
	struct tuple plain = f->orig;

	memcpy(plain.src, f->orig.dst, 16);
	memcpy(plain.dst, f->orig.src, 16);
	plain.sport = f->orig.dport;
	plain.dport = f->orig.sport;
	put_tuple(m, CTA_TUPLE_ORIG, &f->orig);
	put_tuple(m, CTA_TUPLE_REPLY, &plain);
	if (source_translated(f))
		put_translation(m, CTA_NAT_SRC, f->head.nfgen_family, f->reply.dst,
				f->reply.dport);
	if (target_translated(f))
		put_translation(m, CTA_NAT_DST, f->head.nfgen_family, f->reply.src,
				f->reply.sport);
}

/* TCP: its state, and no check of windows that nobody knows there. */
static void put_tcp(struct nl_msg *m, const struct rtattr *info)
{
	static const struct nf_ct_tcp_flags liberal = { IP_CT_TCP_FLAG_BE_LIBERAL,
							IP_CT_TCP_FLAG_BE_LIBERAL };
	int len = (int)RTA_PAYLOAD(info);
	size_t all = nl_nest(m, CTA_PROTOINFO | NLA_F_NESTED);

	each_attr(a, RTA_DATA(info), len) {
		int in = (int)RTA_PAYLOAD(a);
		size_t part;

		if (type_of(a) != CTA_PROTOINFO_TCP)
			continue;
		part = nl_nest(m, CTA_PROTOINFO_TCP | NLA_F_NESTED);
		each_attr(b, RTA_DATA(a), in) {
			if (type_of(b) == CTA_PROTOINFO_TCP_STATE)
				nl_put(m, CTA_PROTOINFO_TCP_STATE, RTA_DATA(b), RTA_PAYLOAD(b));
		}
		nl_put(m, CTA_PROTOINFO_TCP_FLAGS_ORIGINAL, &liberal, sizeof(liberal));
		nl_put(m, CTA_PROTOINFO_TCP_FLAGS_REPLY, &liberal, sizeof(liberal));
		nl_nest_end(m, part);
	}
	nl_nest_end(m, all);
}

static void make_known(struct nl_msg *m, const struct nlmsghdr *h, const struct flow *f)
{
	struct nfgenmsg head = { .nfgen_family = f->head.nfgen_family, .version = NFNETLINK_V0 };
	bool ports = f->orig.proto == IPPROTO_TCP || f->orig.proto == IPPROTO_UDP;
	bool translated = ports && (source_translated(f) || target_translated(f));
	int len;
	const struct rtattr *first = attrs_of(h, &len);

	nl_begin(m, NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW, NLM_F_CREATE, &head,
		 sizeof(head));
	if (translated)
		put_translated(m, f);
	each_attr(a, first, len) {
		switch (type_of(a)) {
		case CTA_TUPLE_ORIG:
		case CTA_TUPLE_REPLY:
			if (translated)
				break;
			/* fallthrough */
		case CTA_STATUS:
		case CTA_TIMEOUT:
		case CTA_MARK:
		case CTA_ZONE:
		case CTA_LABELS:
			nl_put(m, a->rta_type, RTA_DATA(a), RTA_PAYLOAD(a));
			break;
		case CTA_PROTOINFO:
			if (f->orig.proto == IPPROTO_TCP)
				put_tcp(m, a);
			break;
		default:
			break;
		}
	}
}

/* ---- taking ---- */

struct taking {
	struct flows *flows;
	struct buf *out;
	size_t had; /* of out */
};

static int on_flow(void *arg, const struct nlmsghdr *h)
{
	struct taking *t = arg;
	struct nl_msg m;
	struct flow f;

	if (!h) {
		t->out->len = t->had;
		return 0;
	}
	if (h->nlmsg_type != (NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW) ||
	    h->nlmsg_len > FLOW_MAX || t->out->len > FLOWS_MAX_BYTES)
		return 0;
	read_flow(&f, h);
	if (!travels(t->flows, &f))
		return 0;
	make_known(&m, h, &f);
	buf_put_bytes(t->out, m.bytes, m.head.nlmsg_len);
	return 0;
}

static int count_flows(void *arg)
{
	*(long *)arg = sysctl_number("net/netfilter/nf_conntrack_count", 0);
	return 0;
}

int flows_open(struct flows *f, const char *netns, const struct strv *addresses, struct err *e)
{
	long n = 0;

	*f = (struct flows)FLOWS_INIT;
	if (netns && (f->ns_fd = open(netns, O_RDONLY | O_CLOEXEC)) < 0)
		return err_sys(e, "cannot open %s", netns);
	if (netns ? netns_call(f->ns_fd, count_flows, &n, e) < 0 : count_flows(&n) < 0)
		return -1;
	f->used = n > 0;
	f->all = !addresses;
	if (!f->used)
		return 0;
	for (size_t i = 0; addresses && i < addresses->n; i++)
		strv_add(&f->addresses, addresses->item[i]);
	if (addresses && addresses_here(&f->here, e) < 0)
		return -1;
	/* A flow that is seen only once is enough: its later states follow from its packets. */
	return nl_open_other(&f->events, f->ns_fd, NETLINK_NETFILTER,
			     1u << (NFNLGRP_CONNTRACK_NEW - 1), e);
}

void flows_close(struct flows *f)
{
	close_fd(&f->ns_fd);
	strv_fini(&f->addresses);
	strv_fini(&f->here);
	nl_close(&f->events);
	*f = (struct flows)FLOWS_INIT;
}

int flows_take(struct flows *f, struct buf *out, struct err *e)
{
	own_nl struct nl nl = NL_INIT;
	struct nfgenmsg head = { .nfgen_family = AF_UNSPEC, .version = NFNETLINK_V0 };
	struct taking t = { .flows = f, .out = out, .had = out->len };
	struct nl_msg m;

	f->translated = 0;
	if (!f->used)
		return 0;
	if (nl_open_other(&nl, f->ns_fd, NETLINK_NETFILTER, 0, e) < 0)
		return -1;
	nl_begin(&m, NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET, 0, &head, sizeof(head));
	if (nl_dump(&nl, &m, on_flow, &t) < 0)
		return err_sys(e, "cannot list the tracked connections");
	return 0;
}

int flows_news(struct flows *f, struct buf *out, struct err *e)
{
	struct taking t = { .flows = f, .out = out, .had = out->len };

	if (!f->used)
		return 0;
	if (nl_drain(&f->events, on_flow, &t) == 0)
		return 0;
	return errno == ENOBUFS ? flows_take(f, out, e)
				: err_sys(e, "cannot read which connections are new");
}

/* ---- making known ---- */

int flows_apply(const char *netns, const void *data, size_t n, size_t *refused, struct err *e)
{
	own_nl struct nl nl = NL_INIT;
	own_fd int ns = netns ? open(netns, O_RDONLY | O_CLOEXEC) : -1;
	struct reader r = reader_of(data, n);

	*refused = 0;
	if (netns && ns < 0)
		return err_sys(e, "cannot open %s", netns);
	if (n && nl_open_other(&nl, ns, NETLINK_NETFILTER, 0, e) < 0)
		return -1;
	while (r.at < r.end && !r.bad) {
		struct nl_msg m = { .bytes = { 0 } };
		size_t len;
		const uint8_t *raw = get_bytes(&r, sizeof(m), &len);

		if (!raw || len < NLMSG_LENGTH(sizeof(struct nfgenmsg)))
			return err_set(e, ERR_PROTO, "a tracked connection cannot be understood");
		memcpy(m.bytes, raw, len);
		/* Nothing but this may be asked of the kernel by the other end. */
		m.head.nlmsg_len = (uint32_t)len;
		m.head.nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW;
		m.head.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE;
		if (nl_do(&nl, &m, NULL) < 0)
			++*refused;
	}
	return r.bad ? err_set(e, ERR_PROTO, "a list of connections cannot be understood") : 0;
}
