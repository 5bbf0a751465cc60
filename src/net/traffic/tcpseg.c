// SPDX-License-Identifier: MIT
#include "net/traffic/tcpseg.h"

#include <assert.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "base/buf.h"

enum {
	IP4_HEAD = 20,
	IP6_HEAD = 40,
	TCP_HEAD = 20,
	TTL = 64,
	OPT_END = 0, OPT_NOP = 1, OPT_SACK = 5, OPT_TIME = 8,
};

static uint32_t sum_of(const uint8_t *p, size_t n)
{
	uint32_t sum = 0;

	for (; n > 1; p += 2, n -= 2)
		sum += be16_at(p);
	return n ? sum + (uint32_t)(*p << 8) : sum;
}

static size_t address_len(int family)
{
	return family == AF_INET ? 4 : 16;
}

/* Over the pseudo header, too (RFC 9293, 3.1). */
static uint16_t checksum(const struct tcpseg *s, const uint8_t *tcp, size_t n)
{
	uint32_t sum = sum_of(s->from.addr, address_len(s->family)) + sum_of(s->to.addr, address_len(s->family)) +
		       IPPROTO_TCP + (uint32_t)n + sum_of(tcp, n);

	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

size_t tcpseg_write(uint8_t out[static TCPSEG_MAX], const struct tcpseg *s)
{
	size_t ip = s->family == AF_INET ? IP4_HEAD : IP6_HEAD, head = TCP_HEAD + (s->has_sack ? 12 : 0);
	size_t n = head + s->len, addr = address_len(s->family);
	uint8_t *tcp = out + ip;

	assert(s->len <= TCPSEG_DATA_MAX);
	memset(out, 0, ip + n);
	if (s->family == AF_INET) { /* the kernel fills in identification and checksum: raw(7) */
		out[0] = 0x45;
		put_be16(out + 2, (uint16_t)(ip + n));
		out[8] = TTL;
		out[9] = IPPROTO_TCP;
		memcpy(out + 12, s->from.addr, addr);
		memcpy(out + 16, s->to.addr, addr);
	} else {
		out[0] = 0x60;
		put_be16(out + 4, (uint16_t)n);
		out[6] = IPPROTO_TCP;
		out[7] = TTL;
		memcpy(out + 8, s->from.addr, addr);
		memcpy(out + 24, s->to.addr, addr);
	}
	put_be16(tcp, s->from.port);
	put_be16(tcp + 2, s->to.port);
	put_be32(tcp + 4, s->seq);
	put_be32(tcp + 8, s->ack);
	tcp[12] = (uint8_t)(head / 4 << 4);
	tcp[13] = s->flags;
	put_be16(tcp + 14, s->window);
	if (s->has_sack) {
		tcp[20] = tcp[21] = OPT_NOP;
		tcp[22] = OPT_SACK;
		tcp[23] = 10;
		put_be32(tcp + 24, s->sack_from);
		put_be32(tcp + 28, s->sack_to);
	}
	if (s->len)
		memcpy(tcp + head, s->data, s->len);
	put_be16(tcp + 16, checksum(s, tcp, n));
	return ip + n;
}

static void read_options(struct tcpseg *s, const uint8_t *at, const uint8_t *end)
{
	while (at < end && *at != OPT_END) {
		size_t n = *at == OPT_NOP ? 1 : end - at > 1 ? at[1] : 0;

		if (n == 0 || (*at != OPT_NOP && n < 2) || n > (size_t)(end - at))
			return;
		if (*at == OPT_TIME && n == 10) {
			s->has_tsval = true;
			s->tsval = be32_at(at + 2);
		}
		at += n;
	}
}

/* The length of the IP header, 0: no TCP.  *whole: of the packet. */
static size_t read_ip(struct tcpseg *s, const uint8_t *p, size_t len, size_t *whole)
{
	size_t head;

	if (len >= IP4_HEAD && p[0] >> 4 == 4) {
		head = (size_t)(p[0] & 15) * 4;
		*whole = be16_at(p + 2);
		/* not a fragment */
		if (head < IP4_HEAD || p[9] != IPPROTO_TCP || (be16_at(p + 6) & 0x3fff))
			return 0;
		s->family = AF_INET;
		memcpy(s->from.addr, p + 12, 4);
		memcpy(s->to.addr, p + 16, 4);
		return head;
	}
	if (len < IP6_HEAD || p[0] >> 4 != 6 || p[6] != IPPROTO_TCP)
		return 0;
	*whole = IP6_HEAD + (size_t)be16_at(p + 4);
	s->family = AF_INET6;
	memcpy(s->from.addr, p + 8, 16);
	memcpy(s->to.addr, p + 24, 16);
	return IP6_HEAD;
}

bool tcpseg_read(struct tcpseg *s, const uint8_t *packet, size_t len)
{
	size_t whole = 0, ip, head;
	const uint8_t *tcp;

	*s = (struct tcpseg){ .family = 0 };
	ip = read_ip(s, packet, len, &whole);
	/* larger than the field can say (BIG TCP): the field is 0, or that of a jumbogram */
	if (s->family && whole <= IP6_HEAD)
		whole = len;
	if (!ip || whole > len || whole < ip + TCP_HEAD)
		return false;
	tcp = packet + ip;
	head = (size_t)(tcp[12] >> 4) * 4;
	if (head < TCP_HEAD || ip + head > whole)
		return false;
	s->from.port = be16_at(tcp);
	s->to.port = be16_at(tcp + 2);
	s->seq = be32_at(tcp + 4);
	s->ack = be32_at(tcp + 8);
	s->flags = tcp[13];
	s->window = be16_at(tcp + 14);
	s->data = tcp + head;
	s->len = whole - ip - head;
	read_options(s, tcp + TCP_HEAD, s->data);
	return true;
}
