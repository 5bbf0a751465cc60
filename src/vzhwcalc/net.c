// SPDX-License-Identifier: MIT
#include "vzhwcalc/net.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/own.h"
#include "vzhwcalc/text.h"

bool net_address_moves(const struct sockaddr *a)
{
	if (a->sa_family == AF_INET) {
		struct sockaddr_in in;
		uint32_t ip;

		memcpy(&in, a, sizeof(in));
		ip = ntohl(in.sin_addr.s_addr);
		return ip != 0 && ip >> 24 != 127 && ip >> 16 != 0xa9fe && ip >> 28 != 0xe &&
		       ip != 0xffffffff;
	}
	if (a->sa_family == AF_INET6) {
		struct sockaddr_in6 in6;

		memcpy(&in6, a, sizeof(in6));
		return !IN6_IS_ADDR_UNSPECIFIED(&in6.sin6_addr) &&
		       !IN6_IS_ADDR_LOOPBACK(&in6.sin6_addr) &&
		       !IN6_IS_ADDR_LINKLOCAL(&in6.sin6_addr) &&
		       !IN6_IS_ADDR_MULTICAST(&in6.sin6_addr) &&
		       !IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr);
	}
	return false;
}

static bool to_text(const struct sockaddr *a, char out[static INET6_ADDRSTRLEN])
{
	struct sockaddr_in in;
	struct sockaddr_in6 in6;

	if (a->sa_family == AF_INET) {
		memcpy(&in, a, sizeof(in));
		return inet_ntop(AF_INET, &in.sin_addr, out, INET6_ADDRSTRLEN);
	}
	memcpy(&in6, a, sizeof(in6));
	return inet_ntop(AF_INET6, &in6.sin6_addr, out, INET6_ADDRSTRLEN);
}

int net_addresses(struct strv *out, struct err *e)
{
	struct ifaddrs *all, *i;
	char text[INET6_ADDRSTRLEN];

	if (getifaddrs(&all) < 0)
		return err_sys(e, "cannot list the addresses of this server");
	for (i = all; i; i = i->ifa_next) {
		/* An address on an interface that is down serves nobody. */
		if (i->ifa_addr && i->ifa_flags & IFF_UP && net_address_moves(i->ifa_addr) &&
		    to_text(i->ifa_addr, text) && !strv_has(out, text))
			strv_add(out, text);
	}
	freeifaddrs(all);
	return 0;
}

int net_macs(struct strv *out, struct err *e)
{
	own_dir DIR *d = opendir("/sys/class/net");
	struct dirent *de;

	if (!d)
		return err_sys(e, "cannot list the network interfaces of this server");
	while ((de = readdir(d))) {
		own_free char *path = xasprintf("/sys/class/net/%s/address", de->d_name);
		own_free char *text = NULL;
		char mac[13];
		size_t n = 0;

		if (de->d_name[0] == '.' || file_read(AT_FDCWD, path, 128, &text, NULL, NULL) < 0)
			continue;
		for (const char *p = text; *p && n < 12; p++) {
			if (strchr("0123456789abcdef", *p))
				mac[n++] = *p;
		}
		mac[n] = '\0';
		if (n == 12 && strcmp(mac, "000000000000") != 0 && !strv_has(out, mac))
			strv_add(out, mac);
	}
	return 0;
}

static bool is_loopback_server(const char *a)
{
	return !strncmp(a, "127.", 4) || !strcmp(a, "::1") || !strcmp(a, "0.0.0.0");
}

void net_resolv_parse(const char *text, struct strv *servers, struct strv *domains)
{
	char line[1024], word[256], domain[256] = "";
	own_strv struct strv search = STRV_INIT;

	while (text_line(&text, line, sizeof(line))) {
		const char *p = line;

		line[strcspn(line, "#;")] = '\0';
		if (!text_field(&p, word, sizeof(word)))
			continue;
		if (!strcmp(word, "nameserver") && text_field(&p, word, sizeof(word))) {
			if (!is_loopback_server(word) && !strv_has(servers, word))
				strv_add(servers, word);
		} else if (!strcmp(word, "domain")) {
			text_field(&p, domain, sizeof(domain));
		} else if (!strcmp(word, "search")) {
			strv_fini(&search); /* the last line counts */
			while (text_field(&p, word, sizeof(word)))
				strv_add(&search, word);
		}
	}
	if (!search.n && domain[0])
		strv_add(&search, domain);
	for (size_t i = 0; i < search.n; i++) {
		if (strcmp(search.item[i], ".") != 0 && !strv_has(domains, search.item[i]))
			strv_add(domains, search.item[i]);
	}
}
