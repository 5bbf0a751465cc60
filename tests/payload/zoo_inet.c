// SPDX-License-Identifier: MIT
/* UDP, TCP in its states, netlink, raw and packet sockets. */
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "zoo.h"

static struct sockaddr_in local(int port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons((uint16_t)port),
				     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

static int bound(int type, int port)
{
	struct sockaddr_in a = local(port);
	int fd = socket(AF_INET, type, 0), one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	return fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0 ? fd : -1;
}

static int connected(int type, int port)
{
	struct sockaddr_in a = local(port);
	int fd = socket(AF_INET, type, 0);

	int why;

	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0)
		return fd;
	why = errno;
	close(fd); /* or its other end would wait for it */
	errno = why;
	return -1;
}

static int option(int fd, int level, int name)
{
	int v = -1;
	socklen_t n = sizeof(v);

	return getsockopt(fd, level, name, &v, &n) == 0 ? v : -1;
}

/* ---- UDP ---- */

static int udp, udp_to, udp6;

static int udp_make(void)
{
	struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_port = htons(5006),
				    .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	int one = 1, ttl = 33, size = 50000;

	udp = bound(SOCK_DGRAM, 5005);
	udp_to = connected(SOCK_DGRAM, 5005);
	udp6 = socket(AF_INET6, SOCK_DGRAM, 0);
	NEED(udp >= 0 && udp_to >= 0 && udp6 >= 0, "socket");
	NEED(bind(udp6, (struct sockaddr *)&six, sizeof(six)) == 0, "bind");
	NEED(setsockopt(udp, SOL_SOCKET, SO_BROADCAST, &one, 4) == 0 &&
	     setsockopt(udp, SOL_IP, IP_TTL, &ttl, 4) == 0 &&
	     setsockopt(udp, SOL_IP, IP_PKTINFO, &one, 4) == 0 &&
	     setsockopt(udp, SOL_SOCKET, SO_RCVBUF, &size, 4) == 0, "setsockopt");
	return 0;
}

static int udp_check(void)
{
	struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_port = htons(5006),
				    .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	char buf[16];

	if (through(udp_to, udp, "datagram", "UDP") < 0)
		return -1;
	NEED(sendto(udp6, "six", 3, 0, (struct sockaddr *)&six, sizeof(six)) == 3 &&
	     readable(udp6, 2000) && recv(udp6, buf, 16, 0) == 3, "UDP over IPv6");
	NEED(option(udp, SOL_SOCKET, SO_BROADCAST) == 1, "SO_BROADCAST is lost");
	NEED(option(udp, SOL_IP, IP_TTL) == 33, "IP_TTL is %d", option(udp, SOL_IP, IP_TTL));
	NEED(option(udp, SOL_IP, IP_PKTINFO) == 1, "IP_PKTINFO is lost");
	NEED(option(udp, SOL_SOCKET, SO_RCVBUF) == 100000, "SO_RCVBUF is %d",
	     option(udp, SOL_SOCKET, SO_RCVBUF));
	return 0;
}

/* ---- TCP: content in both queues, half closed, closed by the peer, many options ---- */

static int server, a[2], half[2], ended[2];

static int tcp_pair(int pair[2])
{
	pair[0] = connected(SOCK_STREAM, 5008);
	pair[1] = pair[0] < 0 ? -1 : accept(server, NULL, NULL);
	return pair[1] < 0 ? -1 : 0;
}

static int tcp_make(void)
{
	int one = 1, idle = 77, size = 30000;

	server = bound(SOCK_STREAM, 5008);
	NEED(server >= 0 && listen(server, 7) == 0 && tcp_pair(a) == 0 && tcp_pair(half) == 0 &&
	     tcp_pair(ended) == 0, "connections");
	NEED(setsockopt(a[0], SOL_TCP, TCP_NODELAY, &one, 4) == 0 &&
	     setsockopt(a[0], SOL_SOCKET, SO_KEEPALIVE, &one, 4) == 0 &&
	     setsockopt(a[0], SOL_TCP, TCP_KEEPIDLE, &idle, 4) == 0 &&
	     setsockopt(a[0], SOL_SOCKET, SO_SNDBUF, &size, 4) == 0, "setsockopt");
	NEED(shutdown(half[0], SHUT_WR) == 0, "shutdown");
	NEED(send(ended[0], "farewell", 8, 0) == 8, "send");
	close(ended[0]);
	NEED(send(a[0], "queued", 6, 0) == 6, "send");
	return 0;
}

