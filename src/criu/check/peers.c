// SPDX-License-Identifier: MIT
#include "criu/check/peers.h"

#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/own.h"

enum { PAIRS_MAX = 1 << 20 };

struct asking {
	struct unix_peers *p;
	char *netns;
};

static void add(struct unix_peers *p, uint32_t ino, uint32_t peer)
{
	if (p->n >= PAIRS_MAX || !peer)
		return;
	if ((p->n & (p->n - 1)) == 0)
		p->v = xrealloc(p->v, (p->n ? p->n * 2 : 1) * sizeof(*p->v));
	p->v[p->n++] = (struct unix_pair){ .ino = ino, .peer = peer };
}

static void take(struct unix_peers *p, const struct nlmsghdr *h)
{
	const struct unix_diag_msg *m = NLMSG_DATA(h);
	const struct rtattr *a = (const struct rtattr *)(m + 1);
	unsigned len = (unsigned)(h->nlmsg_len - NLMSG_LENGTH(sizeof(*m)));
	uint32_t peer;

	if (h->nlmsg_len < NLMSG_LENGTH(sizeof(*m)))
		return;
	for (; RTA_OK(a, len); a = RTA_NEXT(a, len)) {
		if (a->rta_type != UNIX_DIAG_PEER || RTA_PAYLOAD(a) < sizeof(peer))
			continue;
		memcpy(&peer, RTA_DATA(a), sizeof(peer));
		add(p, m->udiag_ino, peer);
	}
}

static int request(int sk)
{
	struct {
		struct nlmsghdr h;
		struct unix_diag_req r;
	} q = { .h = { .nlmsg_len = sizeof(q), .nlmsg_type = SOCK_DIAG_BY_FAMILY,
		       .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
		.r = { .sdiag_family = AF_UNIX, .udiag_states = ~0u,
		       .udiag_show = UDIAG_SHOW_PEER } };

	return send(sk, &q, sizeof(q), 0) == (ssize_t)sizeof(q) ? 0 : -1;
}

/* A thread of its own: the namespace it enters dies with it. */
static void *ask(void *arg)
{
	struct asking *a = arg;
	own_fd int ns = open(a->netns, O_RDONLY | O_CLOEXEC);
	own_free uint8_t *buf = xmalloc(64 << 10);
	own_fd int sk = -1;

	if (ns < 0 || setns(ns, CLONE_NEWNET) < 0)
		return NULL;
	sk = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	if (sk < 0 || request(sk) < 0)
		return NULL;
	for (;;) {
		ssize_t got = recv(sk, buf, 64 << 10, 0);
		unsigned n = got > 0 ? (unsigned)got : 0;

		if (!n)
			return NULL;
		for (const struct nlmsghdr *h = (const void *)buf; NLMSG_OK(h, n);
		     h = NLMSG_NEXT(h, n)) {
			if (h->nlmsg_type == NLMSG_DONE || h->nlmsg_type == NLMSG_ERROR)
				return NULL;
			take(a->p, h);
		}
	}
}

void unix_peers_init(struct unix_peers *p, pid_t init)
{
	struct asking a = { .p = p, .netns = xasprintf("/proc/%d/ns/net", (int)init) };
	pthread_t t;

	*p = (struct unix_peers){ .v = NULL };
	if (pthread_create(&t, NULL, ask, &a) == 0)
		pthread_join(t, NULL);
	free(a.netns);
}

void unix_peers_fini(struct unix_peers *p)
{
	free(p->v);
	*p = (struct unix_peers){ .v = NULL };
}

void unix_peers_have(struct unix_peers *p, uint64_t ino)
{
	for (size_t i = 0; i < p->n; i++) {
		if (p->v[i].ino == ino)
			p->v[i].held = true;
		if (p->v[i].peer == ino)
			p->v[i].peer_held = true;
	}
}

char *unix_peers_outside(struct unix_peers *p)
{
	while (p->next < p->n) {
		const struct unix_pair *u = &p->v[p->next++];

		if (u->held && !u->peer_held)
			return xasprintf("unix socket %u, connected to %u", u->ino, u->peer);
	}
	return NULL;
}
