// SPDX-License-Identifier: MIT
#include "net/traffic/backlog.h"

#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/own.h"
#include "net/netlink.h"

enum {
	ANSWER_MAX = 32 << 10,
	WAITING_MAX = 4096,
	NETLINK_MAX = 256 << 10,
	LISTENING = 1 << TCP_LISTEN,
};

static int open_here(void *arg)
{
	struct backlog *b = arg;

	b->sk = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	b->netlink = open("/proc/thread-self/net/netlink", O_RDONLY | O_CLOEXEC);
	return b->sk < 0 || b->netlink < 0 ? -1 : 0;
}

/* What one walk through the sockets of a family looks for. */
struct look {
	int family, protocol;
	uint32_t states, show;
	void (*take)(struct look *l, const struct nlmsghdr *h);
	int found;
	bool refused; /* this kernel does not tell of that family, or that protocol */
	uint32_t waiting[WAITING_MAX]; /* unix: clients' inodes */
	size_t n;
};

static int ask(const struct backlog *b, const struct look *l)
{
	struct {
		struct nlmsghdr h;
		union {
			struct inet_diag_req_v2 inet;
			struct unix_diag_req local;
		};
	} q = { .h = { .nlmsg_type = SOCK_DIAG_BY_FAMILY,
		       .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP } };

	if (l->family == AF_UNIX) {
		q.local = (struct unix_diag_req){ .sdiag_family = AF_UNIX, .udiag_states = l->states,
						  .udiag_show = l->show };
		q.h.nlmsg_len = NLMSG_LENGTH(sizeof(q.local));
	} else {
		q.inet = (struct inet_diag_req_v2){ .sdiag_family = (uint8_t)l->family,
						    .sdiag_protocol = (uint8_t)l->protocol,
						    .idiag_states = l->states };
		q.h.nlmsg_len = NLMSG_LENGTH(sizeof(q.inet));
	}
	return send(b->sk, &q, q.h.nlmsg_len, 0) == (ssize_t)q.h.nlmsg_len ? 0 : -1;
}

static int walk(const struct backlog *b, struct look *l)
{
	_Alignas(struct nlmsghdr) uint8_t buf[ANSWER_MAX];

	if (ask(b, l) < 0)
		return -1;
	for (;;) {
		ssize_t got = recv(b->sk, buf, sizeof(buf), 0);
		unsigned n = got > 0 ? (unsigned)got : 0;

		if (!n)
			return -1;
		for (const struct nlmsghdr *h = (const void *)buf; NLMSG_OK(h, n);
		     h = NLMSG_NEXT(h, n)) {
			l->refused = h->nlmsg_type == NLMSG_ERROR;
			if (h->nlmsg_type == NLMSG_DONE || l->refused)
				return 0;
			l->take(l, h);
		}
	}
}

static void take_inet(struct look *l, const struct nlmsghdr *h)
{
	const struct inet_diag_msg *m = NLMSG_DATA(h);

	if (h->nlmsg_len >= NLMSG_LENGTH(sizeof(*m)) && m->idiag_rqueue)
		l->found++;
}

static const void *unix_attribute(const struct nlmsghdr *h, uint16_t type, size_t *size)
{
	const struct unix_diag_msg *m = NLMSG_DATA(h);
	const struct rtattr *a = (const struct rtattr *)(m + 1);
	unsigned len = (unsigned)(h->nlmsg_len - NLMSG_LENGTH(sizeof(*m)));

	for (; h->nlmsg_len >= NLMSG_LENGTH(sizeof(*m)) && RTA_OK(a, len); a = RTA_NEXT(a, len)) {
		if (a->rta_type == type) {
			*size = RTA_PAYLOAD(a);
			return RTA_DATA(a);
		}
	}
	*size = 0;
	return NULL;
}

/* A listening one: who waits there; 0: somebody who has left again, and whether he said something, nobody can tell. */
static void take_waiting(struct look *l, const struct nlmsghdr *h)
{
	size_t size;
	const void *list = unix_attribute(h, UNIX_DIAG_ICONS, &size);
	size_t n = size / sizeof(uint32_t), room = WAITING_MAX - l->n;

	n = n < room ? n : room;
	if (n)
		memcpy(l->waiting + l->n, list, n * sizeof(uint32_t));
	for (size_t i = 0; i < n; i++)
		l->found += l->waiting[l->n + i] == 0;
	l->n += n;
}

