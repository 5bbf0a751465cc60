// SPDX-License-Identifier: MIT
#include "net/state/ctnet.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/own.h"
#include "net/announce.h"
#include "net/netdev.h"
#include "net/sysctl.h"
#include "net/traffic/closed.h"
#include "net/uplink.h"

enum { CARRIER_MS = 2000 };

static const uint8_t GATEWAY_MAC[6] = { 0x02, 0x76, 0x7a, 0x00, 0x00, 0x01 };
static const struct ip GATEWAY[2] = {
	{ .family = AF_INET, .prefix = 32, .b = { 169, 254, 1, 1 } },
	{ .family = AF_INET6, .prefix = 128, .b = { 0xfe, 0x80, [15] = 1 } },
};

void ctnet_fini(struct ctnet *n)
{
	free(n->netns);
	for (size_t i = 0; i < n->n; i++)
		free(n->ifs[i].addr);
	free(n->ifs);
	strv_fini(&n->uplinks);
	*n = (struct ctnet)CTNET_INIT;
}

static bool is_routed(const struct ctnet_if *i)
{
	return !i->bridge[0];
}

/* Both ends of the work: netlink here and in the container's namespace. */
struct ends {
	int ns_fd;
	struct nl here, there;
};

#define ENDS_INIT { .ns_fd = -1, .here = NL_INIT, .there = NL_INIT }
#define own_ends __attribute__((cleanup(ends_close)))

static void ends_close(struct ends *x)
{
	close_fd(&x->ns_fd);
	nl_close(&x->here);
	nl_close(&x->there);
}

static int ends_open(struct ends *x, const char *netns, struct err *e)
{
	x->ns_fd = open(netns, O_RDONLY | O_CLOEXEC);
	if (x->ns_fd < 0)
		return err_sys(e, "cannot open %s", netns);
	return nl_open(&x->here, -1, e) < 0 || nl_open(&x->there, x->ns_fd, e) < 0 ? -1 : 0;
}

bool ctnet_exists(const struct ctnet *n)
{
	return access(n->netns, F_OK) == 0;
}

/* ---- making ------------------------------------------------------------------------ */

/* Before any interface: nothing shall be sent by itself. */
static int quieten(void *arg)
{
	const struct ctnet *n = arg;

	if (!n->keep_mptcp)
		sysctl_try("net/mptcp/enabled", "0");
	sysctl_try("net/ipv6/conf/default/accept_dad", "0");
	sysctl_try("net/ipv6/conf/default/addr_gen_mode", "1");
	return 0;
}

/* Closed now: bridged interfaces, and those that the container makes itself, may have
 * their link-local addresses. */
static int unquieten(void *arg)
{
	const struct ctnet *n = arg;
	char path[128];

	sysctl_try("net/ipv6/conf/default/addr_gen_mode", "0");
	for (size_t i = 0; i < n->n; i++) {
		if (is_routed(&n->ifs[i]))
			continue;
		snprintf(path, sizeof(path), "net/ipv6/conf/%s/addr_gen_mode", n->ifs[i].name);
		sysctl_try(path, "0");
	}
	return 0;
}

static int set_address(struct ends *x, int dev, const struct ctnet_if *i, const struct ip *ip)
{
	struct ip whole = *ip;

	if (is_routed(i))
		whole.prefix = (uint8_t)(ip_len(ip) * 8);
	return netdev_add_address(&x->there, dev, &whole);
}

static int routed_gateway(struct ends *x, int dev, const struct ctnet_if *i)
{
	for (size_t f = 0; f < array_len(GATEWAY); f++) {
		bool used = false;

		for (size_t k = 0; k < i->n_addr; k++)
			used = used || i->addr[k].family == GATEWAY[f].family;
		if (used && (neigh_set(&x->there, dev, &GATEWAY[f], GATEWAY_MAC) < 0 ||
			     route_set_gateway(&x->there, &GATEWAY[f], dev) < 0))
			return -1;
	}
	return 0;
}

static int bridged_gateway(struct ends *x, int dev, const struct ctnet_if *i)
{
	if (i->gw4.family && route_set_gateway(&x->there, &i->gw4, dev) < 0)
		return -1;
	return i->gw6.family ? route_set_gateway(&x->there, &i->gw6, dev) : 0;
}

/* Nothing comes through from an address that is not the container's. */
static void strict(const char *dev)
{
	char path[128];

	snprintf(path, sizeof(path), "net/ipv4/conf/%s/rp_filter", dev);
	sysctl_try(path, "1");
}