static int tcp_check(void)
{
	static bool farewell;
	char buf[8];
	int fd;

	if (expect_text(a[1], "queued", "a connection") < 0 ||
	    through(a[1], a[0], "reply", "a connection") < 0)
		return -1;
	NEED(send(a[0], "queued", 6, 0) == 6, "send");
	NEED(option(a[0], SOL_TCP, TCP_NODELAY) == 1, "TCP_NODELAY is lost");
	NEED(option(a[0], SOL_SOCKET, SO_KEEPALIVE) == 1, "SO_KEEPALIVE is lost");
	NEED(option(a[0], SOL_TCP, TCP_KEEPIDLE) == 77, "TCP_KEEPIDLE is %d",
	     option(a[0], SOL_TCP, TCP_KEEPIDLE));
	NEED(option(a[0], SOL_SOCKET, SO_SNDBUF) == 60000, "SO_SNDBUF is %d",
	     option(a[0], SOL_SOCKET, SO_SNDBUF));
	NEED(readable(half[1], 2000) && recv(half[1], buf, 1, 0) == 0, "the closed half has no end");
	if (through(half[1], half[0], "still", "the open half") < 0)
		return -1;
	if (!farewell && expect_text(ended[1], "farewell", "the peer has closed") < 0)
		return -1;
	farewell = true;
	NEED(readable(ended[1], 2000) && recv(ended[1], buf, 1, 0) == 0, "the closed one has no end");
	fd = connected(SOCK_STREAM, 5008);
	NEED(fd >= 0, "it does not listen any more");
	close(fd);
	fd = accept(server, NULL, NULL);
	NEED(fd >= 0, "accept");
	close(fd);
	return 0;
}

/* ---- TCP: connections are made all the time, there and at the moment of the freeze ---- */

static int busy_server;
static volatile int visits, failures;
static volatile int refused; /* why a visit could not connect; 0: none */

static void *accept_all(void *arg)
{
	(void)arg;
	for (;;) {
		int fd = accept(busy_server, NULL, NULL);
		char c;

		if (fd >= 0 && read(fd, &c, 1) == 1 && write(fd, &c, 1) != 1)
			failures++;
		close(fd);
	}
	return NULL;
}

static void *visit(void *arg)
{
	(void)arg;
	for (;;) {
		int fd = connected(SOCK_STREAM, 5009);
		char c = 'v';

		if (fd < 0)
			refused = errno;
		if (fd < 0 || write(fd, &c, 1) != 1 || read(fd, &c, 1) != 1)
			failures++;
		close(fd);
		visits++;
		usleep(500);
	}
	return NULL;
}

static int busy_make(void)
{
	pthread_t t;

	busy_server = bound(SOCK_STREAM, 5009);
	NEED(busy_server >= 0 && listen(busy_server, 7) == 0, "listen");
	NEED(pthread_create(&t, NULL, accept_all, NULL) == 0 && pthread_create(&t, NULL, visit, NULL) == 0,
	     "pthread_create");
	return 0;
}

static int busy_check(void)
{
	int before = visits;

	for (int i = 0; i < 300 && visits < before + 2; i++)
		usleep(10000);
	NEED(visits >= before + 2, "nobody is served any more");
	NEED(failures == 0, "%d of %d visits failed (connect: %s)", failures, visits, strerror(refused));
	return 0;
}

/* ---- netlink, raw and packet sockets ---- */

static int routes, raw, packet;

static int netlink_make(void)
{
	struct sockaddr_nl n = { .nl_family = AF_NETLINK, .nl_groups = RTMGRP_IPV4_IFADDR };

	routes = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
	NEED(routes >= 0 && bind(routes, (struct sockaddr *)&n, sizeof(n)) == 0, "netlink");
	return 0;
}

