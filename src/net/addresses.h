/* SPDX-License-Identifier: MIT */
/*
 * net/addresses.h - this server's interfaces, and which of some addresses it
 * has or routes to something of its own.
 */
#ifndef NET_ADDRESSES_H
#define NET_ADDRESSES_H

#include <stdbool.h>

#include "base/err.h"
#include "base/strv.h"

/* Names of all interfaces. */
int addresses_interfaces(struct strv *out, struct err *e);

/* All addresses of the thread's network namespace, as text without prefix length. */
int addresses_here(struct strv *out, struct err *e);

/* Of `ask` (IPv4 and IPv6 as text, without prefix length) those that are an address
 * of an interface here, or have a host route (/32, /128) without a gateway: a
 * container of this server answers them.  Adds them to *out. */
int addresses_used(const struct strv *ask, struct strv *out, struct err *e);

/* Does /proc/net/route's text have a direct /32 route to this address?  Pure. */
bool addresses_routed4(const char *text, const char *address);
/* The same for /proc/net/ipv6_route and /128; routes of lo do not count. */
bool addresses_routed6(const char *text, const char *address);

#endif