static void set_host_end(const char *dev)
{
	char path[128];

	strict(dev);
	snprintf(path, sizeof(path), "net/ipv6/conf/%s/addr_gen_mode", dev);
	sysctl_try(path, "1");
	snprintf(path, sizeof(path), "net/ipv6/conf/%s/accept_ra", dev);
	sysctl_try(path, "0");
}

/* A carrier is noticed a moment after both ends are up, and then a bridge opens the port by
 * itself: that must have been before it is closed. */
static void wait_carrier(const char *dev)
{
	own_fd int sk = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq ifr = { .ifr_flags = 0 };

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", dev);
	for (int ms = 0; ms < CARRIER_MS; ms++) {
		if (sk < 0 || ioctl(sk, SIOCGIFFLAGS, &ifr) < 0 || (ifr.ifr_flags & IFF_RUNNING))
			return;
		clock_sleep_ms(1);
	}
}

/* With its carrier, and disabled at once: what the container's end says when it comes up
 * would tell the network that its address is here. */
static int join_bridge(struct ends *x, int host, int inside, const struct ctnet_if *i)
{
	int bridge = netdev_index(&x->here, i->bridge);

	if (!bridge) {
		errno = ENODEV;
		return -1;
	}
	if (netdev_up(&x->here, host) < 0 || netdev_up(&x->there, inside) < 0)
		return -1;
	wait_carrier(i->host_name);
	return netdev_set_master(&x->here, host, bridge) < 0 ||
			       netdev_port_state(&x->here, host, PORT_DISABLED) < 0 ? -1 : 0;
}

static int make_interface(struct ends *x, const struct ctnet_if *i, struct err *e)
{
	uint8_t host_mac[6];
	int host, inside;

	memcpy(host_mac, is_routed(i) ? GATEWAY_MAC : i->mac, 6);
	if (!is_routed(i))
		host_mac[0] = 0xfe; /* a bridge takes the lowest MAC of its ports: not this */
	if (netdev_make_veth(&x->here, i->host_name, host_mac, i->name, i->mac, x->ns_fd) < 0)
		return err_sys(e, "cannot make the interface %s", i->host_name);
	host = netdev_index(&x->here, i->host_name);
	inside = netdev_index(&x->there, i->name);
	set_host_end(i->host_name);
	if (!is_routed(i) && join_bridge(x, host, inside, i) < 0)
		return err_sys(e, "cannot join %s to the bridge %s", i->host_name, i->bridge);
	if (is_routed(i) && (netdev_up(&x->here, host) < 0 || netdev_up(&x->there, inside) < 0))
		return err_sys(e, "cannot bring %s up", i->host_name);
	for (size_t k = 0; k < i->n_addr; k++) {
		if (set_address(x, inside, i, &i->addr[k]) < 0 ||
		    (is_routed(i) && neigh_set(&x->here, host, &i->addr[k], i->mac) < 0))
			return err_sys(e, "cannot give %s its address", i->name);
	}
	if ((is_routed(i) ? routed_gateway : bridged_gateway)(x, inside, i) < 0)
		return err_sys(e, "cannot set the gateway of %s", i->name);
	if (i->rate_bps)
		rate_shape(x->ns_fd, i->host_name, i->name, i->rate_bps);
	return 0;
}

static int make_all(const struct ctnet *n, struct err *e)
{
	own_ends struct ends x = ENDS_INIT;

	if (ends_open(&x, n->netns, e) < 0 || netns_call(x.ns_fd, quieten, (void *)(uintptr_t)n, e) < 0)
		return -1;
	if (netdev_up(&x.there, 1) < 0)
		return err_sys(e, "cannot bring the loopback interface up");
	for (size_t i = 0; i < n->n; i++) {
		if (make_interface(&x, &n->ifs[i], e) < 0)
			return -1;
	}
	return netns_call(x.ns_fd, unquieten, (void *)(uintptr_t)n, e);
}

int ctnet_prepare(const struct ctnet *n, struct err *e)
{
	bool routed = false;

	for (size_t i = 0; i < n->n; i++)
		routed = routed || is_routed(&n->ifs[i]);
	if (routed && (n->rehearsal ? uplink_may_forward(e) : uplink_prepare(&n->uplinks, e)) < 0)
		return -1;
	if (netns_make(n->netns, e) < 0)
		return -1;
	if (make_all(n, e) < 0) {
		ctnet_remove(n, NULL);
		return -1;
	}
	return 0;
}

