// SPDX-License-Identifier: MIT
#include "net/ip.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/own.h"
#include "base/parse.h"

_Static_assert(AF_INET == 2, "ip_len counts on it");

/* 255.255.240.0 -> 20; -1 when it is no mask. */
static int mask_bits(const char *text)
{
	struct in_addr a;
	uint32_t m;

	if (inet_pton(AF_INET, text, &a) != 1)
		return -1;
	m = ntohl(a.s_addr);
	if (m & (~m >> 1))
		return -1;
	return __builtin_popcount(m);
}

int ip_parse(const char *text, struct ip *out, struct err *e)
{
	own_free char *addr = xstrdup(text);
	char *slash = strchr(addr, '/');
	struct ip ip = { .family = strchr(addr, ':') ? AF_INET6 : AF_INET };
	uint64_t bits = ip.family == AF_INET ? 32 : 128;

	if (slash)
		*slash++ = '\0';
	if (inet_pton(ip.family, addr, ip.b) != 1)
		return err_set(e, ERR_USAGE, "'%s' is no IP address", text);
	if (slash && ip.family == AF_INET && strchr(slash, '.')) {
		int n = mask_bits(slash);

		if (n < 0)
			return err_set(e, ERR_USAGE, "'%s' has no valid netmask", text);
		bits = (uint64_t)n;
	} else if (slash && parse_u64(slash, "the prefix length", 0, bits, &bits, e) < 0) {
		return -1;
	}
	ip.prefix = (uint8_t)bits;
	*out = ip;
	return 0;
}

void ip_text(char out[static IP_TEXT_MAX], const struct ip *ip)
{
	if (!inet_ntop(ip->family, ip->b, out, IP_TEXT_MAX))
		snprintf(out, IP_TEXT_MAX, "?");
}

bool ip_same(const struct ip *a, const struct ip *b)
{
	return a->family == b->family && memcmp(a->b, b->b, ip_len(a)) == 0;
}

bool ip_within(const struct ip *ip, const struct ip *net)
{
	size_t whole = net->prefix / 8, rest = net->prefix % 8;

	if (ip->family != net->family || memcmp(ip->b, net->b, whole) != 0)
		return false;
	return !rest || (ip->b[whole] ^ net->b[whole]) >> (8 - rest) == 0;
}

int mac_parse(const char *text, uint8_t out[static 6], struct err *e)
{
	unsigned b[6];
	int n = 0;

	if (sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%n", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5],
		   &n) != 6 || text[n] || n != 17 || (b[0] & 1))
		return err_set(e, ERR_USAGE, "'%s' is no MAC address of one interface", text);
	for (int i = 0; i < 6; i++)
		out[i] = (uint8_t)b[i];
	return 0;
}

void mac_text(char out[static 18], const uint8_t mac[static 6])
{
	snprintf(out, 18, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4],
		 mac[5]);
}
