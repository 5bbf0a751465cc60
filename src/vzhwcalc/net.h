/* SPDX-License-Identifier: MIT */
/*
 * vzhwcalc/net.h - how a server is reached and asks for names: the addresses that
 * move with it, and what resolv.conf says.
 */
#ifndef VZHWCALC_NET_H
#define VZHWCALC_NET_H

#include <stdbool.h>
#include <sys/socket.h>

#include "base/err.h"
#include "base/strv.h"

/* Does this address belong to the server as the world sees it?  Not loopback, link
 * local, multicast or unspecified.  Pure. */
bool net_address_moves(const struct sockaddr *a);

/* Adds every such address of this server, without prefix length, each once. */
int net_addresses(struct strv *out, struct err *e);

/* Adds the hardware addresses of all interfaces, as 12 small hex digits. */
int net_macs(struct strv *out, struct err *e);

/* Of resolv.conf: its name servers but loopback ones (a resolver of the server
 * itself), and its search domains ("domain" if there is no "search").  Pure. */
void net_resolv_parse(const char *text, struct strv *servers, struct strv *domains);

#endif
