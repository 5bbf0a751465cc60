/* SPDX-License-Identifier: MIT */
/*
 * net/netdev.h - interfaces, their addresses, routes and neighbours, over a struct nl.
 * All of them: 0, or -1 with errno from the kernel.
 */
#ifndef NET_NETDEV_H
#define NET_NETDEV_H

#include "net/ip.h"
#include "net/netlink.h"

/* 0: there is none. */
int netdev_index(struct nl *nl, const char *name);
/* The hardware address; -1 with errno. */
int netdev_mac(struct nl *nl, int index, uint8_t mac[static 6]);

/* A veth pair: one end here, the other as peer_name in the namespace peer_ns.  Both down. */
int netdev_make_veth(struct nl *nl, const char *name, const uint8_t mac[static 6],
		     const char *peer_name, const uint8_t peer_mac[static 6], int peer_ns);
int netdev_delete(struct nl *nl, int index);
int netdev_up(struct nl *nl, int index);
int netdev_set_master(struct nl *nl, int index, int master);

/* Of a bridge's port: linux/if_bridge.h */
enum port_state { PORT_DISABLED = 0, PORT_FORWARDING = 3 };
int netdev_port_state(struct nl *nl, int index, enum port_state s);

/* No duplicate detection for IPv6. */
int netdev_add_address(struct nl *nl, int index, const struct ip *ip);
int netdev_del_address(struct nl *nl, int index, const struct ip *ip);

/* The route to one address.  dev 0: packets for it vanish (blackhole).  An older route is
 * replaced. */
int route_set_host(struct nl *nl, const struct ip *ip, int dev);
int route_del_host(struct nl *nl, const struct ip *ip);
/* on-link route to a gateway, and the default route by it */
int route_set_gateway(struct nl *nl, const struct ip *gw, int dev);
/* The interface that packets to ip would leave by; 0: none. */
int route_lookup(struct nl *nl, const struct ip *ip);

/* A fixed neighbour entry: no ARP or ND is ever needed. */
int neigh_set(struct nl *nl, int dev, const struct ip *ip, const uint8_t mac[static 6]);
/* One that is used at once and verified afterwards. */
int neigh_set_stale(struct nl *nl, int dev, const struct ip *ip, const uint8_t mac[static 6]);
/* We answer ARP or ND for ip on that interface. */
int neigh_proxy_add(struct nl *nl, int dev, const struct ip *ip);
int neigh_proxy_del(struct nl *nl, int dev, const struct ip *ip);

#endif
