// SPDX-License-Identifier: MIT
/*
 * Reading closed connections out of the kernel.
 *
 *	list     sock_diag(7): state, what is unacknowledged, what was agreed on
 *	probe    a SYN for each; its answer carries the sequence numbers
 *	list     has anything moved meanwhile (what is paced, a timer)?  then again; a second SYN within half a second would
 *	         not be answered, a byte that it has had is
 *	pull     acknowledged bit by bit, with the widest window, until the FIN has come
 *	end      a reset for each
 *
 * What we say goes in by a raw socket, as from the other end; what the kernel says is seen on its way out by a packet
 * socket.  Nobody else hears it: the container is cut off.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/inet_diag.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/own.h"
#include "net/ip.h"
#include "net/netlink.h"
#include "net/traffic/closed.h"
#include "net/traffic/closed_priv.h"

enum {
	/* include/net/tcp_states.h; linux/tcp.h and netinet/tcp.h do not go together */
	FIN_WAIT1 = 4, LAST_ACK = 9, CLOSING = 11,
	PACKET_MAX = 512 << 10,
	CAPTURE_BYTES = 32 << 20,
	PROBE_TRIES = 10,
	PROBE_MS = 50,
	ALL_MS = 2000,
	AGAIN_MS = 20,	 /* nothing came for that long: what was acknowledged is said again */
	PATIENCE_MS = 100, /* beyond the time when the kernel says it again by itself */
	ALIVE_MS = 600,	   /* the same of one that has sent: thrice a sender's least timeout, for what was lost on its way */
	TIMER_MS = 1000,   /* its timer of that is not waited for when it is longer: nobody has answered it for long */
	RETRANSMIT = 1,	   /* idiag_timer: sock_diag(7) */
	MSS_LEAST = 536, /* RFC 9293, 3.7.1 */
	STAMP_BYTES = 12,
	WINDOW_MOST = 65535,
};

enum stage { UNKNOWN, KNOWN, ASKED, WHOLE };

struct pull {
	struct closed_conn c;
	uint32_t unacked, unsent; /* with the FIN */
	uint32_t nxt;		  /* the next that it would send */
	enum stage stage;
	uint64_t until;		  /* it is waited for */
	int timer_ms;		  /* of its own */
	bool moved; /* since it was probed */
	bool met;   /* it has answered before: what it expects is known */
	bool owes;  /* an acknowledgement is to be said */
};

struct taking {
	struct nl diag;
	struct closed_voice voice;
	int capture;
	struct pull *v;
	size_t n;
	size_t bytes;
	uint64_t deadline;
	uint8_t *packet;
};

/* ---- listing ---- */

static void read_end(struct tcp_end *end, int family, const uint32_t addr[4], uint16_t port)
{
	memcpy(end->addr, addr, family == AF_INET ? 4 : 16);
	end->port = ntohs(port);
}

/* A socket for both families with an IPv4 connection speaks IPv4. */
static void unmap(struct closed_conn *c)
{
	struct in6_addr peer;

	memcpy(&peer, c->peer.addr, sizeof(peer));
	if (c->family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&peer))
		return;
	c->family = AF_INET;
	memmove(c->here.addr, c->here.addr + 12, 4);
	memmove(c->peer.addr, c->peer.addr + 12, 4);
	memset(c->here.addr + 4, 0, 12);
	memset(c->peer.addr + 4, 0, 12);
}

static void read_agreed(struct pull *p, const struct tcp_info *i)
{
	p->unsent = i->tcpi_notsent_bytes;
	p->c.snd_wnd = i->tcpi_snd_wnd;
	p->c.scales = i->tcpi_options & TCPI_OPT_WSCALE;
	p->c.sacks = i->tcpi_options & TCPI_OPT_SACK;
	p->c.stamps = i->tcpi_options & TCPI_OPT_TIMESTAMPS;
	p->c.snd_wscale = i->tcpi_snd_wscale;
	p->c.rcv_wscale = i->tcpi_rcv_wscale;
	p->c.mss = (uint16_t)(i->tcpi_snd_mss > MSS_LEAST ? i->tcpi_snd_mss : MSS_LEAST);
	if (p->c.stamps)
		p->c.mss = (uint16_t)(p->c.mss + STAMP_BYTES);
}

