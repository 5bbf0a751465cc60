// SPDX-License-Identifier: MIT
#include "net/addresses.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/own.h"

enum { ROUTES_MAX = 64 << 20 };

int addresses_interfaces(struct strv *out, struct err *e)
{
	struct if_nameindex *list = if_nameindex();

	if (!list)
		return err_sys(e, "cannot list the network interfaces");
	for (struct if_nameindex *i = list; i->if_index; i++)
		strv_add(out, i->if_name);
	if_freenameindex(list);
	return 0;
}

/* The next line of `*at` into line; false at the end. */
static bool next_line(const char **at, char *line, size_t size)
{
	size_t n = strcspn(*at, "\n");

	if (!**at)
		return false;
	snprintf(line, size, "%.*s", (int)n, *at);
	*at += n + ((*at)[n] == '\n');
	return true;
}

bool addresses_routed4(const char *text, const char *address)
{
	struct in_addr want;
	char line[256];

	if (inet_pton(AF_INET, address, &want) != 1)
		return false;
	while (next_line(&text, line, sizeof(line))) {
		char dev[32];
		unsigned dest, gateway, flags, mask;

		if (sscanf(line, "%31s %x %x %x %*d %*d %*d %x", dev, &dest, &gateway, &flags,
			   &mask) == 5 &&
		    gateway == 0 && mask == 0xffffffff && dest == want.s_addr)
			return true;
	}
	return false;
}

bool addresses_routed6(const char *text, const char *address)
{
	struct in6_addr want;
	char line[256], hex[33];

	if (inet_pton(AF_INET6, address, &want) != 1)
		return false;
	for (size_t i = 0; i < sizeof(want); i++)
		snprintf(hex + 2 * i, 3, "%02x", want.s6_addr[i]);
	while (next_line(&text, line, sizeof(line))) {
		char dest[33], dev[32], hop[33];
		unsigned prefix;

		if (sscanf(line, "%32s %x %*32s %*x %32s %*x %*x %*x %*x %31s", dest, &prefix,
			   hop, dev) == 4 &&
		    prefix == 128 && !hop[strspn(hop, "0")] && !strcmp(dest, hex) &&
		    strcmp(dev, "lo"))
			return true;
	}
	return false;
}

static bool is_local(const struct ifaddrs *list, const char *address)
{
	char text[INET6_ADDRSTRLEN];

	for (const struct ifaddrs *i = list; i; i = i->ifa_next) {
		const void *addr;

		if (!i->ifa_addr)
			continue;
		if (i->ifa_addr->sa_family == AF_INET)
			addr = &((const struct sockaddr_in *)(const void *)i->ifa_addr)->sin_addr;
		else if (i->ifa_addr->sa_family == AF_INET6)
			addr = &((const struct sockaddr_in6 *)(const void *)i->ifa_addr)->sin6_addr;
		else
			continue;
		if (inet_ntop(i->ifa_addr->sa_family, addr, text, sizeof(text)) &&
		    !strcmp(text, address))
			return true;
	}
	return false;
}

int addresses_here(struct strv *out, struct err *e)
{
	struct ifaddrs *list = NULL;

	if (getifaddrs(&list) < 0)
		return err_sys(e, "cannot list the network addresses");
	for (struct ifaddrs *i = list; i; i = i->ifa_next) {
		char text[INET6_ADDRSTRLEN];
		const void *raw;

		if (!i->ifa_addr ||
		    (i->ifa_addr->sa_family != AF_INET && i->ifa_addr->sa_family != AF_INET6))
			continue;
		raw = i->ifa_addr->sa_family == AF_INET
			      ? (const void *)&((struct sockaddr_in *)(void *)i->ifa_addr)->sin_addr
			      : (const void *)&((struct sockaddr_in6 *)(void *)i->ifa_addr)->sin6_addr;
		if (inet_ntop(i->ifa_addr->sa_family, raw, text, sizeof(text)))
			strv_add(out, text);
	}
	freeifaddrs(list);
	return 0;
}

/* The one spelling of an address; false when it is none. */
static bool canonical(const char *address, char out[INET6_ADDRSTRLEN])
{
	unsigned char raw[sizeof(struct in6_addr)];
	int family = strchr(address, ':') ? AF_INET6 : AF_INET;

	return inet_pton(family, address, raw) == 1 &&
	       inet_ntop(family, raw, out, INET6_ADDRSTRLEN);
}

int addresses_used(const struct strv *ask, struct strv *out, struct err *e)
{
	own_free char *route4 = NULL;
	own_free char *route6 = NULL;
	struct ifaddrs *list = NULL;

	if (getifaddrs(&list) < 0)
		return err_sys(e, "cannot list the network addresses");
	if (file_read(AT_FDCWD, "/proc/net/route", ROUTES_MAX, &route4, NULL, NULL) < 0)
		route4 = xstrdup("");
	if (file_read(AT_FDCWD, "/proc/net/ipv6_route", ROUTES_MAX, &route6, NULL, NULL) < 0)
		route6 = xstrdup("");
	for (size_t i = 0; i < ask->n; i++) {
		char text[INET6_ADDRSTRLEN];

		if (canonical(ask->item[i], text) &&
		    (is_local(list, text) || addresses_routed4(route4, text) ||
		     addresses_routed6(route6, text)))
			strv_add(out, ask->item[i]);
	}
	freeifaddrs(list);
	return 0;
}
