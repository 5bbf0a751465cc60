/* SPDX-License-Identifier: MIT */
/*
 * net/announce.h - telling the neighbours that an address lives behind another MAC now:
 * gratuitous ARP, as request and as reply (some believe only one of them), or an
 * unsolicited neighbour advertisement with the override bit.  RFC 826, 5227, 4861.
 */
#ifndef NET_ANNOUNCE_H
#define NET_ANNOUNCE_H

#include "net/ip.h"

/* Builds one frame; `kind` 0 or 1 for IPv4 (request, reply), 0 for IPv6.  Returns its
 * length, 0 when there is no such kind. */
enum { ANNOUNCE_MAX_FRAME = 96 };
size_t announce_frame(uint8_t out[static ANNOUNCE_MAX_FRAME], const struct ip *ip,
		      const uint8_t mac[static 6], int kind);

/* Fills in the checksum of the ICMPv6 message of icmp_len bytes behind an Ethernet and an IPv6 header. */
void announce_icmp6_checksum(uint8_t *frame, size_t icmp_len);

/* A packet socket of the calling thread's network namespace; -1 with errno. */
int announce_open(void);
/* The kernel waits for all its packet handlers (10 ms) when such a socket is closed: done by
 * a thread of its own.  *fd becomes -1. */
void announce_close(int *fd);
#define own_announce __attribute__((cleanup(announce_close)))
/* Sends every kind out of interface `dev`.  0, or -1 with errno. */
int announce_send(int fd, int dev, const struct ip *ip, const uint8_t mac[static 6]);

#endif