static bool same_ends(const struct closed_conn *a, int family, const struct tcp_end *here, const struct tcp_end *peer)
{
	return a->family == family && !memcmp(&a->here, here, sizeof(*here)) && !memcmp(&a->peer, peer, sizeof(*peer));
}

static struct pull *find(struct taking *t, int family, const struct tcp_end *here, const struct tcp_end *peer)
{
	for (size_t i = 0; i < t->n; i++) {
		if (same_ends(&t->v[i].c, family, here, peer))
			return &t->v[i];
	}
	return NULL;
}

/* Seen before: has it moved since?  Else one more. */
static void note(struct taking *t, const struct pull *now)
{
	struct pull *was = find(t, now->c.family, &now->c.here, &now->c.peer);

	if (was) {
		if (was->unacked != now->unacked || was->unsent != now->unsent || was->c.snd_wnd != now->c.snd_wnd) {
			const uint32_t rcv_nxt = was->c.rcv_nxt;
			const bool met = was->met || was->stage == KNOWN;

			*was = *now;
			was->moved = true;
			was->met = met;
			was->c.rcv_nxt = rcv_nxt;
		}
		return;
	}
	t->v = xrealloc(t->v, (t->n + 1) * sizeof(*t->v));
	t->v[t->n++] = *now;
}

static int on_socket(void *arg, const struct nlmsghdr *h)
{
	const struct inet_diag_msg *d = h ? NLMSG_DATA(h) : NULL;
	struct pull p = { .stage = UNKNOWN };
	struct tcp_info info = { .tcpi_state = 0 };
	int left;

	/* A socket that somebody has a descriptor of is CRIU's. */
	if (!h || h->nlmsg_len < NLMSG_LENGTH(sizeof(*d)) || d->idiag_inode || !d->idiag_wqueue)
		return 0;
	left = (int)(h->nlmsg_len - NLMSG_LENGTH(sizeof(*d)));
	for (const struct rtattr *a = (const void *)(d + 1); RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		if (a->rta_type == INET_DIAG_INFO)
			memcpy(&info, RTA_DATA(a), RTA_PAYLOAD(a) < sizeof(info) ? RTA_PAYLOAD(a) : sizeof(info));
	}
	p.c.family = d->idiag_family;
	p.unacked = d->idiag_wqueue;
	read_end(&p.c.here, p.c.family, d->id.idiag_src, d->id.idiag_sport);
	read_end(&p.c.peer, p.c.family, d->id.idiag_dst, d->id.idiag_dport);
	unmap(&p.c);
	p.timer_ms = d->idiag_timer == RETRANSMIT && d->idiag_expires < TIMER_MS ? (int)d->idiag_expires : 0;
	read_agreed(&p, &info);
	note(arg, &p);
	return 0;
}

static int list(struct taking *t)
{
	static const int families[] = { AF_INET, AF_INET6 };

	for (size_t i = 0; i < array_len(families); i++) {
		const struct inet_diag_req_v2 q = { .sdiag_family = (uint8_t)families[i],
						    .sdiag_protocol = IPPROTO_TCP,
						    .idiag_ext = 1 << (INET_DIAG_INFO - 1),
						    .idiag_states = 1 << FIN_WAIT1 | 1 << LAST_ACK | 1 << CLOSING };
		struct nl_msg m;

		nl_begin(&m, SOCK_DIAG_BY_FAMILY, 0, &q, sizeof(q));
		/* a kernel without IPv6 has none */
		if (nl_dump(&t->diag, &m, on_socket, t) < 0 && (families[i] == AF_INET || errno != ENOENT))
			return -1;
	}
	return 0;
}

/* ---- speaking for the other end ---- */

