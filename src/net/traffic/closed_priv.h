/* SPDX-License-Identifier: MIT */
/* net/traffic/closed_priv.h - between closed.c and closed_take.c: speaking for the other end. */
#ifndef NET_TRAFFIC_CLOSED_PRIV_H
#define NET_TRAFFIC_CLOSED_PRIV_H

#include "net/traffic/tcpseg.h"

/* Raw sockets of the thread's network namespace, of IPv4 and IPv6 (-1 without it); they pass net/traffic/silence.h. */
struct closed_voice {
	int four, six;
};

#define CLOSED_VOICE_INIT { .four = -1, .six = -1 }

int closed_voice_open(struct closed_voice *v); /* -1 with errno */
void closed_voice_close(struct closed_voice *v);
void closed_say(const struct closed_voice *v, const struct tcpseg *s);

#endif