/* ---- the switch -------------------------------------------------------------------- */

/* Somebody else's route to that very address? */
static bool taken_by_other(struct nl *nl, const struct ip *ip, int dev, char name[static IFNAMSIZ])
{
	int now = route_lookup(nl, ip);

	return now && now != dev && if_indextoname((unsigned)now, name) &&
	       (strncmp(name, "venet", 5) == 0 || strncmp(name, "veth", 4) == 0);
}

static int open_routed(struct nl *nl, int packet, const struct ctnet *n, const struct ctnet_if *i,
		       struct err *e)
{
	int dev = netdev_index(nl, i->host_name);
	char other[IFNAMSIZ], text[IP_TEXT_MAX];

	if (!dev)
		return err_set(e, ERR_SYS, "the interface %s is gone", i->host_name);
	strict(i->host_name); /* a death in the freeze may have left it otherwise (net/traffic/hold.h) */
	for (size_t k = 0; k < i->n_addr; k++) {
		struct uplink_set up;

		ip_text(text, &i->addr[k]);
		if (taken_by_other(nl, &i->addr[k], dev, other))
			return err_set(e, ERR_IP_USED, "the address %s is in use on this server (%s)",
				       text, other);
		/* before our route hides the way */
		uplink_of(nl, &n->uplinks, &i->addr[k], &up);
		if (route_set_host(nl, &i->addr[k], dev) < 0)
			return err_sys(e, "cannot set the route to %s", text);
		for (size_t u = 0; u < up.n; u++) {
			if (neigh_proxy_add(nl, up.dev[u], &i->addr[k]) < 0)
				return err_sys(e, "cannot answer for %s", text);
			announce_send(packet, up.dev[u], &i->addr[k], up.mac[u]);
		}
	}
	return 0;
}

struct announce_inside {
	const struct ctnet_if *i;
	int dev;
};

static int announce_bridged(void *arg)
{
	const struct announce_inside *a = arg;
	own_announce int fd = announce_open();

	for (size_t k = 0; fd >= 0 && k < a->i->n_addr; k++)
		announce_send(fd, a->dev, &a->i->addr[k], a->i->mac);
	return 0;
}

static int open_bridged(struct nl *nl, const struct ctnet *n, const struct ctnet_if *i, struct err *e)
{
	own_ends struct ends x = ENDS_INIT;
	struct announce_inside a = { .i = i };

	if (ends_open(&x, n->netns, e) < 0)
		return -1;
	a.dev = netdev_index(&x.there, i->name);
	if (netdev_port_state(nl, netdev_index(nl, i->host_name), PORT_FORWARDING) < 0)
		return err_sys(e, "cannot open the bridge port %s", i->host_name);
	return netns_call(x.ns_fd, announce_bridged, &a, e);
}

int ctnet_open(const struct ctnet *n, struct err *e)
{
	own_nl struct nl nl = NL_INIT;
	own_announce int packet = announce_open();

	if (packet < 0)
		return err_sys(e, "cannot open a packet socket");
	if (nl_open(&nl, -1, e) < 0)
		return -1;
	for (size_t i = 0; i < n->n; i++) {
		if ((is_routed(&n->ifs[i]) ? open_routed(&nl, packet, n, &n->ifs[i], e) :
					     open_bridged(&nl, n, &n->ifs[i], e)) < 0) {
			ctnet_close(n, NULL);
			return -1;
		}
	}
	return 0;
}

/* Also interfaces that are no uplink any more are asked to forget the address. */
static void close_proxies(struct nl *nl, const struct ip *ip)
{
	struct if_nameindex *all = if_nameindex();

	for (struct if_nameindex *d = all; d && d->if_index; d++)
		neigh_proxy_del(nl, (int)d->if_index, ip);
	if_freenameindex(all);
}

/* Leaves the route alone that another container's interface has. */
static int close_routed(struct nl *nl, const struct ctnet_if *i, bool blackhole, struct err *e)
{
	int dev = netdev_index(nl, i->host_name);
	char other[IFNAMSIZ], text[IP_TEXT_MAX];

	for (size_t k = 0; k < i->n_addr; k++) {
		const struct ip *ip = &i->addr[k];

		if (taken_by_other(nl, ip, dev, other))
			continue;
		if ((blackhole ? route_set_host(nl, ip, 0) : route_del_host(nl, ip)) < 0 &&
		    errno != ESRCH) {
			ip_text(text, ip);
			return err_sys(e, "cannot close the route to %s", text);
		}
		close_proxies(nl, ip);
	}
	return 0;
}

