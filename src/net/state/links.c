// SPDX-License-Identifier: MIT
#include "net/state/links.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/own.h"
#include "net/netdev.h"
#include "net/netlink.h"

enum {
	LINKS_MAX = 256,
	NAMES_MAX = 16,	    /* further ones of one interface */
	NAME_MAX_LEN = 128, /* ALTIFNAMSIZ */
	ALIAS_MAX = 256,    /* IFALIASZ */
	OPTIONS_MAX = 512,
	FIXED_MAX = 1000,
	CARRIED = IFF_PROMISC | IFF_ALLMULTI | IFF_NOARP,
	FAMILY_BYTES4 = 4, FAMILY_BYTES6 = 16,
};

static const char *const carried[] = { "pfifo", "bfifo", "fq", "fq_codel" };
/* Those that it has without having asked. */
static const char *const kernels[] = { "noqueue", "pfifo_fast", "mq" };

static bool is_among(const char *name, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!strcmp(list[i], name))
			return true;
	}
	return false;
}

bool links_discipline_stays(const struct link_of *l)
{
	return *l->discipline && !is_among(l->discipline, carried, array_len(carried));
}

void links_fini(struct links *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->v[i].alias);
		strv_fini(&l->v[i].names);
		buf_fini(&l->v[i].options);
	}
	free(l->v);
	neighs_fini(&l->fixed);
	*l = (struct links)LINKS_INIT;
}

/* ---- reading ---- */

struct reading {
	struct links *out;
	int index[LINKS_MAX];
};

#define each_attr(a, first, len) \
	for (const struct rtattr *a = (first); RTA_OK(a, len); a = RTA_NEXT(a, len))

static void copy_text(char *to, size_t size, const struct rtattr *a)
{
	size_t n = RTA_PAYLOAD(a) < size - 1 ? RTA_PAYLOAD(a) : size - 1;

	memcpy(to, RTA_DATA(a), n);
	to[n] = '\0';
}

static uint32_t number_of(const struct rtattr *a)
{
	uint32_t v = 0;

	memcpy(&v, RTA_DATA(a), RTA_PAYLOAD(a) < sizeof(v) ? RTA_PAYLOAD(a) : sizeof(v));
	return v;
}

static int on_link(void *arg, const struct nlmsghdr *h)
{
	struct reading *r = arg;
	const struct ifinfomsg *info;
	struct link_of *l;
	int len;

	if (!h) {
		links_fini(r->out);
		return 0;
	}
	if (r->out->n >= LINKS_MAX)
		return 0;
	info = NLMSG_DATA(h);
	len = (int)IFLA_PAYLOAD(h);
	r->out->v = xrealloc(r->out->v, (r->out->n + 1) * sizeof(*l));
	l = &r->out->v[r->out->n];
	*l = (struct link_of){ .flags = info->ifi_flags & CARRIED, .alias = xstrdup("") };
	r->index[r->out->n++] = info->ifi_index;
	each_attr(a, IFLA_RTA(info), len) {
		int in = (int)RTA_PAYLOAD(a);

		switch (a->rta_type & NLA_TYPE_MASK) {
		case IFLA_IFNAME:
			copy_text(l->name, sizeof(l->name), a);
			break;
		case IFLA_MTU:
			l->mtu = number_of(a);
			break;
		case IFLA_TXQLEN:
			l->queue = number_of(a);
			break;
		case IFLA_IFALIAS:
			free(l->alias);
			l->alias = xstrndup(RTA_DATA(a), RTA_PAYLOAD(a));
			break;
		case IFLA_PROP_LIST:
			each_attr(b, RTA_DATA(a), in) {
				if (l->names.n < NAMES_MAX && (b->rta_type & NLA_TYPE_MASK) == IFLA_ALT_IFNAME)
					strv_addf(&l->names, "%.*s", (int)RTA_PAYLOAD(b), (const char *)RTA_DATA(b));
			}
			break;
		default:
			break;
		}
	}
	return 0;
}

static struct link_of *link_at(struct reading *r, int index)
{
	for (size_t i = 0; i < r->out->n; i++) {
		if (r->index[i] == index)
			return &r->out->v[i];
	}
	return NULL;
}