static struct tcpseg segment(const struct pull *p, uint8_t flags)
{
	return (struct tcpseg){ .family = p->c.family, .from = p->c.peer, .to = p->c.here, .flags = flags,
				.seq = p->c.rcv_nxt, .window = WINDOW_MOST };
}

static void say_ack(const struct taking *t, struct pull *p)
{
	struct tcpseg s = segment(p, TCPSEG_ACK);

	s.ack = p->c.snd_una + (uint32_t)p->c.data.len;
	closed_say(&t->voice, &s);
	p->owes = false;
}

/*
 * What is on its way would be said again after a timeout only, 200 ms at least.  The other end says that the last of
 * it has come but not the first, and the kernel sends again what lies before it (RFC 8985); without SACK it takes three
 * acknowledgements of the same (RFC 5681, 3.2).  Linux divides a segment at multiples of its size only, so two
 * sizes hold a whole one; a single segment cannot be asked for and comes when its timer says so.
 */
static void ask_again(const struct taking *t, struct pull *p)
{
	struct tcpseg s = segment(p, TCPSEG_ACK);
	uint32_t at = p->c.snd_una + (uint32_t)p->c.data.len, last = 2 * (uint32_t)p->c.mss;

	s.ack = at;
	s.has_sack = p->c.sacks && (int32_t)(p->nxt - at) > 1;
	s.sack_from = p->nxt - at > last ? p->nxt - last : at + 1;
	s.sack_to = p->nxt;
	for (int i = 0; i < (p->c.sacks ? 1 : 3); i++)
		closed_say(&t->voice, &s);
}

/* ---- listening ---- */

static void take_answer(struct pull *p, const struct tcpseg *s)
{
	uint32_t in_flight = p->unacked > p->unsent ? p->unacked - p->unsent : 0;

	/* Only what is neither data nor a probe of a window; a window that shrank is told by another number. */
	if (s->len || !(s->flags & TCPSEG_ACK) || s->flags & (TCPSEG_SYN | TCPSEG_FIN | TCPSEG_RST) ||
	    in_flight > p->c.snd_wnd)
		return;
	p->nxt = s->seq;
	p->c.snd_una = s->seq - in_flight;
	p->c.rcv_nxt = s->ack;
	p->c.rcv_wnd = (uint32_t)s->window << (p->c.scales ? p->c.rcv_wscale : 0);
	p->c.tsval = s->tsval;
	p->c.stamps &= s->has_tsval;
	p->c.sent = in_flight;
	p->stage = KNOWN;
}

static void take_data(struct taking *t, struct pull *p, const struct tcpseg *s)
{
	uint32_t want = p->c.snd_una + (uint32_t)p->c.data.len, had = want - s->seq;
	uint32_t end = s->seq + (uint32_t)s->len;

	if ((int32_t)(end - p->nxt) > 0)
		p->nxt = end;
	p->owes = true;
	p->until = clock_deadline(ALIVE_MS);
	if ((int32_t)had < 0 || (had > s->len) || (!s->len && !(s->flags & TCPSEG_FIN)))
		return; /* comes too early, or was here */
	buf_put(&p->c.data, s->data + had, s->len - had);
	t->bytes += s->len - had;
	if (s->flags & TCPSEG_FIN)
		p->stage = WHOLE;
}

/* Whatever has come so far; none: false. */
static bool listen_on(struct taking *t)
{
	struct sockaddr_ll from = { 0 };
	socklen_t size = sizeof(from);
	bool any = false;
	ssize_t n;

	while ((n = recvfrom(t->capture, t->packet, PACKET_MAX, MSG_DONTWAIT, (struct sockaddr *)&from, &size)) > 0) {
		struct tcpseg s;
		struct pull *p;

		size = sizeof(from);
		if (from.sll_pkttype != PACKET_OUTGOING || !tcpseg_read(&s, t->packet, (size_t)n))
			continue;
		p = find(t, s.family, &s.from, &s.to);
		if (!p)
			continue;
		any = true;
		if (p->stage == UNKNOWN)
			take_answer(p, &s);
		else if (p->stage == ASKED)
			take_data(t, p, &s);
	}
	return any;
}

