/* SPDX-License-Identifier: MIT */
/*
 * net/traffic/tcpseg.h - one TCP segment in its IP packet, as bytes: pure.
 *
 * Addresses are of one family, 4 or 16 bytes used, network order; ports and all numbers host order.
 * RFC 9293, RFC 7323 (options), RFC 2018 (SACK), RFC 8200.
 */
#ifndef NET_TRAFFIC_TCPSEG_H
#define NET_TRAFFIC_TCPSEG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tcp_end {
	uint8_t addr[16];
	uint16_t port;
};

enum { TCPSEG_FIN = 1, TCPSEG_SYN = 2, TCPSEG_RST = 4, TCPSEG_ACK = 16 };

struct tcpseg {
	int family; /* AF_INET, AF_INET6 */
	struct tcp_end from, to;
	uint32_t seq, ack;
	uint16_t window; /* as it stands there: not scaled */
	uint8_t flags;
	bool has_tsval, has_sack;
	uint32_t tsval;
	uint32_t sack_from, sack_to; /* one block; written, not read */
	const uint8_t *data;	     /* borrowed */
	size_t len;
};

enum { TCPSEG_DATA_MAX = 8, TCPSEG_MAX = 40 + 60 + TCPSEG_DATA_MAX };

/* At most TCPSEG_DATA_MAX bytes of data.  Returns its length. */
size_t tcpseg_write(uint8_t out[static TCPSEG_MAX], const struct tcpseg *s);
/* False when it is none, or not whole.  An IPv6 packet with extension headers is none. */
bool tcpseg_read(struct tcpseg *s, const uint8_t *packet, size_t len);

#endif
