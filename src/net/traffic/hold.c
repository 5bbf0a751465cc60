// SPDX-License-Identifier: MIT
#include "net/traffic/hold.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/file.h"
#include "base/own.h"
#include "net/ip.h"
#include "net/netdev.h"
#include "net/netlink.h"

enum { PACKET_MAX = 65536, PACKETS_MAX = 4096 };

/* A reply's way back to the sender is not by this device: that is no spoofing here. */
static void no_rp_filter(const char *name)
{
	own_free char *file = xasprintf("/proc/sys/net/ipv4/conf/%s/rp_filter", name);

	file_poke(AT_FDCWD, file, "0", NULL);
}

int hold_open(struct hold *h, const struct strv *addresses, struct err *e)
{
	struct ifreq ifr = { .ifr_flags = IFF_TUN | IFF_NO_PI };
	own_nl struct nl nl = NL_INIT;

	*h = (struct hold)HOLD_INIT;
	strcpy(ifr.ifr_name, "pmhold%d");
	h->tun = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (h->tun < 0 || ioctl(h->tun, TUNSETIFF, &ifr) < 0) {
		err_sys(e, "cannot make a tun device");
		goto fail;
	}
	h->dev = (int)if_nametoindex(ifr.ifr_name);
	no_rp_filter(ifr.ifr_name);
	if (nl_open(&nl, -1, e) < 0)
		goto fail;
	if (netdev_up(&nl, h->dev) < 0) {
		err_sys(e, "cannot set up %s", ifr.ifr_name);
		goto fail;
	}
	strv_addv(&h->addresses, (const char *const *)addresses->item);
	return 0;
fail:
	hold_close(h);
	return -1;
}

static void note_way(struct hold *h, struct nl *nl, const struct ip *ip)
{
	char name[IF_NAMESIZE];
	int dev = route_lookup(nl, ip);

	if (dev > 0 && dev != h->dev && if_indextoname((unsigned)dev, name) && !strv_has(&h->ways, name))
		strv_add(&h->ways, name);
}

int hold_begin(struct hold *h, struct err *e)
{
	own_nl struct nl nl = NL_INIT;

	if (h->tun < 0)
		return 0;
	if (nl_open(&nl, -1, e) < 0)
		return -1;
	h->begun = true;
	for (size_t i = 0; i < h->addresses.n; i++) {
		struct ip ip;

		if (ip_parse(h->addresses.item[i], &ip, e) < 0)
			return -1;
		note_way(h, &nl, &ip);
		if (route_set_host(&nl, &ip, h->dev) < 0)
			return err_sys(e, "cannot hold packets for %s", h->addresses.item[i]);
	}
	return 0;
}

void hold_let_out(struct hold *h, bool on)
{
	for (size_t i = 0; i < h->ways.n && (on || i < h->was.n); i++) {
		own_free char *file = xasprintf("/proc/sys/net/ipv4/conf/%s/rp_filter", h->ways.item[i]), *was = NULL;

		if (on) {
			file_read(AT_FDCWD, file, 64, &was, NULL, NULL);
			strv_add(&h->was, was ? was : "1");
		}
		file_poke(AT_FDCWD, file, on ? "0" : h->was.item[i], NULL);
	}
	if (!on)
		strv_fini(&h->was);
}

static void routes_remove(struct hold *h)
{
	own_nl struct nl nl = NL_INIT;

	if (nl_open(&nl, -1, NULL) < 0)
		return;
	for (size_t i = 0; i < h->addresses.n; i++) {
		struct ip ip;

		if (ip_parse(h->addresses.item[i], &ip, NULL) == 0)
			route_del_host(&nl, &ip);
	}
}

unsigned hold_release(struct hold *h, bool elsewhere)
{
	own_free char *packet = NULL;
	unsigned n = 0;
	ssize_t len;

	if (h->tun < 0 || !h->begun)
		return 0;
	if (elsewhere)
		routes_remove(h);
	packet = xmalloc(PACKET_MAX);
	while (n < PACKETS_MAX && (len = read(h->tun, packet, PACKET_MAX)) > 0) {
		if (write(h->tun, packet, (size_t)len) < 0)
			break;
		n++;
	}
	h->begun = false;
	return n;
}

void hold_close(struct hold *h)
{
	close_fd(&h->tun);
	strv_fini(&h->addresses);
	strv_fini(&h->ways);
	strv_fini(&h->was);
	*h = (struct hold)HOLD_INIT;
}
