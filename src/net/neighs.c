// SPDX-License-Identifier: MIT
#include "net/neighs.h"

#include <fcntl.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/own.h"
#include "net/netdev.h"

enum {
	NEIGHS_MAX = 1000,
	LEARNED = NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE,
};

void neighs_fini(struct neighs *l)
{
	free(l->v);
	*l = (struct neighs)NEIGHS_INIT;
}

/* One of the kernel's entries; runs in the namespace. */
static int take_entry(void *arg, const struct nlmsghdr *h)
{
	const struct nl_msg *m = (const struct nl_msg *)(const void *)h; /* not longer than it says */
	struct neighs *l = arg;
	struct ndmsg info;
	struct neigh one = { .ip = { .family = 0 } };
	const void *ip, *mac;

	if (!h) {
		l->n = 0;
		return 0;
	}
	if (m->head.nlmsg_type != RTM_NEWNEIGH || m->head.nlmsg_len < NLMSG_LENGTH(sizeof(info)) ||
	    l->n == NEIGHS_MAX)
		return 0;
	memcpy(&info, NLMSG_DATA(&m->head), sizeof(info));
	if ((info.ndm_family != AF_INET && info.ndm_family != AF_INET6) ||
	    !(info.ndm_state & LEARNED) || (info.ndm_flags & NTF_PROXY))
		return 0;
	one.ip.family = info.ndm_family;
	one.ip.prefix = (uint8_t)(ip_len(&one.ip) * 8);
	ip = nl_find(m, sizeof(info), NDA_DST, ip_len(&one.ip));
	mac = nl_find(m, sizeof(info), NDA_LLADDR, 6);
	if (!ip || !mac || !if_indextoname((unsigned)info.ndm_ifindex, one.dev))
		return 0;
	memcpy(one.ip.b, ip, ip_len(&one.ip));
	memcpy(one.mac, mac, 6);
	l->v = xrealloc(l->v, (l->n + 1) * sizeof(*l->v));
	l->v[l->n++] = one;
	return 0;
}

static int read_here(void *arg)
{
	struct ndmsg all = { .ndm_family = AF_UNSPEC };
	own_nl struct nl nl = NL_INIT;
	struct nl_msg m;

	nl_begin(&m, RTM_GETNEIGH, 0, &all, sizeof(all));
	return nl_open(&nl, -1, NULL) < 0 ? -1 : nl_dump(&nl, &m, take_entry, arg);
}

static int set_here(void *arg)
{
	const struct neighs *l = arg;
	own_nl struct nl nl = NL_INIT;

	if (nl_open(&nl, -1, NULL) < 0)
		return -1;
	for (size_t i = 0; i < l->n; i++) {
		unsigned dev = if_nametoindex(l->v[i].dev);

		if (dev && neigh_set_stale(&nl, (int)dev, &l->v[i].ip, l->v[i].mac) < 0)
			return -1;
	}
	return 0;
}

static int call_in(const char *netns, int (*fn)(void *), void *arg, struct err *e)
{
	own_fd int fd = open(netns, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(e, "cannot open %s", netns);
	return netns_call(fd, fn, arg, e);
}

int neighs_read(const char *netns, struct neighs *l, struct err *e)
{
	return call_in(netns, read_here, l, e) < 0 ? err_sys(e, "cannot list the neighbours in %s", netns)
						   : 0;
}

int neighs_set(const char *netns, const struct neighs *l, struct err *e)
{
	if (!l->n)
		return 0;
	return call_in(netns, set_here, (void *)(uintptr_t)l, e) < 0 ?
		       err_sys(e, "cannot set the neighbours in %s", netns) : 0;
}

void neighs_put(struct buf *b, const struct neighs *l)
{
	buf_put_u32(b, (uint32_t)l->n);
	for (size_t i = 0; i < l->n; i++) {
		buf_put_str(b, l->v[i].dev);
		buf_put_u8(b, l->v[i].ip.family == AF_INET ? 4 : 6);
		buf_put(b, l->v[i].ip.b, ip_len(&l->v[i].ip));
		buf_put(b, l->v[i].mac, 6);
	}
}

static void get_one(struct reader *r, struct neigh *one)
{
	const uint8_t *ip, *mac;
	uint8_t family;

	memset(one, 0, sizeof(*one));
	get_str_into(r, one->dev, sizeof(one->dev));
	family = get_u8(r);
	if (family != 4 && family != 6)
		r->bad = true;
	one->ip.family = family == 4 ? AF_INET : AF_INET6;
	one->ip.prefix = (uint8_t)(ip_len(&one->ip) * 8);
	ip = get_raw(r, ip_len(&one->ip));
	mac = get_raw(r, 6);
	if (r->bad || !ip || !mac)
		return;
	memcpy(one->ip.b, ip, ip_len(&one->ip));
	memcpy(one->mac, mac, 6);
}

int neighs_get(struct reader *r, struct neighs *l, struct err *e)
{
	uint32_t n = get_u32(r);

	if (n > NEIGHS_MAX)
		r->bad = true;
	l->v = xcalloc((r->bad ? 0 : n) + 1, sizeof(*l->v));
	for (l->n = 0; l->n < n && !r->bad; l->n++)
		get_one(r, &l->v[l->n]);
	if (!r->bad)
		return 0;
	neighs_fini(l);
	return err_set(e, ERR_PROTO, "the list of neighbours cannot be understood");
}
