// SPDX-License-Identifier: MIT
/*
 * engine/vz/run/net.c - a container's network, read from its config:
 *
 *	IP_ADDRESS="10.0.0.5 fd00::5/64"	routed, on venet0
 *	NETIF="ifname=eth0,mac=…,host_ifname=…,bridge=br0,ip=10.0.0.6/24,gw=10.0.0.1;…"
 *	RATE="eth0:1:8000"			kbit/s, where vz.conf says TRAFFIC_SHAPING=yes
 *	NEIGHBOUR_DEVS="eth0"			answer for routed addresses there only
 *
 * venet0 is made without addresses, too: they can be added while it runs.  An adapter
 * without a bridge is routed like venet0.
 */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/own.h"
#include "base/parse.h"
#include "engine/vz/run/run.h"

static uint32_t hash_of(const char *a, const char *b)
{
	uint32_t h = 2166136261u; /* FNV-1a */

	for (const char *s = a; *s; s++)
		h = (h ^ (uint8_t)*s) * 16777619u;
	h = (h ^ '/') * 16777619u;
	for (const char *s = b; *s; s++)
		h = (h ^ (uint8_t)*s) * 16777619u;
	return h;
}

/* The same on every server as long as the container keeps its id. */
static void default_mac(uint8_t mac[static 6], const char *id, const char *ifname)
{
	uint32_t h = hash_of(id, ifname);

	mac[0] = 0x02;
	mac[1] = 0x76;
	mac[2] = 0x7a;
	mac[3] = (uint8_t)(h >> 16) | 0x80; /* never the gateway's */
	mac[4] = (uint8_t)(h >> 8);
	mac[5] = (uint8_t)h;
}

static void host_name(char out[static IFNAMSIZ], const char *id, int number)
{
	int n = number < 0 ? snprintf(out, IFNAMSIZ, "venet%s", id) :
			     snprintf(out, IFNAMSIZ, "veth%s.%d", id, number);

	if (n < IFNAMSIZ)
		return;
	if (number < 0)
		snprintf(out, IFNAMSIZ, "venet%08x", hash_of(id, ""));
	else
		snprintf(out, IFNAMSIZ, "veth%08x.%d", hash_of(id, ""), number % 100);
}

int vz_address_check(const char *text, const struct ip *ip, struct err *e)
{
	static const struct {
		struct ip net;
		const char *what;
	} none[] = {
		{ { AF_INET, 8, { 127 } }, "is of the loopback network" },
		{ { AF_INET, 8, { 0 } }, "means no address" },
		{ { AF_INET, 4, { 224 } }, "is a multicast address" },
		{ { AF_INET, 4, { 240 } }, "is reserved, or the broadcast address" },
		{ { AF_INET6, 128, { [15] = 1 } }, "is the loopback address" },
		{ { AF_INET6, 128, { 0 } }, "means no address" },
		{ { AF_INET6, 8, { 0xff } }, "is a multicast address" },
		{ { AF_INET6, 96, { [10] = 0xff, [11] = 0xff } }, "is an IPv4 address in other clothes" },
	};

	for (size_t i = 0; i < array_len(none); i++) {
		if (ip->family == none[i].net.family && ip_within(ip, &none[i].net))
			return err_set(e, ERR_USAGE, "'%s' %s: no container can have it", text, none[i].what);
	}
	return 0;
}

static struct ctnet_if *add_if(struct ctnet *n)
{
	n->ifs = xrealloc(n->ifs, (n->n + 1) * sizeof(*n->ifs));
	memset(&n->ifs[n->n], 0, sizeof(*n->ifs));
	return &n->ifs[n->n++];
}

static int add_address(struct ctnet_if *i, const char *text, struct err *e)
{
	struct ip ip;

	if (ip_parse(text, &ip, e) < 0)
		return -1;
	i->addr = xrealloc(i->addr, (i->n_addr + 1) * sizeof(*i->addr));
	i->addr[i->n_addr++] = ip;
	return 0;
}

static int add_addresses(struct ctnet_if *i, const char *text, struct err *e)
{
	own_strv struct strv words = STRV_INIT;

	strv_split(&words, text, " \t");
	for (size_t k = 0; k < words.n; k++) {
		if (add_address(i, words.item[k], e) < 0)
			return -1;
	}
	return 0;
}

static int put_name(char out[static IFNAMSIZ], const char *text, struct err *e)
{
	if (!*text || strlen(text) >= IFNAMSIZ || strpbrk(text, "/: \t"))
		return err_set(e, ERR_USAGE, "'%s' cannot be an interface's name", text);
	snprintf(out, IFNAMSIZ, "%s", text);
	return 0;
}

static int put_gateway(struct ctnet_if *i, const char *text, struct err *e)
{
	struct ip ip;

	if (ip_parse(text, &ip, e) < 0)
		return -1;
	*(strchr(text, ':') ? &i->gw6 : &i->gw4) = ip;
	return 0;
}

