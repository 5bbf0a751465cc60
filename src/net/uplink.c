// SPDX-License-Identifier: MIT
#include "net/uplink.h"

#include <fcntl.h>
#include <ifaddrs.h>
#include <inttypes.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/own.h"
#include "base/spawn.h"
#include "net/netdev.h"
#include "net/sysctl.h"

static void set_add(struct nl *nl, struct uplink_set *s, int dev)
{
	for (size_t i = 0; i < s->n; i++) {
		if (s->dev[i] == dev)
			return;
	}
	if (!dev || s->n == UPLINK_MAX || netdev_mac(nl, dev, s->mac[s->n]) < 0)
		return;
	s->dev[s->n++] = dev;
}

/* The interface's own address with its prefix; family 0 when it is none of IP. */
static struct ip ip_of(const struct ifaddrs *a)
{
	struct ip ip = { .family = 0 };
	const uint8_t *mask;

	if (!a->ifa_addr || !a->ifa_netmask)
		return ip;
	if (a->ifa_addr->sa_family == AF_INET) {
		memcpy(ip.b, &((struct sockaddr_in *)(void *)a->ifa_addr)->sin_addr, 4);
		mask = (uint8_t *)&((struct sockaddr_in *)(void *)a->ifa_netmask)->sin_addr;
	} else if (a->ifa_addr->sa_family == AF_INET6) {
		memcpy(ip.b, &((struct sockaddr_in6 *)(void *)a->ifa_addr)->sin6_addr, 16);
		mask = (uint8_t *)&((struct sockaddr_in6 *)(void *)a->ifa_netmask)->sin6_addr;
	} else {
		return ip;
	}
	ip.family = a->ifa_addr->sa_family;
	for (size_t i = 0; i < ip_len(&ip); i++)
		ip.prefix = (uint8_t)(ip.prefix + __builtin_popcount(mask[i]));
	return ip;
}

static void by_own_addresses(struct nl *nl, const struct ip *ip, struct uplink_set *out)
{
	struct ifaddrs *all = NULL;

	if (getifaddrs(&all) < 0)
		return;
	for (struct ifaddrs *a = all; a; a = a->ifa_next) {
		struct ip own = ip_of(a);

		if (own.family && !(a->ifa_flags & IFF_LOOPBACK) && (a->ifa_flags & IFF_UP) &&
		    own.prefix < ip_len(&own) * 8 && ip_within(ip, &own))
			set_add(nl, out, (int)if_nametoindex(a->ifa_name));
	}
	freeifaddrs(all);
}

void uplink_of(struct nl *nl, const struct strv *named, const struct ip *ip, struct uplink_set *out)
{
	/* addresses for documentation: nobody has a route to them but the default one */
	static const struct ip elsewhere[2] = {
		{ .family = AF_INET, .prefix = 32, .b = { 192, 0, 2, 1 } },
		{ .family = AF_INET6, .prefix = 128, .b = { 0x20, 0x01, 0x0d, 0xb8, [15] = 1 } },
	};

	memset(out, 0, sizeof(*out));
	for (size_t i = 0; i < named->n; i++)
		set_add(nl, out, (int)if_nametoindex(named->item[i]));
	if (named->n)
		return;
	by_own_addresses(nl, ip, out);
	if (!out->n)
		set_add(nl, out, route_lookup(nl, &elsewhere[ip->family == AF_INET6]));
}

static void prepare_one(const char *dev)
{
	char path[128];

	snprintf(path, sizeof(path), "net/ipv4/neigh/%s/proxy_delay", dev);
	sysctl_try(path, "0");
	snprintf(path, sizeof(path), "net/ipv6/neigh/%s/proxy_delay", dev);
	sysctl_try(path, "0");
	snprintf(path, sizeof(path), "net/ipv6/conf/%s/proxy_ndp", dev);
	sysctl_try(path, "1");
	/* 1 would mean: no more of them once we forward */
	snprintf(path, sizeof(path), "net/ipv6/conf/%s/accept_ra", dev);
	if (sysctl_number(path, 0) == 1)
		sysctl_try(path, "2");
}

static bool is_ours(const char *dev)
{
	return strncmp(dev, "venet", 5) == 0 || strncmp(dev, "veth", 4) == 0 || strcmp(dev, "lo") == 0;
}

int uplink_prepare(const struct strv *named, struct err *e)
{
	struct if_nameindex *all = if_nameindex();

	for (struct if_nameindex *d = all; d && d->if_index; d++) {
		if (named->n ? strv_has(named, d->if_name) : !is_ours(d->if_name))
			prepare_one(d->if_name);
	}
	if_freenameindex(all);
	if (sysctl_number("net/ipv6/conf/all/forwarding", 1) == 0)
		sysctl_try("net/ipv6/conf/all/forwarding", "1");
	if (sysctl_set("net/ipv4/ip_forward", "1", e) < 0)
		return err_wrap(e, "the host does not forward");
	return 0;
}

int uplink_may_forward(struct err *e)
{
	own_fd int fd = -1;

	if (sysctl_number("net/ipv4/ip_forward", 0) == 1)
		return 0;
	fd = open("/proc/sys/net/ipv4/ip_forward", O_WRONLY | O_CLOEXEC);
	return fd >= 0 ? 0 : err_sys(e, "the host does not forward: cannot set net/ipv4/ip_forward");
}

static int shape_one(const char *netns, const char *dev, const char *rate, struct err *e)
{
	struct spawn s = SPAWN_INIT(spawn_argv("tc", "qdisc", "replace", "dev", dev, "root", "tbf",
					       "rate", rate, "burst", "64kb", "latency", "50ms"));
	own_child struct child c = CHILD_INIT;
	int status;

	s.netns = netns;
	if (child_start(&c, &s, e) < 0 || child_wait(&c, 10000, &status, e) < 0)
		return -1;
	return status ? child_err(&c, status, e) : 0;
}

void rate_shape(int ns_fd, const char *host_dev, const char *inside_dev, uint64_t rate_bps)
{
	own_free char *rate = xasprintf("%" PRIu64 "bit", rate_bps * 8);
	own_free char *netns = xasprintf("/proc/self/fd/%d", ns_fd);
	struct err e = ERR_INIT;

	if (shape_one(NULL, host_dev, rate, &e) < 0 || shape_one(netns, inside_dev, rate, &e) < 0)
		log_warn("the rate of %s is not shaped: %s", host_dev, e.msg);
}
