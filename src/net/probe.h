/* SPDX-License-Identifier: MIT */
/*
 * net/probe.h - does somebody on the LAN have this address already?  Asked by ARP (RFC 826) with our own address as
 * the sender, for servers answer for the addresses of their containers only then (arp_process in net/ipv4/arp.c: a
 * request from 0.0.0.0 is answered for the server's own addresses alone), and by a neighbour solicitation as of
 * duplicate address detection (RFC 4862), which is answered for both.
 *
 * Asking takes no time; the answers come while the caller does something else:
 *
 *	probe_begin	opens its sockets
 *	probe_ask	each address once, as often as it is called
 *	probe_answered	waits until the answers of a LAN must have come, looks at them
 */
#ifndef NET_PROBE_H
#define NET_PROBE_H

#include "base/strv.h"
#include "net/ip.h"

enum { PROBE_MAX_FRAME = 96, PROBE_MAX = 64, PROBE_WAIT_MS = 300 };

struct probe {
	int arp, nd;	   /* packet sockets, or -1 */
	uint64_t until;	   /* clock_ns; 0: nothing was asked */
	size_t n;
	struct probe_target {
		struct ip ip;
		int dev;
	} target[PROBE_MAX];
};

#define PROBE_INIT { .arp = -1, .nd = -1 }
#define own_probe __attribute__((cleanup(probe_fini)))

int probe_begin(struct probe *p, struct err *e);
void probe_fini(struct probe *p);
/* Asks for it out of interface `dev`. */
void probe_ask(struct probe *p, const struct ip *ip, int dev);
/* Asks for all again. */
void probe_repeat(struct probe *p);
/* Blocks for at most PROBE_WAIT_MS after the first question.  One that somebody has: *ip and his MAC.  The default
 * gateway's answers do not count, unless it is asked for its own address: some answer for every address. */
bool probe_answered(struct probe *p, struct ip *ip, uint8_t mac[static 6]);

/* Pure: a question, its length; from: our address, family 0 when there is none. */
size_t probe_frame(uint8_t out[static PROBE_MAX_FRAME], const struct ip *ip, const struct ip *from,
		   const uint8_t mac[static 6]);
/* Pure: does this frame say that somebody has `ip`, and who? */
bool probe_is_answer(const uint8_t *frame, size_t len, const struct ip *ip, uint8_t mac[static 6]);

#endif
