/* SPDX-License-Identifier: MIT */
/* net/ip.h - an address with its prefix length, and the texts that people write. */
#ifndef NET_IP_H
#define NET_IP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct ip {
	int family;	 /* AF_INET, AF_INET6; 0: none */
	uint8_t prefix;	 /* bits */
	uint8_t b[16];	 /* network order; 4 or 16 used */
};

#define IP_TEXT_MAX 64

static inline size_t ip_len(const struct ip *ip)
{
	return ip->family == 2 /* AF_INET */ ? 4 : 16;
}

/* "10.0.0.1", "10.0.0.1/24", "10.0.0.1/255.255.255.0", "fd00::1/64".  Without a prefix:
 * all bits.  ERR_USAGE. */
int ip_parse(const char *text, struct ip *out, struct err *e);
/* Without the prefix. */
void ip_text(char out[static IP_TEXT_MAX], const struct ip *ip);
bool ip_same(const struct ip *a, const struct ip *b); /* the address; prefixes may differ */
/* Lies the address in the network of `net`? */
bool ip_within(const struct ip *ip, const struct ip *net);

/* "02:76:7a:0a:0b:0c" */
int mac_parse(const char *text, uint8_t out[static 6], struct err *e);
void mac_text(char out[static 18], const uint8_t mac[static 6]);

#endif