/* An address comes and goes: both must be told. */
static int netlink_check(void)
{
	struct {
		struct nlmsghdr h;
		struct ifaddrmsg m;
		struct rtattr a;
		uint32_t address;
	} q = { .h = { .nlmsg_len = sizeof(q), .nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE },
		.m = { .ifa_family = AF_INET, .ifa_prefixlen = 32, .ifa_index = 1 },
		.a = { sizeof(q.a) + 4, IFA_LOCAL }, .address = htonl(0x7f000909) };
	char buf[4096];
	int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);

	for (int i = 0; i < 2; i++) {
		const struct nlmsghdr *h = (const void *)buf;

		q.h.nlmsg_type = i ? RTM_DELADDR : RTM_NEWADDR;
		NEED(send(fd, &q, sizeof(q), 0) == (ssize_t)sizeof(q), "send");
		NEED(readable(routes, 3000) && recv(routes, buf, sizeof(buf), 0) > 0, "no news");
		NEED(h->nlmsg_type == q.h.nlmsg_type, "news of type %d", h->nlmsg_type);
	}
	close(fd);
	return 0;
}

static int raw_make(void)
{
	raw = socket(AF_INET, SOCK_RAW, 253);
	packet = socket(AF_PACKET, SOCK_DGRAM, htons(0x88b5));
	NEED(raw >= 0 && packet >= 0, "socket");
	return 0;
}

static int raw_check(void)
{
	struct sockaddr_in to = local(0);
	struct sockaddr_ll ll = { .sll_family = AF_PACKET, .sll_protocol = htons(0x88b5),
				  .sll_ifindex = 1, .sll_halen = 6 };
	char buf[128];

	NEED(sendto(raw, "raw", 3, 0, (struct sockaddr *)&to, sizeof(to)) == 3 &&
	     readable(raw, 2000) && recv(raw, buf, 128, 0) == 23, "a raw socket");
	NEED(sendto(packet, "frame", 5, 0, (struct sockaddr *)&ll, sizeof(ll)) == 5 &&
	     readable(packet, 2000) && recv(packet, buf, 128, 0) >= 5, "a packet socket");
	while (readable(packet, 0))
		recv(packet, buf, 128, 0);
	return 0;
}

/* ---- a packet socket with a ring in memory ---- */

static int ring_socket;
static char *ring;

static int ring_make(void)
{
	struct tpacket_req q = { .tp_block_size = 4096, .tp_block_nr = 4, .tp_frame_size = 2048,
				 .tp_frame_nr = 8 };

	ring_socket = socket(AF_PACKET, SOCK_DGRAM, htons(0x88b6));
	NEED(ring_socket >= 0 &&
	     setsockopt(ring_socket, SOL_PACKET, PACKET_RX_RING, &q, sizeof(q)) == 0, "PACKET_RX_RING");
	ring = mmap(NULL, 16384, PROT_READ | PROT_WRITE, MAP_SHARED, ring_socket, 0);
	NEED(ring != MAP_FAILED, "mmap");
	return 0;
}

static int ring_check(void)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_protocol = htons(0x88b6),
				  .sll_ifindex = 1, .sll_halen = 6 };
	int frames = 0;

	NEED(sendto(ring_socket, "frame", 5, 0, (struct sockaddr *)&to, sizeof(to)) == 5, "sendto");
	for (int i = 0; i < 100 && !frames; i++) {
		usleep(10000);
		for (int k = 0; k < 8; k++) {
			struct tpacket_hdr *h = (void *)(ring + k * 2048);

			frames += (h->tp_status & TP_STATUS_USER) != 0;
			h->tp_status = TP_STATUS_KERNEL;
		}
	}
	NEED(frames, "no frame came into the ring");
	return 0;
}

/* ---- a connection that is being made: nobody answers ---- */

static const uint32_t nowhere = 0xc0000201; /* 192.0.2.1 */
static int connecting;
static volatile int unexpected; /* what the one that waits came back with */

static void *connect_and_wait(void *arg)
{
	struct sockaddr_in nobody = { .sin_family = AF_INET, .sin_port = htons(5012),
				      .sin_addr.s_addr = htonl(nowhere) };

	(void)arg;
	do {
		int fd = socket(AF_INET, SOCK_STREAM, 0);

		errno = 0;
		connect(fd, (struct sockaddr *)&nobody, sizeof(nobody));
		unexpected = errno == ETIMEDOUT ? 0 : errno ? errno : -1;
		close(fd);
	} while (!unexpected);
	return NULL;
}