/* One key=value of an adapter; what we do not know is somebody else's. */
static int netif_key(struct ctnet_if *i, const char *key, const char *value, struct err *e)
{
	if (strcmp(key, "ifname") == 0)
		return put_name(i->name, value, e);
	if (strcmp(key, "host_ifname") == 0)
		return put_name(i->host_name, value, e);
	if (strcmp(key, "bridge") == 0 || strcmp(key, "network") == 0)
		return put_name(i->bridge, value, e);
	if (strcmp(key, "mac") == 0)
		return mac_parse(value, i->mac, e);
	if (strcmp(key, "ip") == 0 || strcmp(key, "ip6") == 0)
		return add_addresses(i, value, e);
	if (strcmp(key, "gw") == 0 || strcmp(key, "gw6") == 0)
		return put_gateway(i, value, e);
	return 0;
}

static int netif_adapter(struct ctnet *n, const char *id, const char *text, int number, struct err *e)
{
	struct ctnet_if *i = add_if(n);
	own_strv struct strv words = STRV_INIT;

	strv_split(&words, text, ",");
	snprintf(i->name, sizeof(i->name), "eth%d", number);
	host_name(i->host_name, id, number);
	for (size_t k = 0; k < words.n; k++) {
		char *value = strchr(words.item[k], '=');

		if (value)
			*value++ = '\0';
		if (value && netif_key(i, words.item[k] + strspn(words.item[k], " \t"), value, e) < 0)
			return -1;
	}
	if (!i->mac[0] && !i->mac[5])
		default_mac(i->mac, id, i->name);
	return 0;
}

static int add_adapters(const struct vz *v, struct ctnet *n, struct err *e)
{
	own_free char *netif = vz_value(v, "NETIF", "");
	own_strv struct strv adapters = STRV_INIT;

	strv_split(&adapters, netif, ";");
	for (size_t k = 0; k < adapters.n; k++) {
		if (netif_adapter(n, v->ct.id, adapters.item[k], (int)k, e) < 0)
			return err_wrap(e, "NETIF of container %s", v->ct.id);
	}
	return 0;
}

static int add_venet(const struct vz *v, struct ctnet *n, struct err *e)
{
	own_free char *list = vz_value(v, "IP_ADDRESS", "");
	struct ctnet_if *i = add_if(n);

	snprintf(i->name, sizeof(i->name), "venet0");
	host_name(i->host_name, v->ct.id, -1);
	default_mac(i->mac, v->ct.id, i->name);
	if (add_addresses(i, list, e) < 0)
		return err_wrap(e, "IP_ADDRESS of container %s", v->ct.id);
	return 0;
}

/* "dev:class:kbit …": the first entry's number, in bytes a second. */
static int rate_of(const struct vz *v, uint64_t *out, struct err *e)
{
	own_free char *list = vz_value(v, "RATE", "");
	own_strv struct strv words = STRV_INIT;
	uint64_t kbit;

	*out = 0;
	strv_split(&words, list, " \t");
	if (!words.n || !vz_yes(v, "TRAFFIC_SHAPING", false))
		return 0;
	const char *colon = strrchr(words.item[0], ':');

	if (!colon || parse_u64(colon + 1, "RATE", 1, UINT32_MAX, &kbit, e) < 0)
		return err_set(e, ERR_USAGE, "RATE '%s' of container %s is not dev:class:kbit", list,
			       v->ct.id);
	*out = kbit * 125;
	return 0;
}

int vz_net(const struct vz *v, struct ctnet *out, struct err *e)
{
	own_free char *uplinks = vz_value(v, "NEIGHBOUR_DEVS", "");
	uint64_t rate;

	*out = (struct ctnet)CTNET_INIT;
	out->netns = xstrdup(v->netns);
	out->keep_mptcp = !vz_live_profile(v);
	if (strcmp(uplinks, "detect") != 0)
		strv_split(&out->uplinks, uplinks, " \t");
	if (add_venet(v, out, e) < 0 || add_adapters(v, out, e) < 0 || rate_of(v, &rate, e) < 0) {
		ctnet_fini(out);
		return -1;
	}
	for (size_t i = 0; i < out->n; i++)
		out->ifs[i].rate_bps = rate;
	return 0;
}

void vz_addresses(const struct vz *v, struct strv *out)
{
	own_ctnet struct ctnet n = CTNET_INIT;
	char text[IP_TEXT_MAX];

	if (vz_net(v, &n, NULL) < 0)
		return;
	for (size_t i = 0; i < n.n; i++) {
		for (size_t k = 0; k < n.ifs[i].n_addr; k++) {
			ip_text(text, &n.ifs[i].addr[k]);
			strv_add(out, text);
		}
	}
}
