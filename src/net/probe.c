// SPDX-License-Identifier: MIT
#include "net/probe.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <net/if.h>
#include <netpacket/packet.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/own.h"
#include "net/announce.h"
#include "net/netdev.h"

enum { TABLE_MAX = 4 << 20 };

static size_t arp_question(uint8_t *f, const struct ip *ip, const struct ip *from, const uint8_t *mac)
{
	memset(f, 0xff, ETH_ALEN);
	memcpy(f + 6, mac, 6);
	put_be16(f + 12, ETH_P_ARP);
	put_be16(f + 14, 1); /* Ethernet */
	put_be16(f + 16, ETH_P_IP);
	f[18] = 6;
	f[19] = 4;
	put_be16(f + 20, 1); /* request */
	memcpy(f + 22, mac, 6);
	if (from->family == AF_INET)
		memcpy(f + 28, from->b, 4);
	memcpy(f + 38, ip->b, 4);
	return 42;
}

/* From the unspecified address to the solicited-node one: RFC 4862, 5.4.2. */
static size_t nd_question(uint8_t *f, const struct ip *ip, const uint8_t *mac)
{
	static const uint8_t group[13] = { 0xff, 0x02, [11] = 1, [12] = 0xff };
	uint8_t *ip6 = f + 14, *ns = f + 54;

	f[0] = f[1] = 0x33;
	f[2] = 0xff;
	memcpy(f + 3, ip->b + 13, 3);
	memcpy(f + 6, mac, 6);
	put_be16(f + 12, ETH_P_IPV6);
	ip6[0] = 0x60;
	put_be16(ip6 + 4, 24); /* payload */
	ip6[6] = 58;	       /* ICMPv6 */
	ip6[7] = 255;
	memcpy(ip6 + 24, group, 13);
	memcpy(ip6 + 37, ip->b + 13, 3);
	ns[0] = 135;
	memcpy(ns + 8, ip->b, 16);
	announce_icmp6_checksum(f, 24);
	return 78;
}

size_t probe_frame(uint8_t out[static PROBE_MAX_FRAME], const struct ip *ip, const struct ip *from,
		   const uint8_t mac[static 6])
{
	memset(out, 0, PROBE_MAX_FRAME);
	if (ip->family == AF_INET)
		return arp_question(out, ip, from, mac);
	return ip->family == AF_INET6 ? nd_question(out, ip, mac) : 0;
}

bool probe_is_answer(const uint8_t *f, size_t len, const struct ip *ip, uint8_t mac[static 6])
{
	memcpy(mac, f + (len >= 12 ? 6 : 0), len >= 12 ? 6 : 0);
	if (ip->family == AF_INET) {
		/* his announcements and questions say it as well as an answer */
		bool it = len >= 42 && be16_at(f + 12) == ETH_P_ARP && memcmp(f + 28, ip->b, 4) == 0;

		if (it)
			memcpy(mac, f + 22, 6);
		return it;
	}
	return len >= 78 && be16_at(f + 12) == ETH_P_IPV6 && f[20] == 58 && f[54] == 136 &&
	       memcmp(f + 62, ip->b, 16) == 0;
}

/* Only neighbour advertisements: a busy server's other packets would fill the socket. */
static int only_advertisements(int fd)
{
	static struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 20),		  BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 58, 0, 3),
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 54),		  BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 136, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, PROBE_MAX_FRAME),	  BPF_STMT(BPF_RET | BPF_K, 0),
	};
	const struct sock_fprog program = { array_len(code), code };

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
}

int probe_begin(struct probe *p, struct err *e)
{
	*p = (struct probe)PROBE_INIT;
	p->arp = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, htons(ETH_P_ARP));
	p->nd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, htons(ETH_P_IPV6));
	if (p->arp >= 0 && p->nd >= 0 && only_advertisements(p->nd) == 0)
		return 0;
	err_sys(e, "cannot ask the network for addresses");
	probe_fini(p);
	return -1;
}

void probe_fini(struct probe *p)
{
	announce_close(&p->arp);
	announce_close(&p->nd);
}

/* Our IPv4 address on that interface. */
static void own_address(int dev, struct ip *out)
{
	char name[IF_NAMESIZE];
	struct ifaddrs *all;

	out->family = 0;
	if (!if_indextoname((unsigned)dev, name) || getifaddrs(&all) < 0)
		return;
	for (const struct ifaddrs *a = all; a; a = a->ifa_next) {
		if (out->family || !a->ifa_addr || a->ifa_addr->sa_family != AF_INET || strcmp(a->ifa_name, name) != 0)
			continue;
		out->family = AF_INET;
		memcpy(out->b, &((const struct sockaddr_in *)(const void *)a->ifa_addr)->sin_addr, 4);
	}
	freeifaddrs(all);
}