static int connecting_make(void)
{
	struct sockaddr_in nobody = { .sin_family = AF_INET, .sin_port = htons(5011),
				      .sin_addr.s_addr = htonl(nowhere) };
	pthread_t t;

	NEED(pthread_create(&t, NULL, connect_and_wait, NULL) == 0, "pthread_create");
	connecting = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	NEED(connect(connecting, (struct sockaddr *)&nobody, sizeof(nobody)) < 0 && errno == EINPROGRESS,
	     "connect");
	errno = 0;
	return 0;
}

static int connecting_check(void)
{
	struct tcp_info info;
	socklen_t n = sizeof(info);

	NEED(getsockopt(connecting, SOL_TCP, TCP_INFO, &info, &n) == 0 && info.tcpi_state == TCP_SYN_SENT,
	     "its state is %d", info.tcpi_state);
	NEED(!unexpected, "connect() came back with %s", unexpected > 0 ? strerror(unexpected) : "success");
	return 0;
}

/* ---- multicast groups: by interface, by address, with chosen sources, of IPv6, and what goes with them ---- */

static int groups, groups6;

static int send_to(const char *group)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(5083) };

	inet_pton(AF_INET, group, &a.sin_addr);
	return sendto(groups, "group", 5, 0, (struct sockaddr *)&a, sizeof(a)) == 5 ? 0 : -1;
}

static int groups_make(void)
{
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(5083) };
	struct sockaddr_in6 any6 = { .sin6_family = AF_INET6, .sin6_port = htons(5084) };
	struct ip_mreqn m = { .imr_multiaddr.s_addr = htonl(0xe0000755), .imr_ifindex = 1 };
	struct ip_mreq by = { .imr_multiaddr.s_addr = htonl(0xe0000756), .imr_interface.s_addr = htonl(INADDR_LOOPBACK) };
	struct ip_mreq_source one = { .imr_multiaddr.s_addr = htonl(0xe8000757),
				      .imr_interface.s_addr = htonl(INADDR_LOOPBACK),
				      .imr_sourceaddr.s_addr = htonl(INADDR_LOOPBACK) };
	struct ipv6_mreq m6 = { .ipv6mr_multiaddr.s6_addr = { 0xff, 5, [15] = 0x55 }, .ipv6mr_interface = 1 };
	struct in_addr out = { htonl(INADDR_LOOPBACK) };
	const int ttl = 7, no = 0, lo = 1;

	groups = socket(AF_INET, SOCK_DGRAM, 0);
	groups6 = socket(AF_INET6, SOCK_DGRAM, 0);
	NEED(bind(groups, (struct sockaddr *)&any, sizeof(any)) == 0 &&
	     bind(groups6, (struct sockaddr *)&any6, sizeof(any6)) == 0, "bind");
	NEED(setsockopt(groups, SOL_IP, IP_ADD_MEMBERSHIP, &m, sizeof(m)) == 0 &&
	     setsockopt(groups, SOL_IP, IP_ADD_MEMBERSHIP, &by, sizeof(by)) == 0 &&
	     setsockopt(groups, SOL_IP, IP_ADD_SOURCE_MEMBERSHIP, &one, sizeof(one)) == 0, "IP_ADD_MEMBERSHIP");
	NEED(setsockopt(groups, SOL_IP, IP_MULTICAST_TTL, &ttl, sizeof(ttl)) == 0 &&
	     setsockopt(groups, SOL_IP, IP_MULTICAST_ALL, &no, sizeof(no)) == 0 &&
	     setsockopt(groups, SOL_IP, IP_MULTICAST_IF, &out, sizeof(out)) == 0, "IP_MULTICAST_TTL");
	NEED(setsockopt(groups6, SOL_IPV6, IPV6_ADD_MEMBERSHIP, &m6, sizeof(m6)) == 0 &&
	     setsockopt(groups6, SOL_IPV6, IPV6_MULTICAST_HOPS, &ttl, sizeof(ttl)) == 0 &&
	     setsockopt(groups6, SOL_IPV6, IPV6_MULTICAST_IF, &lo, sizeof(lo)) == 0, "IPV6_ADD_MEMBERSHIP");
	return 0;
}