static int on_discipline(void *arg, const struct nlmsghdr *h)
{
	const struct tcmsg *t = h ? NLMSG_DATA(h) : NULL;
	struct link_of *l = t ? link_at(arg, t->tcm_ifindex) : NULL;
	char kind[IFNAMSIZ] = "";
	int len;

	if (!l || t->tcm_parent != TC_H_ROOT)
		return 0;
	len = (int)(h->nlmsg_len - NLMSG_LENGTH(sizeof(*t)));
	buf_clear(&l->options);
	l->handle = t->tcm_handle;
	each_attr(a, (const struct rtattr *)(t + 1), len) {
		if (a->rta_type == TCA_KIND)
			copy_text(kind, sizeof(kind), a);
		else if ((a->rta_type & NLA_TYPE_MASK) == TCA_OPTIONS && RTA_PAYLOAD(a) <= OPTIONS_MAX)
			buf_put(&l->options, RTA_DATA(a), RTA_PAYLOAD(a));
	}
	/* handle 0: nobody has asked for it, it is the default of the server */
	strcpy(l->discipline, t->tcm_handle == 0 || is_among(kind, kernels, array_len(kernels)) ? "" : kind);
	if (!*l->discipline)
		buf_clear(&l->options);
	return 0;
}

static int on_neigh(void *arg, const struct nlmsghdr *h)
{
	struct reading *r = arg;
	struct neighs *fixed = &r->out->fixed;
	const struct ndmsg *d = h ? NLMSG_DATA(h) : NULL;
	const struct link_of *l = d ? link_at(r, d->ndm_ifindex) : NULL;
	struct neigh n = { .ip.family = d ? d->ndm_family : 0 };
	bool mac = false, address = false;
	int len;

	if (!h)
		neighs_fini(fixed);
	if (!l || !(d->ndm_state & NUD_PERMANENT) || d->ndm_flags & NTF_PROXY || fixed->n >= FIXED_MAX ||
	    (d->ndm_family != AF_INET && d->ndm_family != AF_INET6))
		return 0;
	len = (int)(h->nlmsg_len - NLMSG_LENGTH(sizeof(*d)));
	n.ip.prefix = d->ndm_family == AF_INET ? 8 * FAMILY_BYTES4 : 8 * FAMILY_BYTES6;
	strcpy(n.dev, l->name);
	each_attr(a, (const struct rtattr *)(d + 1), len) {
		if (a->rta_type == NDA_DST && RTA_PAYLOAD(a) == ip_len(&n.ip)) {
			memcpy(n.ip.b, RTA_DATA(a), RTA_PAYLOAD(a));
			address = true;
		} else if (a->rta_type == NDA_LLADDR && RTA_PAYLOAD(a) == sizeof(n.mac)) {
			memcpy(n.mac, RTA_DATA(a), sizeof(n.mac));
			mac = true;
		}
	}
	/* lo and multicast have such entries, too, which the kernel makes */
	if (!mac || !address || !strcmp(l->name, "lo") || n.mac[0] & 1)
		return 0;
	fixed->v = xrealloc(fixed->v, (fixed->n + 1) * sizeof(*fixed->v));
	fixed->v[fixed->n++] = n;
	return 0;
}