static int close_bridged(struct nl *nl, const struct ctnet_if *i, struct err *e)
{
	int dev = netdev_index(nl, i->host_name);

	if (dev && netdev_port_state(nl, dev, PORT_DISABLED) < 0)
		return err_sys(e, "cannot close the bridge port %s", i->host_name);
	return 0;
}

int ctnet_close(const struct ctnet *n, struct err *e)
{
	own_nl struct nl nl = NL_INIT;

	if (nl_open(&nl, -1, e) < 0)
		return -1;
	for (size_t i = 0; i < n->n; i++) {
		if ((is_routed(&n->ifs[i]) ? close_routed(&nl, &n->ifs[i], true, e) :
					     close_bridged(&nl, &n->ifs[i], e)) < 0)
			return -1;
	}
	return 0;
}

int ctnet_remove(const struct ctnet *n, struct err *e)
{
	own_nl struct nl nl = NL_INIT;
	int ret = 0;

	closed_end(n->netns);
	if (nl_open(&nl, -1, e) < 0)
		return -1;
	for (size_t i = 0; i < n->n; i++) {
		int dev = netdev_index(&nl, n->ifs[i].host_name);

		if (is_routed(&n->ifs[i]) && close_routed(&nl, &n->ifs[i], false, ret ? NULL : e) < 0)
			ret = -1;
		if (dev && netdev_delete(&nl, dev) < 0 && ret == 0)
			ret = err_sys(e, "cannot remove the interface %s", n->ifs[i].host_name);
	}
	if (ret == 0)
		return netns_remove(n->netns, e);
	netns_remove(n->netns, NULL);
	return ret;
}

/* ---- while it runs ----------------------------------------------------------------- */

static bool has_address(const struct ctnet_if *i, const struct ip *ip)
{
	for (size_t k = 0; k < i->n_addr; k++) {
		if (ip_same(&i->addr[k], ip))
			return true;
	}
	return false;
}

/* Those of `a` that `b` has not; the addresses are the caller's to free. */
static struct ctnet_if missing_from(const struct ctnet_if *a, const struct ctnet_if *b)
{
	struct ctnet_if out = *a;

	out.addr = xcalloc(a->n_addr + 1, sizeof(*out.addr));
	out.n_addr = 0;
	for (size_t k = 0; k < a->n_addr; k++) {
		if (!has_address(b, &a->addr[k]))
			out.addr[out.n_addr++] = a->addr[k];
	}
	return out;
}

static int change_interface(struct ends *x, int packet, const struct ctnet *n,
			    const struct ctnet_if *from, const struct ctnet_if *to, struct err *e)
{
	struct ctnet_if gone = missing_from(from, to), fresh = missing_from(to, from);
	own_free struct ip *gone_addr = gone.addr, *fresh_addr = fresh.addr;
	int host = netdev_index(&x->here, to->host_name), inside = netdev_index(&x->there, to->name);

	if (is_routed(to) && close_routed(&x->here, &gone, false, e) < 0)
		return -1;
	for (size_t k = 0; k < gone.n_addr; k++) {
		struct ip whole = gone_addr[k];

		if (is_routed(to))
			whole.prefix = (uint8_t)(ip_len(&whole) * 8);
		netdev_del_address(&x->there, inside, &whole);
	}
	for (size_t k = 0; k < fresh.n_addr; k++) {
		if (set_address(x, inside, to, &fresh_addr[k]) < 0 ||
		    (is_routed(to) && neigh_set(&x->here, host, &fresh_addr[k], to->mac) < 0))
			return err_sys(e, "cannot give %s a new address", to->name);
	}
	if (is_routed(to))
		return routed_gateway(x, inside, to) < 0 ?
			       err_sys(e, "cannot set the gateway of %s", to->name) :
			       open_routed(&x->here, packet, n, &fresh, e);
	return 0;
}

int ctnet_change(const struct ctnet *from, const struct ctnet *to, struct err *e)
{
	own_ends struct ends x = ENDS_INIT;
	own_announce int packet = announce_open();

	if (ends_open(&x, to->netns, e) < 0)
		return -1;
	for (size_t i = 0; i < to->n && i < from->n; i++) {
		if (change_interface(&x, packet, to, &from->ifs[i], &to->ifs[i], e) < 0)
			return -1;
	}
	return 0;
}