static int groups_check(void)
{
	struct ip_mreq by = { .imr_multiaddr.s_addr = htonl(0xe0000756), .imr_interface.s_addr = htonl(INADDR_LOOPBACK) };
	struct ipv6_mreq m6 = { .ipv6mr_multiaddr.s6_addr = { 0xff, 5, [15] = 0x55 }, .ipv6mr_interface = 1 };
	int value = 0;
	socklen_t len = sizeof(value);

	NEED(getsockopt(groups, SOL_IP, IP_MULTICAST_TTL, &value, &len) == 0 && value == 7, "TTL is %d", value);
	NEED(getsockopt(groups6, SOL_IPV6, IPV6_MULTICAST_HOPS, &value, &len) == 0 && value == 7, "hops are %d", value);
	NEED(send_to("224.0.7.85") == 0, "sendto");
	if (expect_text(groups, "group", "by interface") < 0)
		return -1;
	NEED(send_to("232.0.7.87") == 0, "sendto");
	if (expect_text(groups, "group", "from a chosen source") < 0)
		return -1;
	/* Nothing of IPv6 can be sent to a group by lo. */
	NEED(setsockopt(groups6, SOL_IPV6, IPV6_DROP_MEMBERSHIP, &m6, sizeof(m6)) == 0 &&
	     setsockopt(groups6, SOL_IPV6, IPV6_ADD_MEMBERSHIP, &m6, sizeof(m6)) == 0, "it was not in the group of IPv6");
	NEED(setsockopt(groups, SOL_IP, IP_DROP_MEMBERSHIP, &by, sizeof(by)) == 0, "it cannot leave by its address");
	NEED(setsockopt(groups, SOL_IP, IP_ADD_MEMBERSHIP, &by, sizeof(by)) == 0, "it cannot join again");
	return 0;
}

/* ---- options, one socket of each kind with many ---- */

static const struct wish {
	int kind, level, name, value;
} wishes[] = {
	{ 0, SOL_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO }, { 0, SOL_IP, IP_RECVERR, 1 }, { 0, SOL_IP, IP_TRANSPARENT, 1 },
	{ 0, SOL_IP, IP_RECVTTL, 1 }, { 0, SOL_IP, IP_RECVTOS, 1 }, { 0, SOL_IP, IP_RECVORIGDSTADDR, 1 },
	{ 0, SOL_IP, IP_MULTICAST_TTL, 7 }, { 0, SOL_IP, IP_MULTICAST_LOOP, 0 }, { 0, SOL_IP, IP_MINTTL, 5 },
	{ 0, SOL_IP, IP_BIND_ADDRESS_NO_PORT, 1 }, { 0, SOL_SOCKET, SO_TIMESTAMPING, 24 }, { 0, SOL_SOCKET, SO_BUSY_POLL, 50 },
	{ 0, SOL_IP, IP_TOS, 0x10 }, { 0, SOL_SOCKET, SO_PRIORITY, 3 }, { 0, SOL_SOCKET, SO_RXQ_OVFL, 1 },
	{ 1, SOL_IPV6, IPV6_TCLASS, 0x20 }, { 1, SOL_IPV6, IPV6_UNICAST_HOPS, 44 }, { 1, SOL_IPV6, IPV6_RECVPKTINFO, 1 },
	{ 1, SOL_IPV6, IPV6_RECVHOPLIMIT, 1 }, { 1, SOL_IPV6, IPV6_RECVTCLASS, 1 }, { 1, SOL_IPV6, IPV6_MTU_DISCOVER, 2 },
	{ 1, SOL_IPV6, IPV6_RECVERR, 1 }, { 1, SOL_IPV6, IPV6_MULTICAST_HOPS, 9 }, { 1, SOL_IPV6, IPV6_MULTICAST_LOOP, 0 },
	{ 1, SOL_IPV6, IPV6_DONTFRAG, 1 }, { 1, SOL_SOCKET, SO_TIMESTAMP, 1 }, { 1, SOL_IPV6, IPV6_AUTOFLOWLABEL, 0 },
	{ 2, SOL_TCP, TCP_DEFER_ACCEPT, 7 }, { 2, SOL_TCP, TCP_FASTOPEN, 16 }, { 2, SOL_TCP, TCP_USER_TIMEOUT, 7777 },
	{ 2, SOL_TCP, TCP_MAXSEG, 1000 }, { 2, SOL_TCP, TCP_NOTSENT_LOWAT, 16384 }, { 2, SOL_TCP, TCP_SYNCNT, 3 },
	{ 2, SOL_TCP, TCP_LINGER2, 20 }, { 2, SOL_TCP, TCP_SAVE_SYN, 1 }, { 2, SOL_IP, IP_TTL, 44 },
	{ 3, SOL_TCP, TCP_USER_TIMEOUT, 8888 }, { 3, SOL_TCP, TCP_CORK, 1 }, { 3, SOL_TCP, TCP_NOTSENT_LOWAT, 8192 },
	{ 3, SOL_TCP, TCP_THIN_LINEAR_TIMEOUTS, 1 }, { 3, SOL_SOCKET, SO_OOBINLINE, 1 }, { 3, SOL_SOCKET, SO_ZEROCOPY, 1 },
	{ 3, SOL_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE }, { 3, SOL_IP, IP_RECVERR, 1 },
};

