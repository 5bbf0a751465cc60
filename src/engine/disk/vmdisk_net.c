// SPDX-License-Identifier: MIT
/* What the network configuration of a guest says, in the words of any distribution. */
#include <arpa/inet.h>
#include <string.h>

#include "base/own.h"
#include "engine/disk/vmdisk.h"

enum { LIST_MAX = 1024 };

void vmdisk_add_address(const char *word, size_t n, struct strv *out)
{
	char text[INET6_ADDRSTRLEN];
	uint8_t bytes[16];

	if (!n || n >= sizeof(text))
		return;
	memcpy(text, word, n);
	text[n] = '\0';
	if (inet_pton(AF_INET, text, bytes) == 1) {
		if (bytes[0] == 127 || bytes[0] == 0 || bytes[0] >= 224)
			return;
	} else if (inet_pton(AF_INET6, text, bytes) == 1) {
		if (bytes[0] == 0xff || (bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80) ||
		    bytes[0] == 0)
			return;
	} else {
		return;
	}
	if (!strv_has(out, text) && out->n < LIST_MAX)
		strv_add(out, text);
}

/*
 * How a line says addresses of our own, and name servers.  Netplan's lists may be either:
 * there an address of our own has its prefix length.  NetworkManager's first word is followed
 * by a gateway.
 */
static const struct {
	const char *key;
	bool numbered, first_only;
	enum { OWN, OWN_IF_PREFIX, DNS } what;
} keys[] = {
	{ "address", false, false, OWN }, /* ifupdown, networkd */
	{ "address", true, true, OWN },	  /* NetworkManager: address1=… */
	{ "addresses", false, false, OWN_IF_PREFIX },
	{ "-", false, false, OWN_IF_PREFIX },
	{ "ipaddr", false, false, OWN },
	{ "ipaddr", true, false, OWN },
	{ "ipv6addr", false, false, OWN },
	{ "ipv6addr_secondaries", false, false, OWN },
	{ "dns-nameserver", false, false, DNS }, /* ifupdown */
	{ "dns-nameservers", false, false, DNS },
	{ "dns", false, false, DNS }, /* networkd, NetworkManager */
	{ "dns", true, false, DNS },  /* ifcfg */
};

/* The addresses of a line behind its key. */
static void take_words(const char *p, size_t k, bool dns, struct strv *out)
{
	static const char seps[] = " \t\"'[]=,;";

	for (p += strspn(p, seps); *p; p += strspn(p, seps)) {
		size_t n = strcspn(p, seps), address = strcspn(p, "/");

		if (address > n)
			address = n;
		if (keys[k].what != OWN_IF_PREFIX || (address < n) != dns)
			vmdisk_add_address(p, address, out);
		if (keys[k].first_only)
			return;
		p += n;
	}
}

static void take_line(const char *line, bool dns, struct strv *out)
{
	size_t n;

	line += strspn(line, " \t");
	n = strcspn(line, " \t=:");
	for (size_t i = 0; i < array_len(keys); i++) {
		size_t k = strlen(keys[i].key);
		size_t digits = k <= n ? strspn(line + k, "_0123456789") : 0;

		if (k > n || strncasecmp(line, keys[i].key, k) != 0 || digits != n - k ||
		    (digits > 0) != keys[i].numbered)
			continue;
		if (keys[i].what == OWN_IF_PREFIX || (keys[i].what == DNS) == dns)
			take_words(line + n + (line[n] == ':'), i, dns, out);
		return;
	}
}

static void take_text(const char *text, bool dns, struct strv *out)
{
	while (*text) {
		size_t n = strcspn(text, "\n");
		own_free char *line = xstrndup(text, n);

		take_line(line, dns, out);
		text += n + (text[n] == '\n');
	}
}

void vmdisk_addresses(const char *text, struct strv *out)
{
	take_text(text, false, out);
}

void vmdisk_nameservers(const char *text, struct strv *out)
{
	take_text(text, true, out);
}
