// SPDX-License-Identifier: MIT
#include "net/announce.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <netpacket/packet.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"

static size_t arp_frame(uint8_t *f, const struct ip *ip, const uint8_t *mac, int kind)
{
	memset(f, 0xff, ETH_ALEN);
	memcpy(f + 6, mac, 6);
	put_be16(f + 12, ETH_P_ARP);
	put_be16(f + 14, 1);	    /* Ethernet */
	put_be16(f + 16, ETH_P_IP);
	f[18] = 6;
	f[19] = 4;
	put_be16(f + 20, (uint16_t)(kind + 1));
	memcpy(f + 22, mac, 6);
	memcpy(f + 28, ip->b, 4);
	memset(f + 32, kind ? 0xff : 0, 6);
	memcpy(f + 38, ip->b, 4);
	return 42;
}

static uint16_t checksum(const uint8_t *p, size_t n, uint32_t sum)
{
	for (size_t i = 0; i + 1 < n; i += 2)
		sum += be16_at(p + i);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

void announce_icmp6_checksum(uint8_t *frame, size_t icmp_len)
{
	/* pseudo header: both addresses stand before it; length and next header are added */
	put_be16(frame + 56, checksum(frame + 22, 32 + icmp_len, (uint32_t)icmp_len + 58));
}

static size_t na_frame(uint8_t *f, const struct ip *ip, const uint8_t *mac)
{
	static const uint8_t all_nodes_mac[6] = { 0x33, 0x33, 0, 0, 0, 1 };
	uint8_t *ip6 = f + 14, *na = f + 54;

	memcpy(f, all_nodes_mac, 6);
	memcpy(f + 6, mac, 6);
	put_be16(f + 12, ETH_P_IPV6);
	ip6[0] = 0x60;
	put_be16(ip6 + 4, 32); /* payload */
	ip6[6] = 58;	       /* ICMPv6 */
	ip6[7] = 255;
	memcpy(ip6 + 8, ip->b, 16);
	ip6[24] = 0xff;
	ip6[25] = 0x02;
	ip6[39] = 1;
	na[0] = 136;
	na[4] = 0x20; /* override */
	memcpy(na + 8, ip->b, 16);
	na[24] = 2; /* target link-layer address */
	na[25] = 1;
	memcpy(na + 26, mac, 6);
	announce_icmp6_checksum(f, 32);
	return 86;
}

size_t announce_frame(uint8_t out[static ANNOUNCE_MAX_FRAME], const struct ip *ip,
		      const uint8_t mac[static 6], int kind)
{
	memset(out, 0, ANNOUNCE_MAX_FRAME);
	if (ip->family == AF_INET && kind < 2)
		return arp_frame(out, ip, mac, kind);
	return ip->family == AF_INET6 && kind == 0 ? na_frame(out, ip, mac) : 0;
}

int announce_open(void)
{
	/* protocol 0: it receives nothing */
	return socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
}

static void *close_it(void *arg)
{
	close((int)(intptr_t)arg);
	return NULL;
}

void announce_close(int *fd)
{
	pthread_attr_t attr;
	pthread_t thread;
	bool started = false;

	if (*fd >= 0 && pthread_attr_init(&attr) == 0) {
		pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
		started = pthread_create(&thread, &attr, close_it, (void *)(intptr_t)*fd) == 0;
		pthread_attr_destroy(&attr);
	}
	if (*fd >= 0 && !started)
		close(*fd);
	*fd = -1;
}

int announce_send(int fd, int dev, const struct ip *ip, const uint8_t mac[static 6])
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_ifindex = dev, .sll_halen = 6 };
	uint8_t frame[ANNOUNCE_MAX_FRAME];
	size_t len;

	for (int kind = 0; (len = announce_frame(frame, ip, mac, kind)); kind++) {
		if (sendto(fd, frame, len, 0, (struct sockaddr *)&to, sizeof(to)) < 0)
			return -1;
	}
	return 0;
}