enum { WISHES = sizeof(wishes) / sizeof(*wishes) };

static int wished[4], had[WISHES];
static const struct linger lingers = { 1, 9 };

static int options_make(void)
{
	wished[0] = bound(SOCK_DGRAM, 5021);
	wished[1] = socket(AF_INET6, SOCK_DGRAM, 0);
	wished[2] = bound(SOCK_STREAM, 5022);
	NEED(wished[1] >= 0 && listen(wished[2], 5) == 0, "listen");
	wished[3] = connected(SOCK_STREAM, 5022);
	NEED(wished[3] >= 0 && accept(wished[2], NULL, NULL) >= 0, "a connection");
	NEED(setsockopt(wished[3], SOL_SOCKET, SO_LINGER, &lingers, sizeof(lingers)) == 0 &&
	     setsockopt(wished[3], SOL_TCP, TCP_CONGESTION, "reno", 4) == 0, "setsockopt");
	for (size_t i = 0; i < WISHES; i++) { /* an older kernel has not all of them */
		setsockopt(wished[wishes[i].kind], wishes[i].level, wishes[i].name, &wishes[i].value, sizeof(int));
		errno = 0;
	}
	for (size_t i = 0; i < WISHES; i++)
		had[i] = option(wished[wishes[i].kind], wishes[i].level, wishes[i].name);
	errno = 0;
	return 0;
}

static int options_check(void)
{
	struct linger l = { 0, 0 };
	socklen_t n = sizeof(l), len = 16;
	char name[16] = "";

	for (size_t i = 0; i < WISHES; i++) {
		int now = option(wished[wishes[i].kind], wishes[i].level, wishes[i].name);

		errno = 0;
		NEED(now == had[i], "option %d of level %d of socket %d was %d, is %d", wishes[i].name, wishes[i].level,
		     wishes[i].kind, had[i], now);
	}
	getsockopt(wished[3], SOL_SOCKET, SO_LINGER, &l, &n);
	NEED(l.l_onoff == 1 && l.l_linger == 9, "SO_LINGER is %d, %d", l.l_onoff, l.l_linger);
	getsockopt(wished[3], SOL_TCP, TCP_CONGESTION, name, &len);
	NEED(strcmp(name, "reno") == 0, "TCP_CONGESTION is %s", name);
	return 0;
}

/* ---- ping sockets (ip(7), ping_group_range), and UDP that holds back what is written ---- */

static int pings[2] = { -1, -1 }, corked, heard;

static int ping_make(void)
{
	struct sockaddr_in a = local(77);

	pings[0] = socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP);
	pings[1] = socket(AF_INET6, SOCK_DGRAM, IPPROTO_ICMPV6);
	errno = 0; /* where nobody may have them, there are none */
	if (pings[0] >= 0)
		NEED(bind(pings[0], (struct sockaddr *)&a, sizeof(a)) == 0, "bind");
	return 0;
}