int links_read(struct links *l, int ns_fd, struct err *e)
{
	const struct ifinfomsg all = { .ifi_family = AF_UNSPEC };
	const struct ndmsg neigh = { .ndm_family = AF_UNSPEC };
	const struct tcmsg tc = { .tcm_family = AF_UNSPEC };
	struct reading r = { .out = l };
	own_nl struct nl nl = NL_INIT;
	struct nl_msg m;

	*l = (struct links)LINKS_INIT;
	if (nl_open(&nl, ns_fd, e) < 0)
		return -1;
	nl_begin(&m, RTM_GETLINK, 0, &all, sizeof(all));
	nl_put_u32(&m, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	if (nl_dump(&nl, &m, on_link, &r) < 0)
		goto fail;
	/* a kernel without traffic control has none */
	nl_begin(&m, RTM_GETQDISC, 0, &tc, sizeof(tc));
	if (nl_dump(&nl, &m, on_discipline, &r) < 0 && errno != EOPNOTSUPP)
		goto fail;
	nl_begin(&m, RTM_GETNEIGH, 0, &neigh, sizeof(neigh));
	if (nl_dump(&nl, &m, on_neigh, &r) == 0)
		return 0;
fail:
	err_sys(e, "cannot list the interfaces of a network namespace");
	links_fini(l);
	return -1;
}

/* ---- making so ---- */

static void apply_names(struct nl *nl, const struct link_of *l, int index)
{
	const struct ifinfomsg info = { .ifi_index = index };

	for (size_t i = 0; i < l->names.n; i++) {
		struct nl_msg m;
		size_t list;

		nl_begin(&m, RTM_NEWLINKPROP, NLM_F_CREATE | NLM_F_EXCL | NLM_F_APPEND, &info, sizeof(info));
		list = nl_nest(&m, IFLA_PROP_LIST | NLA_F_NESTED);
		nl_put_text(&m, IFLA_ALT_IFNAME, l->names.item[i]);
		nl_nest_end(&m, list);
		if (nl_do(nl, &m, NULL) < 0 && errno != EEXIST)
			log_warn("the name %s of %s is lost: %s", l->names.item[i], l->name, strerror(errno));
	}
}

static void apply_discipline(struct nl *nl, const struct link_of *l, int index)
{
	const struct tcmsg tc = { .tcm_family = AF_UNSPEC, .tcm_ifindex = index, .tcm_handle = l->handle,
				  .tcm_parent = TC_H_ROOT };
	struct nl_msg m;

	if (!*l->discipline || links_discipline_stays(l))
		return;
	nl_begin(&m, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE, &tc, sizeof(tc));
	nl_put_text(&m, TCA_KIND, l->discipline);
	nl_put(&m, TCA_OPTIONS, l->options.data, l->options.len);
	if (nl_do(nl, &m, NULL) < 0)
		log_warn("the queueing discipline %s of %s is lost: %s", l->discipline, l->name, strerror(errno));
}

static int apply_link(struct nl *nl, const struct link_of *l)
{
	int index = netdev_index(nl, l->name);
	const struct ifinfomsg info = { .ifi_index = index, .ifi_flags = l->flags, .ifi_change = CARRIED };
	struct nl_msg m;

	if (!index)
		return 0;
	nl_begin(&m, RTM_SETLINK, 0, &info, sizeof(info));
	if (l->mtu)
		nl_put_u32(&m, IFLA_MTU, l->mtu);
	if (l->queue)
		nl_put_u32(&m, IFLA_TXQLEN, l->queue);
	if (*l->alias)
		nl_put(&m, IFLA_IFALIAS, l->alias, strlen(l->alias));
	if (nl_do(nl, &m, NULL) < 0)
		return -1;
	apply_names(nl, l, index);
	apply_discipline(nl, l, index);
	return 0;
}

int links_apply(const struct links *l, int ns_fd, struct err *e)
{
	own_nl struct nl nl = NL_INIT;

	if (nl_open(&nl, ns_fd, e) < 0)
		return -1;
	for (size_t i = 0; i < l->n; i++) {
		if (apply_link(&nl, &l->v[i]) < 0)
			return err_sys(e, "cannot set up the interface %s", l->v[i].name);
	}
	for (size_t i = 0; i < l->fixed.n; i++) {
		const struct neigh *n = &l->fixed.v[i];
		int index = netdev_index(&nl, n->dev);

		if (index && neigh_set(&nl, index, &n->ip, n->mac) < 0)
			return err_sys(e, "cannot fix a neighbour of %s", n->dev);
	}
	return 0;
}

/* ---- the wire ---- */

void links_put(struct buf *b, const struct links *l)
{
	buf_put_u32(b, (uint32_t)l->n);
	for (size_t i = 0; i < l->n; i++) {
		const struct link_of *k = &l->v[i];

		buf_put_str(b, k->name);
		buf_put_u32(b, k->mtu);
		buf_put_u32(b, k->queue);
		buf_put_u32(b, k->flags);
		buf_put_str(b, k->alias);
		buf_put_u32(b, (uint32_t)k->names.n);
		for (size_t n = 0; n < k->names.n; n++)
			buf_put_str(b, k->names.item[n]);
		buf_put_str(b, k->discipline);
		buf_put_u32(b, k->handle);
		buf_put_bytes(b, k->options.data, k->options.len);
	}
	neighs_put(b, &l->fixed);
}

static void get_link(struct reader *r, struct link_of *k)
{
	const uint8_t *options;
	uint32_t n;
	size_t len;

	get_str_into(r, k->name, sizeof(k->name));
	k->mtu = get_u32(r);
	k->queue = get_u32(r);
	k->flags = get_u32(r);
	r->bad |= (k->flags & ~(uint32_t)CARRIED) != 0;
	k->alias = get_str(r, ALIAS_MAX);
	n = get_u32(r);
	r->bad |= n > NAMES_MAX;
	for (uint32_t i = 0; i < n && !r->bad; i++) {
		own_free char *name = get_str(r, NAME_MAX_LEN);

		strv_add(&k->names, name);
	}
	get_str_into(r, k->discipline, sizeof(k->discipline));
	k->handle = get_u32(r);
	options = get_bytes(r, OPTIONS_MAX, &len);
	if (options && len)
		buf_put(&k->options, options, len);
}

void links_get(struct reader *r, struct links *l)
{
	uint32_t n = get_u32(r);

	*l = (struct links)LINKS_INIT;
	r->bad |= n > LINKS_MAX;
	for (uint32_t i = 0; i < n && !r->bad; i++) {
		l->v = xrealloc(l->v, (l->n + 1) * sizeof(*l->v));
		l->v[l->n] = (struct link_of){ .mtu = 0 };
		get_link(r, &l->v[l->n++]);
	}
	if (!r->bad && neighs_get(r, &l->fixed, NULL) < 0)
		r->bad = true;
}
