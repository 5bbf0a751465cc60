// SPDX-License-Identifier: MIT
#include "net/netdev.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>

int netdev_index(struct nl *nl, const char *name)
{
	struct ifinfomsg info = { .ifi_family = AF_UNSPEC };
	struct nl_msg m, reply;

	nl_begin(&m, RTM_GETLINK, 0, &info, sizeof(info));
	nl_put_text(&m, IFLA_IFNAME, name);
	/* without statistics and VF lists, so that the answer fits */
	nl_put_u32(&m, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	if (nl_do(nl, &m, &reply) < 0 || !reply.head.nlmsg_len)
		return 0;
	memcpy(&info, NLMSG_DATA(&reply.head), sizeof(info));
	return info.ifi_index;
}

int netdev_mac(struct nl *nl, int index, uint8_t mac[static 6])
{
	struct ifinfomsg info = { .ifi_index = index };
	struct nl_msg m, reply;
	const void *found;

	nl_begin(&m, RTM_GETLINK, 0, &info, sizeof(info));
	nl_put_u32(&m, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	if (nl_do(nl, &m, &reply) < 0)
		return -1;
	found = nl_find(&reply, sizeof(info), IFLA_ADDRESS, 6);
	if (!found) {
		errno = ENODEV;
		return -1;
	}
	memcpy(mac, found, 6);
	return 0;
}

int netdev_make_veth(struct nl *nl, const char *name, const uint8_t mac[static 6],
		     const char *peer_name, const uint8_t peer_mac[static 6], int peer_ns)
{
	struct ifinfomsg info = { .ifi_family = AF_UNSPEC };
	size_t linkinfo, data, peer;
	struct nl_msg m;

	nl_begin(&m, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &info, sizeof(info));
	nl_put_text(&m, IFLA_IFNAME, name);
	nl_put(&m, IFLA_ADDRESS, mac, 6);
	linkinfo = nl_nest(&m, IFLA_LINKINFO);
	nl_put_text(&m, IFLA_INFO_KIND, "veth");
	data = nl_nest(&m, IFLA_INFO_DATA);
	peer = nl_nest(&m, VETH_INFO_PEER);
	/* the peer's attributes stand behind an ifinfomsg of its own */
	memcpy(m.bytes + m.head.nlmsg_len, &info, sizeof(info));
	m.head.nlmsg_len += (uint32_t)sizeof(info);
	nl_put_text(&m, IFLA_IFNAME, peer_name);
	nl_put(&m, IFLA_ADDRESS, peer_mac, 6);
	nl_put_u32(&m, IFLA_NET_NS_FD, (uint32_t)peer_ns);
	nl_nest_end(&m, peer);
	nl_nest_end(&m, data);
	nl_nest_end(&m, linkinfo);
	return nl_do(nl, &m, NULL);
}

int netdev_delete(struct nl *nl, int index)
{
	struct ifinfomsg info = { .ifi_index = index };
	struct nl_msg m;

	nl_begin(&m, RTM_DELLINK, 0, &info, sizeof(info));
	return nl_do(nl, &m, NULL);
}

int netdev_up(struct nl *nl, int index)
{
	struct ifinfomsg info = { .ifi_index = index, .ifi_flags = IFF_UP, .ifi_change = IFF_UP };
	struct nl_msg m;

	nl_begin(&m, RTM_NEWLINK, 0, &info, sizeof(info));
	return nl_do(nl, &m, NULL);
}

int netdev_set_master(struct nl *nl, int index, int master)
{
	struct ifinfomsg info = { .ifi_index = index };
	struct nl_msg m;

	nl_begin(&m, RTM_NEWLINK, 0, &info, sizeof(info));
	nl_put_u32(&m, IFLA_MASTER, (uint32_t)master);
	return nl_do(nl, &m, NULL);
}

int netdev_port_state(struct nl *nl, int index, enum port_state s)
{
	struct ifinfomsg info = { .ifi_family = AF_BRIDGE, .ifi_index = index };
	struct nl_msg m;
	size_t port;

	nl_begin(&m, RTM_SETLINK, 0, &info, sizeof(info));
	port = nl_nest(&m, IFLA_PROTINFO | NLA_F_NESTED);
	nl_put_u8(&m, IFLA_BRPORT_STATE, (uint8_t)s);
	nl_nest_end(&m, port);
	return nl_do(nl, &m, NULL);
}

static int address_change(struct nl *nl, uint16_t type, uint16_t flags, int index,
			  const struct ip *ip)
{
	struct ifaddrmsg info = {
		.ifa_family = (uint8_t)ip->family,
		.ifa_prefixlen = ip->prefix,
		.ifa_flags = IFA_F_PERMANENT | IFA_F_NODAD,
		.ifa_index = (uint32_t)index,
	};
	struct nl_msg m;

	nl_begin(&m, type, flags, &info, sizeof(info));
	nl_put(&m, IFA_LOCAL, ip->b, ip_len(ip));
	nl_put(&m, IFA_ADDRESS, ip->b, ip_len(ip));
	if (ip->family == AF_INET && ip->prefix < 31 && type == RTM_NEWADDR) {
		uint8_t broadcast[4];

		for (unsigned i = 0; i < 32; i++) {
			uint8_t bit = (uint8_t)(0x80 >> i % 8);

			if (i % 8 == 0)
				broadcast[i / 8] = ip->b[i / 8];
			if (i >= ip->prefix)
				broadcast[i / 8] |= bit;
		}
		nl_put(&m, IFA_BROADCAST, broadcast, 4);
	}
	return nl_do(nl, &m, NULL);
}

int netdev_add_address(struct nl *nl, int index, const struct ip *ip)
{
	return address_change(nl, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, index, ip);
}

int netdev_del_address(struct nl *nl, int index, const struct ip *ip)
{
	return address_change(nl, RTM_DELADDR, 0, index, ip);
}

static struct rtmsg host_route(const struct ip *ip)
{
	return (struct rtmsg){
		.rtm_family = (uint8_t)ip->family,
		.rtm_dst_len = (uint8_t)(ip_len(ip) * 8),
		.rtm_table = RT_TABLE_MAIN,
		.rtm_protocol = RTPROT_STATIC,
		.rtm_type = RTN_UNICAST,
	};
}

int route_del_host(struct nl *nl, const struct ip *ip)
{
	struct rtmsg info = host_route(ip);
	struct nl_msg m;

	/* whatever made it, wherever it leads */
	info.rtm_protocol = RTPROT_UNSPEC;
	info.rtm_type = RTN_UNSPEC;
	info.rtm_scope = RT_SCOPE_NOWHERE;
	nl_begin(&m, RTM_DELROUTE, 0, &info, sizeof(info));
	nl_put(&m, RTA_DST, ip->b, ip_len(ip));
	return nl_do(nl, &m, NULL);
}

int route_set_host(struct nl *nl, const struct ip *ip, int dev)
{
	struct rtmsg info = host_route(ip);
	uint16_t flags = NLM_F_CREATE | NLM_F_REPLACE;
	struct nl_msg m;

	/* IPv6 replaces only routes of the same kind */
	if (ip->family == AF_INET6 && route_del_host(nl, ip) < 0 && errno != ESRCH)
		return -1;
	if (!dev)
		info.rtm_type = RTN_BLACKHOLE;
	else if (ip->family == AF_INET)
		info.rtm_scope = RT_SCOPE_LINK;
	nl_begin(&m, RTM_NEWROUTE, flags, &info, sizeof(info));
	nl_put(&m, RTA_DST, ip->b, ip_len(ip));
	if (dev)
		nl_put_u32(&m, RTA_OIF, (uint32_t)dev);
	return nl_do(nl, &m, NULL);
}

int route_set_gateway(struct nl *nl, const struct ip *gw, int dev)
{
	struct rtmsg info = host_route(gw);
	struct nl_msg m;

	if (route_set_host(nl, gw, dev) < 0)
		return -1;
	info.rtm_dst_len = 0;
	nl_begin(&m, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, &info, sizeof(info));
	nl_put(&m, RTA_GATEWAY, gw->b, ip_len(gw));
	nl_put_u32(&m, RTA_OIF, (uint32_t)dev);
	return nl_do(nl, &m, NULL);
}

int route_lookup(struct nl *nl, const struct ip *ip)
{
	struct rtmsg info = { .rtm_family = (uint8_t)ip->family,
			      .rtm_dst_len = (uint8_t)(ip_len(ip) * 8) };
	struct nl_msg m, reply;
	const void *oif;
	uint32_t index;

	nl_begin(&m, RTM_GETROUTE, 0, &info, sizeof(info));
	nl_put(&m, RTA_DST, ip->b, ip_len(ip));
	if (nl_do(nl, &m, &reply) < 0 || !reply.head.nlmsg_len)
		return 0;
	oif = nl_find(&reply, sizeof(info), RTA_OIF, sizeof(index));
	if (!oif)
		return 0;
	memcpy(&index, oif, sizeof(index));
	return (int)index;
}

static int neigh_put(struct nl *nl, int dev, uint16_t state, const struct ip *ip,
		     const uint8_t mac[static 6])
{
	struct ndmsg info = { .ndm_family = (uint8_t)ip->family, .ndm_ifindex = dev,
			      .ndm_state = state, .ndm_type = RTN_UNICAST };
	struct nl_msg m;

	nl_begin(&m, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, &info, sizeof(info));
	nl_put(&m, NDA_DST, ip->b, ip_len(ip));
	nl_put(&m, NDA_LLADDR, mac, 6);
	return nl_do(nl, &m, NULL);
}

int neigh_set(struct nl *nl, int dev, const struct ip *ip, const uint8_t mac[static 6])
{
	return neigh_put(nl, dev, NUD_PERMANENT, ip, mac);
}

int neigh_set_stale(struct nl *nl, int dev, const struct ip *ip, const uint8_t mac[static 6])
{
	return neigh_put(nl, dev, NUD_STALE, ip, mac);
}

static int proxy_change(struct nl *nl, uint16_t type, uint16_t flags, int dev,
			const struct ip *ip)
{
	struct ndmsg info = { .ndm_family = (uint8_t)ip->family, .ndm_ifindex = dev,
			      .ndm_state = NUD_PERMANENT, .ndm_flags = NTF_PROXY };
	struct nl_msg m;

	nl_begin(&m, type, flags, &info, sizeof(info));
	nl_put(&m, NDA_DST, ip->b, ip_len(ip));
	return nl_do(nl, &m, NULL);
}

int neigh_proxy_add(struct nl *nl, int dev, const struct ip *ip)
{
	return proxy_change(nl, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, dev, ip);
}

int neigh_proxy_del(struct nl *nl, int dev, const struct ip *ip)
{
	return proxy_change(nl, RTM_DELNEIGH, 0, dev, ip);
}