static int ping_check(void)
{
	struct sockaddr_in a = local(0);
	uint8_t echo[16] = { 8 }, answer[64];

	NEED((pings[1] < 0) || option(pings[1], SOL_SOCKET, SO_PROTOCOL) == IPPROTO_ICMPV6, "the socket of IPv6");
	if (pings[0] < 0)
		return 0;
	NEED(sendto(pings[0], echo, sizeof(echo), 0, (struct sockaddr *)&a, sizeof(a)) == sizeof(echo), "sendto");
	NEED(readable(pings[0], 2000) && recv(pings[0], answer, sizeof(answer), 0) == sizeof(echo), "no answer");
	NEED(answer[4] == 0 && answer[5] == 77, "it answers as %d, not 77", answer[4] << 8 | answer[5]);
	return 0;
}

static int corked_make(void)
{
	int one = 1;

	heard = bound(SOCK_DGRAM, 5026);
	corked = connected(SOCK_DGRAM, 5026);
	NEED(heard >= 0 && setsockopt(corked, IPPROTO_UDP, 1 /* UDP_CORK */, &one, sizeof(one)) == 0, "UDP_CORK");
	return 0;
}

static int corked_check(void)
{
	int no = 0, one = 1;
	char text[16] = "";

	NEED(send(corked, "to", 2, 0) == 2 && send(corked, "gether", 6, 0) == 6, "send");
	NEED(!readable(heard, 50), "it holds nothing back");
	NEED(setsockopt(corked, IPPROTO_UDP, 1, &no, sizeof(no)) == 0 && readable(heard, 2000) &&
	     recv(heard, text, sizeof(text), 0) == 8, "what was held back is \"%s\"", text);
	NEED(setsockopt(corked, IPPROTO_UDP, 1, &one, sizeof(one)) == 0, "UDP_CORK");
	return 0;
}

/* ---- whose a socket is, and addresses that are not ours ---- */

enum { OWNER = 1000 };

static int owned, foreign;

static int shared_port(int port)
{
	struct sockaddr_in a = local(port);
	int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0 && listen(fd, 5) == 0)
		return fd;
	close(fd);
	return -1;
}

static int owner_make(void)
{
	struct sockaddr_in a = local(5025);
	int one = 1;

	NEED(seteuid(OWNER) == 0, "seteuid");
	owned = shared_port(5024);
	NEED(seteuid(0) == 0 && owned >= 0, "a port of user %d", OWNER);
	a.sin_addr.s_addr = inet_addr("198.51.100.7");
	foreign = socket(AF_INET, SOCK_STREAM, 0);
	NEED(setsockopt(foreign, SOL_IP, IP_TRANSPARENT, &one, sizeof(one)) == 0 &&
	     bind(foreign, (struct sockaddr *)&a, sizeof(a)) == 0 && listen(foreign, 5) == 0, "an address that is not ours");
	return 0;
}

static int owner_check(void)
{
	struct stat st;
	int second;

	NEED(fstat(owned, &st) == 0 && st.st_uid == OWNER, "the socket belongs to user %d", (int)st.st_uid);
	NEED(seteuid(OWNER) == 0, "seteuid");
	second = shared_port(5024);
	NEED(seteuid(0) == 0 && second >= 0, "its user cannot have the port again");
	close(second);
	NEED(option(foreign, SOL_IP, IP_TRANSPARENT) == 1, "IP_TRANSPARENT is lost");
	return 0;
}

const struct animal zoo_inet[] = {
	{ "udp", udp_make, udp_check },
	{ "tcp", tcp_make, tcp_check },
	{ "tcp-visits", busy_make, busy_check },
	{ "netlink", netlink_make, netlink_check },
	{ "raw", raw_make, raw_check },
	{ "packet-ring", ring_make, ring_check },
	{ "connecting", connecting_make, connecting_check },
	{ "multicast", groups_make, groups_check },
	{ "ping", ping_make, ping_check },
	{ "udp-corked", corked_make, corked_check },
	{ "inet-options", options_make, options_check },
	{ "inet-owner", owner_make, owner_check },
	{ NULL, NULL, NULL },
};