static void send_question(const struct probe *p, const struct probe_target *t)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_ifindex = t->dev, .sll_halen = 6 };
	own_nl struct nl nl = NL_INIT;
	uint8_t frame[PROBE_MAX_FRAME], mac[6];
	struct ip from;

	if (nl_open(&nl, -1, NULL) < 0 || netdev_mac(&nl, t->dev, mac) < 0)
		return;
	own_address(t->dev, &from);
	if (sendto(t->ip.family == AF_INET ? p->arp : p->nd, frame, probe_frame(frame, &t->ip, &from, mac), 0,
		   (struct sockaddr *)&to, sizeof(to)) < 0)
		return; /* an interface that is down has no neighbours */
}

void probe_ask(struct probe *p, const struct ip *ip, int dev)
{
	if (p->n == PROBE_MAX)
		return;
	p->target[p->n] = (struct probe_target){ *ip, dev };
	send_question(p, &p->target[p->n++]);
	if (!p->until)
		p->until = clock_deadline(PROBE_WAIT_MS);
}

void probe_repeat(struct probe *p)
{
	for (size_t i = 0; i < p->n; i++)
		send_question(p, &p->target[i]);
}

/* Is that the MAC of the default gateway of that interface, as the kernel knows it, and `ip` not its own address? */
static bool is_gateway(int dev, const uint8_t mac[static 6], const struct ip *ip)
{
	own_free char *arp = NULL, *routes = NULL;
	char name[IF_NAMESIZE], known[18], line_dev[32];
	unsigned dest, via;

	mac_text(known, mac);
	if (ip->family != AF_INET || !if_indextoname((unsigned)dev, name) ||
	    file_read(AT_FDCWD, "/proc/net/arp", TABLE_MAX, &arp, NULL, NULL) < 0 ||
	    file_read(AT_FDCWD, "/proc/net/route", TABLE_MAX, &routes, NULL, NULL) < 0)
		return false;
	for (const char *at = strchr(routes, '\n'); at && at[1]; at = strchr(at + 1, '\n')) {
		own_free char *want = NULL;
		char gateway[INET_ADDRSTRLEN];

		if (sscanf(at + 1, "%31s %x %x", line_dev, &dest, &via) != 3 || dest || !via ||
		    strcmp(line_dev, name) != 0 || memcmp(&via, ip->b, 4) == 0)
			continue;
		inet_ntop(AF_INET, &via, gateway, sizeof(gateway));
		want = xasprintf("\n%s ", gateway);
		/* "IP address  HW type  Flags  HW address  Mask  Device" */
		const char *entry = strstr(arp, want), *end = entry ? strchr(entry + 1, '\n') : NULL;
		const char *found = entry ? strstr(entry, known) : NULL;

		if (found && (!end || found < end))
			return true;
	}
	return false;
}

static bool read_one(const struct probe *p, int fd, struct ip *ip, uint8_t mac[static 6])
{
	uint8_t frame[PROBE_MAX_FRAME];
	struct sockaddr_ll from = { 0 };
	socklen_t len = sizeof(from);
	ssize_t n;

	while ((n = recvfrom(fd, frame, sizeof(frame), 0, (struct sockaddr *)&from, &len)) > 0) {
		for (size_t i = 0; i < p->n && from.sll_pkttype != PACKET_OUTGOING; i++) {
			if (from.sll_ifindex != p->target[i].dev ||
			    !probe_is_answer(frame, (size_t)n, &p->target[i].ip, mac) ||
			    is_gateway(from.sll_ifindex, mac, &p->target[i].ip))
				continue;
			*ip = p->target[i].ip;
			return true;
		}
		len = sizeof(from);
	}
	return false;
}

bool probe_answered(struct probe *p, struct ip *ip, uint8_t mac[static 6])
{
	struct pollfd fds[] = { { .fd = p->arp, .events = POLLIN }, { .fd = p->nd, .events = POLLIN } };

	while (p->until) {
		int left = clock_left_ms(p->until);

		if (read_one(p, p->arp, ip, mac) || read_one(p, p->nd, ip, mac))
			return true;
		if (!left || poll(fds, 2, left) < 0)
			break;
	}
	return false;
}