/* Some that may still be heard of? */
static bool hopes(const struct taking *t)
{
	bool any = false;

	for (size_t i = 0; i < t->n; i++)
		any |= t->v[i].stage == ASKED && clock_left_ms(t->v[i].until) > 0;
	return any && clock_left_ms(t->deadline) > 0 && t->bytes < CLOSED_MAX;
}

static size_t count(const struct taking *t, enum stage stage)
{
	size_t n = 0;

	for (size_t i = 0; i < t->n; i++)
		n += t->v[i].stage == stage;
	return n;
}

static void wait_for(const struct taking *t, int ms)
{
	struct pollfd p = { .fd = t->capture, .events = POLLIN };

	poll(&p, 1, ms);
}

/* ---- the three parts ---- */

static int probe(struct taking *t)
{
	uint64_t deadline = clock_deadline(PROBE_MS);
	size_t moved = 0;

	for (size_t i = 0; i < t->n; i++) {
		struct tcpseg s = segment(&t->v[i], t->v[i].met ? TCPSEG_ACK : TCPSEG_SYN);

		if (t->v[i].met) {
			s.seq--;
			s.data = (const uint8_t *)"";
			s.len = 1;
		}
		if (t->v[i].stage == UNKNOWN)
			closed_say(&t->voice, &s);
	}
	/* As in pull: what has come counts, however late. */
	for (bool heard = listen_on(t); count(t, UNKNOWN) && (heard || clock_left_ms(deadline) > 0); heard = listen_on(t)) {
		if (!heard)
			wait_for(t, (int)clock_left_ms(deadline));
	}
	if (list(t) < 0)
		return -1;
	for (size_t i = 0; i < t->n; i++) {
		moved += t->v[i].moved;
		t->v[i].moved = false;
	}
	return moved || count(t, UNKNOWN) ? 1 : 0;
}

static void pull(struct taking *t)
{
	for (size_t i = 0; i < t->n; i++) {
		if (t->v[i].stage != KNOWN)
			continue;
		t->v[i].stage = ASKED;
		t->v[i].until = clock_deadline(PATIENCE_MS + t->v[i].timer_ms);
		say_ack(t, &t->v[i]);
		if (t->v[i].c.sent)
			ask_again(t, &t->v[i]);
	}
	/* What has come counts, however late we are to read it: on a busy machine that is more than patience allows. */
	for (bool heard = listen_on(t); (heard && t->bytes < CLOSED_MAX) || hopes(t); heard = listen_on(t)) {
		for (size_t i = 0; i < t->n; i++) {
			if (t->v[i].stage == ASKED && heard && t->v[i].owes)
				say_ack(t, &t->v[i]);
			else if (t->v[i].stage == ASKED && !heard)
				ask_again(t, &t->v[i]);
		}
		if (!heard)
			wait_for(t, AGAIN_MS);
	}
}

static void name_lost(struct closed *c, const struct pull *p)
{
	struct ip ip = { .family = p->c.family };
	char text[IP_TEXT_MAX];

	memcpy(ip.b, p->c.peer.addr, 16);
	ip_text(text, &ip);
	log_debug("lost: stage %d, %u unacknowledged, %u unsent, window %u, next %u, first %u, %zu read", (int)p->stage, p->unacked,
		  p->unsent, p->c.snd_wnd, p->nxt, p->c.snd_una, p->c.data.len);
	strv_addf(&c->lost, "%u bytes to %s port %u", (unsigned)(p->unacked - 1), text, (unsigned)p->c.peer.port);
}

static void hand_over(struct taking *t, struct closed *c)
{
	c->v = xcalloc(t->n + 1, sizeof(*c->v));
	for (size_t i = 0; i < t->n; i++) {
		struct pull *p = &t->v[i];
		struct tcpseg s = segment(p, TCPSEG_RST);

		if (p->stage != WHOLE) {
			name_lost(c, p);
			continue;
		}
		closed_say(&t->voice, &s);
		c->v[c->n++] = p->c;
		p->c.data = (struct buf)BUF_INIT;
	}
}