/* Any other: one of those, which has said something? */
static void take_speaker(struct look *l, const struct nlmsghdr *h)
{
	const struct unix_diag_msg *m = NLMSG_DATA(h);
	size_t size;
	const void *at = unix_attribute(h, UNIX_DIAG_RQLEN, &size);
	struct unix_diag_rqlen q;

	if (size < sizeof(q))
		return;
	memcpy(&q, at, sizeof(q));
	for (size_t i = 0; q.udiag_wqueue && i < l->n; i++)
		l->found += l->waiting[i] == m->udiag_ino;
}

/* Lines "sk Eth Pid Groups Rmem …": those with something in Rmem. */
static int unread_netlink(const struct backlog *b)
{
	own_free char *text = xmalloc(NETLINK_MAX);
	size_t len = 0;
	ssize_t n;
	int found = 0;
	unsigned unread;

	while (len < NETLINK_MAX - 1 &&
	       (n = pread(b->netlink, text + len, NETLINK_MAX - 1 - len, (off_t)len)) > 0)
		len += (size_t)n;
	text[len] = '\0';
	for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n')
		found += sscanf(line, "%*s %*s %*s %*s %u", &unread) == 1 && unread;
	return found;
}

int backlog_open(struct backlog *b, const char *netns, struct err *e)
{
	own_fd int ns = open(netns, O_RDONLY | O_CLOEXEC);
	struct look udp = { .family = AF_INET, .protocol = IPPROTO_UDP, .states = ~0u, .take = take_inet };

	*b = (struct backlog)BACKLOG_INIT;
	if (ns < 0)
		return err_sys(e, "cannot open the network namespace %s", netns);
	if (netns_call(ns, open_here, b, e) == 0) {
		/* The kernel looks for a module first, each time. */
		b->no_udp = walk(b, &udp) < 0 || udp.refused;
		return 0;
	}
	err_sys(e, "cannot ask for the sockets of %s", netns);
	backlog_close(b);
	return -1;
}

void backlog_close(struct backlog *b)
{
	close_fd(&b->sk);
	close_fd(&b->netlink);
}

int backlog_count(struct backlog *b, const char **what, struct err *e)
{
	struct look four = { .family = AF_INET, .protocol = IPPROTO_TCP, .states = LISTENING, .take = take_inet };
	struct look six = { .family = AF_INET6, .protocol = IPPROTO_TCP, .states = LISTENING, .take = take_inet };
	struct look local = { .family = AF_UNIX, .states = LISTENING, .show = UDIAG_SHOW_ICONS,
			      .take = take_waiting };
	int ret = walk(b, &four) < 0 || walk(b, &six) < 0 || walk(b, &local) < 0 ? -1 : 0;
	int unread = unread_netlink(b);

	if (ret == 0 && local.n) {
		local.states = ~0u;
		local.show = UDIAG_SHOW_RQLEN;
		local.take = take_speaker;
		ret = walk(b, &local);
	}
	if (ret < 0)
		return err_sys(e, "cannot ask for the container's sockets");
	ret = four.found + six.found + local.found;
	if (what)
		*what = unread && ret ? "a netlink message that nobody reads, a connection that nobody accepts" :
			unread	      ? "a netlink message that nobody reads" :
					"a connection that nobody accepts";
	return ret + unread;
}

int backlog_unread(struct backlog *b, struct err *e)
{
	struct look four = { .family = AF_INET, .protocol = IPPROTO_UDP, .states = ~0u, .take = take_inet };
	struct look six = { .family = AF_INET6, .protocol = IPPROTO_UDP, .states = ~0u, .take = take_inet };

	if (!b->no_udp && (walk(b, &four) < 0 || walk(b, &six) < 0))
		return err_sys(e, "cannot ask for the container's sockets");
	return four.found + six.found;
}
