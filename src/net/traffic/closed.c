// SPDX-License-Identifier: MIT
#include "net/traffic/closed.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/tcp.h> /* which does not go together with netinet/tcp.h */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/own.h"
#include "net/netlink.h"
#include "net/traffic/closed_priv.h"
#include "net/traffic/silence.h"

enum {
	CONNS_MAX = 65536,
	SEND_ROOM = 256 << 10, /* what the kernel takes for its own beside the bytes, at the least */
	LATER = 20,	       /* ticks of the time stamps, that none is older than one that was sent */
	/* linux/tcp.h: leaving repair mode without a probe */
	TCP = IPPROTO_TCP, /* the level */
	REPAIR_OFF_QUIETLY = -1,
	OPT_MSS = 2, OPT_WINDOW = 3, OPT_SACK_OK = 4, OPT_TIME = 8,
};

void closed_fini(struct closed *c)
{
	for (size_t i = 0; i < c->n; i++)
		buf_fini(&c->v[i].data);
	free(c->v);
	strv_fini(&c->lost);
	*c = (struct closed)CLOSED_INIT;
}

/* ---- speaking for the other end ---- */

int closed_voice_open(struct closed_voice *v)
{
	int mark = SILENCE_PASS_MARK;

	v->four = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	v->six = socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	if (v->four < 0 || setsockopt(v->four, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) < 0)
		return -1;
	if (v->six >= 0)
		setsockopt(v->six, SOL_SOCKET, SO_MARK, &mark, sizeof(mark));
	return 0;
}

void closed_voice_close(struct closed_voice *v)
{
	close_fd(&v->four);
	close_fd(&v->six);
}

static socklen_t address(struct sockaddr_storage *a, int family, const struct tcp_end *end)
{
	struct sockaddr_in *four = (void *)a;
	struct sockaddr_in6 *six = (void *)a;

	memset(a, 0, sizeof(*a));
	a->ss_family = (sa_family_t)family;
	if (family == AF_INET) {
		four->sin_port = htons(end->port);
		memcpy(&four->sin_addr, end->addr, 4);
		return sizeof(*four);
	}
	six->sin6_port = htons(end->port);
	memcpy(&six->sin6_addr, end->addr, 16);
	return sizeof(*six);
}

/* raw(7): the header is ours; for IPv6 the address has no port. */
void closed_say(const struct closed_voice *v, const struct tcpseg *s)
{
	struct tcp_end to = s->to;
	struct sockaddr_storage a;
	uint8_t packet[TCPSEG_MAX];
	size_t n = tcpseg_write(packet, s);
	socklen_t len;

	to.port = 0;
	len = address(&a, s->family, &to);
	if (sendto(s->family == AF_INET ? v->four : v->six, packet, n, MSG_DONTWAIT, (struct sockaddr *)&a, len) < 0)
		log_debug("a segment for a closed connection is not sent: %s", strerror(errno));
}

/* ---- made again ---- */

static int set(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value));
}

static int set_seq(int fd, int queue, uint32_t seq)
{
	return set(fd, TCP, TCP_REPAIR_QUEUE, queue) < 0 ||
			       setsockopt(fd, TCP, TCP_QUEUE_SEQ, &seq, sizeof(seq)) < 0 ? -1 : 0;
}

/* What both ends had agreed on. */
static int set_agreed(int fd, const struct closed_conn *c)
{
	struct tcp_repair_opt o[4] = { { OPT_MSS, c->mss } };
	size_t n = 1;

	if (c->scales)
		o[n++] = (struct tcp_repair_opt){ OPT_WINDOW, (uint32_t)c->snd_wscale | (uint32_t)c->rcv_wscale << 16 };
	if (c->sacks)
		o[n++] = (struct tcp_repair_opt){ OPT_SACK_OK, 0 };
	if (c->stamps)
		o[n++] = (struct tcp_repair_opt){ OPT_TIME, 0 };
	if (setsockopt(fd, TCP, TCP_REPAIR_OPTIONS, o, (socklen_t)(n * sizeof(*o))) < 0)
		return -1;
	/* The lowest bit says which clock: milliseconds. */
	return c->stamps ? set(fd, TCP, TCP_TIMESTAMP, (int)((c->tsval + LATER) & ~1u)) : 0;
}