static int open_sockets(void *arg)
{
	struct taking *t = arg;
	int room = CAPTURE_BYTES;

	t->capture = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, htons(ETH_P_ALL));
	if (t->capture < 0 || closed_voice_open(&t->voice) < 0)
		return -1;
	setsockopt(t->capture, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
	return 0;
}

static void taking_close(struct taking *t)
{
	nl_close(&t->diag);
	closed_voice_close(&t->voice);
	close_fd(&t->capture);
	for (size_t i = 0; i < t->n; i++)
		buf_fini(&t->v[i].c.data);
	free(t->v);
	free(t->packet);
}

static int take(struct taking *t, int ns, struct closed *c, struct err *e)
{
	int again = 1;

	if (netns_call(ns, open_sockets, t, e) < 0)
		return err_sys(e, "cannot open packet sockets");
	t->packet = xmalloc(PACKET_MAX);
	t->deadline = clock_deadline(ALL_MS);
	for (int i = 0; i < PROBE_TRIES && again > 0; i++)
		again = probe(t);
	if (again < 0)
		return err_sys(e, "cannot ask for the container's sockets");
	pull(t);
	hand_over(t, c);
	return 0;
}

int closed_take(const char *netns, struct closed *c, struct err *e)
{
	struct taking t = { .diag = NL_INIT, 
			    .voice = CLOSED_VOICE_INIT, .capture = -1 };
	own_fd int ns = open(netns, O_RDONLY | O_CLOEXEC);
	int ret = 0;

	*c = (struct closed)CLOSED_INIT;
	if (ns < 0)
		return err_sys(e, "cannot open the network namespace %s", netns);
	if (nl_open_other(&t.diag, ns, NETLINK_SOCK_DIAG, 0, e) < 0)
		return -1;
	if (list(&t) < 0)
		ret = err_sys(e, "cannot ask for the container's sockets");
	else if (t.n)
		ret = take(&t, ns, c, e);
	taking_close(&t);
	return ret;
}

/* ---- ended ---- */

static int on_orphan(void *arg, const struct nlmsghdr *h)
{
	const struct inet_diag_msg *d = h ? NLMSG_DATA(h) : NULL;
	struct inet_diag_req_v2 q;

	if (!d || h->nlmsg_len < NLMSG_LENGTH(sizeof(*d)) || d->idiag_inode)
		return 0;
	q = (struct inet_diag_req_v2){ .sdiag_family = d->idiag_family, .sdiag_protocol = IPPROTO_TCP, .idiag_states = ~0u,
				       .id = d->id };
	buf_put(arg, &q, sizeof(q));
	return 0;
}

void closed_end(const char *netns)
{
	static const int families[] = { AF_INET, AF_INET6 };
	own_fd int ns = open(netns, O_RDONLY | O_CLOEXEC);
	own_buf struct buf found = BUF_INIT;
	own_nl struct nl nl = NL_INIT;
	struct nl_msg m;

	if (ns < 0 || nl_open_other(&nl, ns, NETLINK_SOCK_DIAG, 0, NULL) < 0)
		return;
	for (size_t i = 0; i < array_len(families); i++) {
		const struct inet_diag_req_v2 q = { .sdiag_family = (uint8_t)families[i], .sdiag_protocol = IPPROTO_TCP,
						    .idiag_states = 1 << FIN_WAIT1 | 1 << LAST_ACK | 1 << CLOSING };

		nl_begin(&m, SOCK_DIAG_BY_FAMILY, 0, &q, sizeof(q));
		if (nl_dump(&nl, &m, on_orphan, &found) < 0)
			break;
	}
	/* a kernel that cannot (INET_DIAG_DESTROY) lets them end by themselves, after their timeouts */
	for (size_t at = 0; at + sizeof(struct inet_diag_req_v2) <= found.len; at += sizeof(struct inet_diag_req_v2)) {
		nl_begin(&m, SOCK_DESTROY, 0, found.data + at, sizeof(struct inet_diag_req_v2));
		nl_do(&nl, &m, NULL);
	}
}