static int set_windows(int fd, const struct closed_conn *c)
{
	const uint32_t open = c->snd_wnd ? c->snd_wnd : 1; /* for the byte of make_agreed */
	struct tcp_repair_window w = { .snd_wl1 = c->rcv_nxt, .snd_wnd = open, .max_window = open,
				       .rcv_wnd = c->rcv_wnd, .rcv_wup = c->rcv_nxt };

	return setsockopt(fd, TCP, TCP_REPAIR_WINDOW, &w, sizeof(w));
}

static int send_all(int fd, const uint8_t *data, size_t len)
{
	while (len) {
		ssize_t n = send(fd, data, len < SEND_ROOM ? len : SEND_ROOM, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n <= 0)
			return -1;
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

static void say_ack(const struct closed_voice *v, const struct closed_conn *c)
{
	uint32_t window = c->snd_wnd >> (c->scales ? c->snd_wscale : 0);
	const struct tcpseg s = { .family = c->family, .from = c->peer, .to = c->here, .flags = TCPSEG_ACK,
				  .seq = c->rcv_nxt, .ack = c->snd_una,
				  .window = (uint16_t)(window < UINT16_MAX ? window : UINT16_MAX) };

	closed_say(v, &s);
}

/* As it was agreed on, but with one byte to be acknowledged before the first: the other end has had that long ago. */
static int make_agreed(int fd, const struct closed_conn *c)
{
	struct sockaddr_storage here, peer;
	socklen_t len = address(&here, c->family, &c->here);

	address(&peer, c->family, &c->peer);
	return set(fd, TCP, TCP_REPAIR, 1) < 0 || set_seq(fd, TCP_SEND_QUEUE, c->snd_una - 1) < 0 ||
			       set_seq(fd, TCP_RECV_QUEUE, c->rcv_nxt) < 0 || set(fd, SOL_IP, IP_FREEBIND, 1) < 0 ||
			       bind(fd, (struct sockaddr *)&here, len) < 0 ||
			       connect(fd, (struct sockaddr *)&peer, len) < 0 || set_agreed(fd, c) < 0 ||
			       set(fd, SOL_SOCKET, SO_SNDBUFFORCE, (int)(2 * c->data.len + SEND_ROOM)) < 0 ||
			       set_windows(fd, c) < 0 || set(fd, TCP, TCP_REPAIR, REPAIR_OFF_QUIETLY) < 0
		       ? -1 : 0;
}

/*
 * That byte is sent (it gets nowhere, and nobody would mind it) and acknowledged at once: a kernel without any measured
 * round trip waits three seconds before it repeats something (RFC 6298, 5.7), and none is measured by what was never sent.
 */
static int measure(const struct closed_voice *v, int fd, const struct closed_conn *c)
{
	if (send(fd, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL) != 1)
		return -1;
	say_ack(v, c);
	return 0;
}

/* In repair mode nothing is sent: what is written counts as sent already.  What was not, is written behind it. */
static int make_one(const struct closed_voice *v, int fd, const struct closed_conn *c)
{
	size_t sent = c->sent < c->data.len ? c->sent : c->data.len;

	return make_agreed(fd, c) < 0 || measure(v, fd, c) < 0 || set(fd, TCP, TCP_REPAIR, 1) < 0 ||
			       set(fd, TCP, TCP_REPAIR_QUEUE, TCP_SEND_QUEUE) < 0 ||
			       send_all(fd, c->data.data, sent) < 0 ||
			       set(fd, TCP, TCP_REPAIR, REPAIR_OFF_QUIETLY) < 0 ||
			       /* else nobody could listen on that port while it is there */
			       set(fd, SOL_SOCKET, SO_REUSEADDR, 1) < 0 ||
			       send_all(fd, c->data.data + sent, c->data.len - sent) < 0
		       ? -1 : 0;
}

struct making {
	const struct closed *c;
	size_t refused;
};

static int make_all(void *arg)
{
	struct closed_voice voice = CLOSED_VOICE_INIT;
	struct making *m = arg;

	if (closed_voice_open(&voice) < 0)
		log_debug("no raw sockets: %s", strerror(errno));
	for (size_t i = 0; i < m->c->n; i++) {
		int fd = socket(m->c->v[i].family, SOCK_STREAM | SOCK_CLOEXEC, 0);
		bool made = fd >= 0 && make_one(&voice, fd, &m->c->v[i]) == 0;

		/* In repair mode, closing says nothing to anybody; else it is the farewell. */
		m->refused += !made;
		if (fd >= 0)
			close(fd);
	}
	closed_voice_close(&voice);
	return 0;
}

int closed_make(const char *netns, const struct closed *c, size_t *refused, struct err *e)
{
	own_fd int ns = open(netns, O_RDONLY | O_CLOEXEC);
	struct making m = { .c = c };

	if (ns < 0)
		return err_sys(e, "cannot open the network namespace %s", netns);
	if (c->n && netns_call(ns, make_all, &m, e) < 0)
		return -1;
	*refused = m.refused;
	return 0;
}

/* ---- the wire ---- */

static void put_end(struct buf *b, int family, const struct tcp_end *end)
{
	buf_put(b, end->addr, family == AF_INET ? 4 : 16);
	buf_put_u16(b, end->port);
}

void closed_put(struct buf *b, const struct closed *c)
{
	buf_put_u32(b, (uint32_t)c->n);
	for (size_t i = 0; i < c->n; i++) {
		const struct closed_conn *k = &c->v[i];

		buf_put_u8(b, k->family == AF_INET ? 4 : 6);
		put_end(b, k->family, &k->here);
		put_end(b, k->family, &k->peer);
		buf_put_u32(b, k->snd_una);
		buf_put_u32(b, k->rcv_nxt);
		buf_put_u32(b, k->snd_wnd);
		buf_put_u32(b, k->rcv_wnd);
		buf_put_u32(b, k->sent);
		buf_put_u32(b, k->tsval);
		buf_put_u16(b, k->mss);
		buf_put_u8(b, k->snd_wscale);
		buf_put_u8(b, k->rcv_wscale);
		buf_put_u8(b, (uint8_t)(k->scales | k->sacks << 1 | k->stamps << 2));
		buf_put_bytes(b, k->data.data, k->data.len);
	}
}

static void get_end(struct reader *r, int family, struct tcp_end *end)
{
	size_t n = family == AF_INET ? 4 : 16;
	const uint8_t *addr = get_raw(r, n);

	if (addr)
		memcpy(end->addr, addr, n);
	end->port = get_u16(r);
}

static void get_one(struct reader *r, struct closed_conn *k)
{
	uint8_t version = get_u8(r), agreed;
	const uint8_t *data;
	size_t len;

	r->bad |= version != 4 && version != 6;
	k->family = version == 4 ? AF_INET : AF_INET6;
	get_end(r, k->family, &k->here);
	get_end(r, k->family, &k->peer);
	k->snd_una = get_u32(r);
	k->rcv_nxt = get_u32(r);
	k->snd_wnd = get_u32(r);
	k->rcv_wnd = get_u32(r);
	k->sent = get_u32(r);
	k->tsval = get_u32(r);
	k->mss = get_u16(r);
	k->snd_wscale = get_u8(r);
	k->rcv_wscale = get_u8(r);
	agreed = get_u8(r);
	k->scales = agreed & 1;
	k->sacks = agreed & 2;
	k->stamps = agreed & 4;
	data = get_bytes(r, CLOSED_MAX, &len);
	if (data)
		buf_put(&k->data, data, len);
}

int closed_get(struct reader *r, struct closed *c, struct err *e)
{
	uint32_t n = get_u32(r);

	*c = (struct closed)CLOSED_INIT;
	r->bad |= n > CONNS_MAX;
	for (uint32_t i = 0; i < n && !r->bad; i++) {
		c->v = xrealloc(c->v, (c->n + 1) * sizeof(*c->v));
		c->v[c->n] = (struct closed_conn){ .family = 0 };
		get_one(r, &c->v[c->n++]);
	}
	if (!r->bad)
		return 0;
	closed_fini(c);
	return err_set(e, ERR_PROTO, "the closed connections cannot be understood");
}
