// SPDX-License-Identifier: MIT
#include "criu/carry/sockopts.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/icmp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/own.h"
#include "net/netlink.h"

enum {
	SOCKETS_MAX = 1 << 20,
	OPTIONS_MAX = 256, /* of one socket */
	ANY = 0,
	/* when an option travels or is set */
	LISTENER = 1, /* for others it says something else: what the connection has found out */
	ALWAYS = 2,   /* CRIU may have been given another than a new socket has (shim_restore.c) */
	DATAGRAM = 4, /* an accepted connection says what came with its SYN, and cannot be told (net/ipv4/tcp_ipv4.c) */
	/* names of newer kernels than our headers' */
	NAME_IP_LOCAL_PORT_RANGE = 51, NAME_SO_TXREHASH = 74, NAME_TCP_TX_DELAY = 37,
	NAME_TCP_RTO_MAX_MS = 44, NAME_IPV6_RECVERR_RFC4884 = 31,
};

/*
 * Every option that can be read and set, and whose state is nothing but its value.  What CRIU 4.2 carries (sockets.c,
 * sk-inet.c, soccr/) is not here, but for some that it carries since or until some version: comparing costs little.
 */
static const struct option {
	const char *text;
	int family, type, level, name; /* ANY */
	uint8_t len;
	uint8_t when;
} options[] = {
#define OPTION(family, type, level, name, len, when) { #name, family, type, level, name, len, when }
	OPTION(ANY, ANY, SOL_SOCKET, SO_TIMESTAMP, 4, 0),
	OPTION(ANY, ANY, SOL_SOCKET, SO_TIMESTAMPNS, 4, 0),
	OPTION(ANY, ANY, SOL_SOCKET, SO_TIMESTAMPING, 4, 0),
	OPTION(ANY, ANY, SOL_SOCKET, SO_LINGER, 8, 0),
	OPTION(ANY, ANY, SOL_SOCKET, SO_OOBINLINE, 4, 0),
	OPTION(ANY, ANY, SOL_SOCKET, SO_BROADCAST, 4, 0),
	OPTION(ANY, ANY, SOL_SOCKET, SO_DONTROUTE, 4, 0),
	OPTION(ANY, ANY, SOL_SOCKET, SO_MARK, 4, 0),
	OPTION(ANY, ANY, SOL_SOCKET, SO_RCVLOWAT, 4, 0),
	OPTION(ANY, ANY, SOL_SOCKET, SO_RXQ_OVFL, 4, 0),
	OPTION(ANY, ANY, SOL_SOCKET, SO_SELECT_ERR_QUEUE, 4, 0),
	OPTION(ANY, ANY, SOL_SOCKET, SO_BUSY_POLL, 4, 0),
	OPTION(ANY, ANY, SOL_SOCKET, SO_MAX_PACING_RATE, 8, 0),
	OPTION(ANY, ANY, SOL_SOCKET, SO_ZEROCOPY, 4, 0),
	OPTION(ANY, ANY, SOL_SOCKET, NAME_SO_TXREHASH, 4, 0),
	OPTION(ANY, ANY, SOL_IP, IP_TRANSPARENT, 4, ALWAYS),
	OPTION(ANY, ANY, SOL_IP, IP_TOS, 4, 0),
	OPTION(ANY, ANY, SOL_IP, IP_TTL, 4, 0),
	OPTION(ANY, ANY, SOL_IP, IP_MTU_DISCOVER, 4, 0),
	OPTION(ANY, ANY, SOL_IP, IP_RECVERR, 4, 0),
	OPTION(ANY, ANY, SOL_IP, IP_RECVERR_RFC4884, 4, 0),
	OPTION(ANY, ANY, SOL_IP, IP_FREEBIND, 4, 0),
	OPTION(ANY, ANY, SOL_IP, IP_PKTINFO, 4, 0),
	OPTION(ANY, ANY, SOL_IP, IP_RECVTTL, 4, 0),
	OPTION(ANY, ANY, SOL_IP, IP_RECVTOS, 4, 0),
	OPTION(ANY, ANY, SOL_IP, IP_RECVOPTS, 4, 0),
	OPTION(ANY, ANY, SOL_IP, IP_RETOPTS, 4, 0),
	OPTION(ANY, ANY, SOL_IP, IP_RECVORIGDSTADDR, 4, 0),
	OPTION(ANY, ANY, SOL_IP, IP_RECVFRAGSIZE, 4, 0),
	OPTION(ANY, ANY, SOL_IP, IP_PASSSEC, 4, 0),
	OPTION(ANY, ANY, SOL_IP, IP_CHECKSUM, 4, 0),
	OPTION(ANY, ANY, SOL_IP, IP_MINTTL, 4, 0),
	OPTION(ANY, ANY, SOL_IP, IP_BIND_ADDRESS_NO_PORT, 4, 0),
	OPTION(ANY, ANY, SOL_IP, IP_MULTICAST_TTL, 4, DATAGRAM),
	OPTION(ANY, ANY, SOL_IP, IP_MULTICAST_LOOP, 4, 0),
	OPTION(ANY, ANY, SOL_IP, IP_MULTICAST_ALL, 4, 0),
	OPTION(ANY, ANY, SOL_IP, NAME_IP_LOCAL_PORT_RANGE, 4, 0),
	OPTION(ANY, SOCK_RAW, SOL_IP, IP_HDRINCL, 4, 0),
	OPTION(ANY, SOCK_RAW, SOL_IP, IP_NODEFRAG, 4, 0),
	OPTION(AF_INET, SOCK_RAW, SOL_RAW, ICMP_FILTER, 4, 0),
	OPTION(AF_INET6, ANY, SOL_IPV6, IPV6_TCLASS, 4, 0),
	OPTION(AF_INET6, ANY, SOL_IPV6, IPV6_UNICAST_HOPS, 4, 0),
	OPTION(AF_INET6, ANY, SOL_IPV6, IPV6_MTU_DISCOVER, 4, 0),
	OPTION(AF_INET6, ANY, SOL_IPV6, IPV6_RECVERR, 4, 0),
	OPTION(AF_INET6, ANY, SOL_IPV6, NAME_IPV6_RECVERR_RFC4884, 4, 0),
	OPTION(AF_INET6, ANY, SOL_IPV6, IPV6_RECVPKTINFO, 4, 0),
	OPTION(AF_INET6, ANY, SOL_IPV6, IPV6_RECVHOPLIMIT, 4, 0),
	OPTION(AF_INET6, ANY, SOL_IPV6, IPV6_RECVTCLASS, 4, 0),
	OPTION(AF_INET6, ANY, SOL_IPV6, IPV6_RECVHOPOPTS, 4, 0),
	OPTION(AF_INET6, ANY, SOL_IPV6, IPV6_RECVDSTOPTS, 4, 0),
	OPTION(AF_INET6, ANY, SOL_IPV6, IPV6_RECVRTHDR, 4, 0),
	OPTION(AF_INET6, ANY, SOL_IPV6, IPV6_RECVPATHMTU, 4, 0),
	OPTION(AF_INET6, ANY, SOL_IPV6, IPV6_RECVORIGDSTADDR, 4, 0),
	OPTION(AF_INET6, ANY, SOL_IPV6, IPV6_RECVFRAGSIZE, 4, 0),
	OPTION(AF_INET6, ANY, SOL_IPV6, IPV6_MULTICAST_HOPS, 4, DATAGRAM),
	OPTION(AF_INET6, ANY, SOL_IPV6, IPV6_MULTICAST_LOOP, 4, 0),
	OPTION(AF_INET6, ANY, SOL_IPV6, IPV6_MULTICAST_ALL, 4, 0),
	OPTION(AF_INET6, ANY, SOL_IPV6, IPV6_DONTFRAG, 4, 0),
	OPTION(AF_INET6, ANY, SOL_IPV6, IPV6_AUTOFLOWLABEL, 4, 0),
	OPTION(AF_INET6, ANY, SOL_IPV6, IPV6_FLOWINFO_SEND, 4, 0),
	OPTION(AF_INET6, ANY, SOL_IPV6, IPV6_MINHOPCOUNT, 4, 0),
	OPTION(AF_INET6, ANY, SOL_IPV6, IPV6_ADDR_PREFERENCES, 4, 0),
	OPTION(AF_INET6, SOCK_RAW, SOL_IPV6, IPV6_HDRINCL, 4, 0),
	OPTION(AF_INET6, SOCK_RAW, SOL_ICMPV6, 1 /* ICMPV6_FILTER */, 32, 0),
	OPTION(ANY, SOCK_STREAM, SOL_TCP, TCP_CONGESTION, 16, 0),
	OPTION(ANY, SOCK_STREAM, SOL_TCP, TCP_CORK, 4, 0),
	OPTION(ANY, SOCK_STREAM, SOL_TCP, TCP_SYNCNT, 4, 0),
	OPTION(ANY, SOCK_STREAM, SOL_TCP, TCP_LINGER2, 4, 0),
	OPTION(ANY, SOCK_STREAM, SOL_TCP, TCP_DEFER_ACCEPT, 4, 0),
	OPTION(ANY, SOCK_STREAM, SOL_TCP, TCP_THIN_LINEAR_TIMEOUTS, 4, 0),
	OPTION(ANY, SOCK_STREAM, SOL_TCP, TCP_USER_TIMEOUT, 4, 0),
	OPTION(ANY, SOCK_STREAM, SOL_TCP, TCP_FASTOPEN, 4, LISTENER),
	OPTION(ANY, SOCK_STREAM, SOL_TCP, TCP_FASTOPEN_NO_COOKIE, 4, 0),
	OPTION(ANY, SOCK_STREAM, SOL_TCP, TCP_FASTOPEN_CONNECT, 4, 0),
	OPTION(ANY, SOCK_STREAM, SOL_TCP, TCP_NOTSENT_LOWAT, 4, 0),
	OPTION(ANY, SOCK_STREAM, SOL_TCP, TCP_SAVE_SYN, 4, 0),
	OPTION(ANY, SOCK_STREAM, SOL_TCP, TCP_INQ, 4, 0),
	OPTION(ANY, SOCK_STREAM, SOL_TCP, NAME_TCP_TX_DELAY, 4, 0),
	OPTION(ANY, SOCK_STREAM, SOL_TCP, NAME_TCP_RTO_MAX_MS, 4, 0),
	OPTION(ANY, SOCK_STREAM, SOL_TCP, TCP_MAXSEG, 4, LISTENER),
	OPTION(ANY, SOCK_STREAM, SOL_TCP, TCP_WINDOW_CLAMP, 4, 0),
	OPTION(ANY, SOCK_STREAM, SOL_TCP, TCP_NODELAY, 4, 0),
	OPTION(ANY, SOCK_DGRAM, SOL_UDP, UDP_NO_CHECK6_TX, 4, 0),
	OPTION(ANY, SOCK_DGRAM, SOL_UDP, UDP_NO_CHECK6_RX, 4, 0),
	OPTION(ANY, SOCK_DGRAM, SOL_UDP, UDP_SEGMENT, 4, 0),
	OPTION(ANY, SOCK_DGRAM, SOL_UDP, UDP_GRO, 4, 0),
	OPTION(ANY, SOCK_DGRAM, SOL_UDP, UDP_CORK, 4, 0),
	OPTION(ANY, SOCK_DGRAM, SOL_UDP, UDP_ENCAP, 4, 0),
	OPTION(ANY, ANY, SOL_SOCKET, SO_PRIORITY, 4, 0), /* IP_TOS changes it */
#undef OPTION
};

enum { NR_OPTIONS = sizeof(options) / sizeof(*options) };

void sockopts_fini(struct sockopts *s)
{
	for (size_t i = 0; i < s->n; i++)
		free(s->v[i].v);
	free(s->v);
	*s = (struct sockopts)SOCKOPTS_INIT;
}

/* ---- one socket ---- */

struct kind {
	int family, type, protocol;
	bool listens;
};

static bool kind_of(int fd, struct kind *k)
{
	socklen_t n = sizeof(int);
	int listens = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &k->family, &n) < 0 || (k->family != AF_INET && k->family != AF_INET6) ||
	    getsockopt(fd, SOL_SOCKET, SO_TYPE, &k->type, &n) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &k->protocol, &n) < 0)
		return false;
	getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &n);
	k->listens = listens;
	return true;
}

static bool fits(const struct option *o, const struct kind *k)
{
	return (o->family == ANY || o->family == k->family) && (o->type == ANY || o->type == k->type) &&
	       (o->level != SOL_TCP || k->protocol == IPPROTO_TCP) && (o->level != SOL_UDP || k->protocol == IPPROTO_UDP) &&
	       (o->level != SOL_RAW || k->protocol == IPPROTO_ICMP) &&
	       (o->level != SOL_ICMPV6 || k->protocol == IPPROTO_ICMPV6) && (!(o->when & LISTENER) || k->listens) &&
	       (!(o->when & DATAGRAM) || k->type != SOCK_STREAM);
}

/* False where this kernel, or this kind of socket, has no such option. */
static bool read_one(int fd, int level, int name, uint8_t len, struct sockopt *out)
{
	socklen_t n = len;

	*out = (struct sockopt){ .level = level, .name = name };
	if (getsockopt(fd, level, name, out->value, &n) < 0 || n > SOCKOPT_MAX)
		return false;
	out->len = (uint8_t)n;
	return true;
}

static bool same_value(const struct sockopt *a, const struct sockopt *b)
{
	return a->len == b->len && memcmp(a->value, b->value, a->len) == 0;
}

static bool is_ping(const struct kind *k)
{
	return k->type == SOCK_DGRAM && (k->protocol == IPPROTO_ICMP || k->protocol == IPPROTO_ICMPV6);
}

/* getsockname or getpeername */
static void read_end(int fd, int (*get)(int fd, struct sockaddr *a, socklen_t *len), struct sockopts_end *end)
{
	struct sockaddr_storage a = { .ss_family = AF_UNSPEC };
	socklen_t len = sizeof(a);

	/* both families have the port, here the number of the echoes, at the same place */
	if (get(fd, (struct sockaddr *)&a, &len) < 0 || len > sizeof(end->address) || !((struct sockaddr_in *)&a)->sin_port)
		return;
	memcpy(end->address, &a, len);
	end->len = (uint8_t)len;
}

static int give_ends(int fd, const struct sockopts_of *of)
{
	struct sockopts_end now = { .len = 0 };
	struct sockaddr_storage a;

	read_end(fd, getsockname, &now);
	memcpy(&a, of->here.address, sizeof(of->here.address));
	if (of->here.len && !now.len && bind(fd, (struct sockaddr *)&a, of->here.len) < 0)
		return -1;
	memcpy(&a, of->peer.address, sizeof(of->peer.address));
	return of->peer.len ? connect(fd, (struct sockaddr *)&a, of->peer.len) : 0;
}

/* ---- reading ---- */

/* What a new socket of a kind has. */
struct fresh {
	struct kind kind;
	struct sockopt v[NR_OPTIONS];
	bool has[NR_OPTIONS];
};

struct reading {
	struct sockopts *out;
	struct fresh *fresh;
	size_t n_fresh;
	int netns;	 /* where they are */
	uint64_t *seen;	 /* inodes, in a table of hashes */
	size_t n_seen, room;
};

static int make_fresh(void *arg)
{
	struct fresh *f = arg;
	own_fd int fd = socket(f->kind.family, f->kind.type | SOCK_CLOEXEC, f->kind.protocol);

	if (fd < 0)
		return -1;
	for (size_t i = 0; i < NR_OPTIONS; i++)
		f->has[i] = fits(&options[i], &f->kind) &&
			    read_one(fd, options[i].level, options[i].name, options[i].len, &f->v[i]);
	return 0;
}

/* NULL: none can be made, and all options travel. */
static const struct fresh *fresh_like(struct reading *r, const struct kind *k)
{
	for (size_t i = 0; i < r->n_fresh; i++) {
		const struct kind *f = &r->fresh[i].kind;

		if (f->family == k->family && f->type == k->type && f->protocol == k->protocol && f->listens == k->listens)
			return &r->fresh[i];
	}
	r->fresh = xrealloc(r->fresh, (r->n_fresh + 1) * sizeof(*r->fresh));
	r->fresh[r->n_fresh] = (struct fresh){ .kind = *k };
	netns_call(r->netns, make_fresh, &r->fresh[r->n_fresh], NULL);
	return &r->fresh[r->n_fresh++];
}

/* A socket that several processes have is looked at once. */
static bool first_time(struct reading *r, uint64_t inode)
{
	size_t at;

	if (2 * r->n_seen >= r->room) {
		size_t room = r->room ? 2 * r->room : 1024;
		uint64_t *old = r->seen;

		r->seen = xcalloc(room, sizeof(*r->seen));
		for (size_t i = 0; i < r->room; i++) {
			for (at = old[i] % room; old[i] && r->seen[at]; at = (at + 1) % room)
				;
			if (old[i])
				r->seen[at] = old[i];
		}
		free(old);
		r->room = room;
	}
	for (at = inode % r->room; r->seen[at]; at = (at + 1) % r->room) {
		if (r->seen[at] == inode)
			return false;
	}
	r->seen[at] = inode;
	r->n_seen++;
	return true;
}

static int read_socket(struct reading *r, const struct proc *p, int pidfd, int number, struct err *e)
{
	own_fd int fd = (int)syscall(SYS_pidfd_getfd, pidfd, number, 0);
	struct sockopts_of of = { .vpid = p->vpid, .fd = number };
	const struct fresh *f;
	struct kind k;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, "cannot look at descriptor %d of process %d", number, (int)p->vpid);
	if (!kind_of(fd, &k))
		return 0;
	of.uid = st.st_uid;
	of.gid = st.st_gid;
	if (is_ping(&k)) {
		read_end(fd, getsockname, &of.here);
		read_end(fd, getpeername, &of.peer);
	}
	of.v = xcalloc(NR_OPTIONS, sizeof(*of.v));
	f = fresh_like(r, &k);
	for (size_t i = 0; i < NR_OPTIONS; i++) {
		struct sockopt *v = &of.v[of.n];

		if (fits(&options[i], &k) && read_one(fd, options[i].level, options[i].name, options[i].len, v) &&
		    (options[i].when & ALWAYS || !f->has[i] || !same_value(v, &f->v[i])))
			of.n++;
	}
	r->out->v = xrealloc(r->out->v, (r->out->n + 1) * sizeof(*r->out->v));
	r->out->v[r->out->n++] = of;
	return 0;
}

static int read_process(struct reading *r, const struct proc *p, struct err *e)
{
	own_free char *path = xasprintf("/proc/%d/fd", (int)p->pid);
	own_fd int pidfd = (int)syscall(SYS_pidfd_open, p->pid, 0);
	own_dir DIR *d = opendir(path);
	struct dirent *de;

	if (!d || pidfd < 0)
		return p->zombie ? 0 : err_sys(e, "cannot list the descriptors of process %d", (int)p->vpid);
	while ((de = readdir(d))) {
		unsigned long long inode;
		char to[64];
		ssize_t n = readlinkat(dirfd(d), de->d_name, to, sizeof(to) - 1);

		to[n > 0 ? n : 0] = '\0';
		if (sscanf(to, "socket:[%llu]", &inode) == 1 && first_time(r, inode) &&
		    read_socket(r, p, pidfd, atoi(de->d_name), e) < 0)
			return -1;
	}
	return 0;
}

int sockopts_read(struct sockopts *s, const struct proc *p, size_t n, struct err *e)
{
	struct reading r = { .out = s, .netns = -1 };
	own_free char *netns = n ? xasprintf("/proc/%d/ns/net", (int)p[0].pid) : NULL;
	int ret = 0;

	*s = (struct sockopts)SOCKOPTS_INIT;
	r.netns = netns ? open(netns, O_RDONLY | O_CLOEXEC) : -1;
	for (size_t i = 0; i < n && ret == 0; i++)
		ret = read_process(&r, &p[i], e);
	close_fd(&r.netns);
	free(r.fresh);
	free(r.seen);
	return ret;
}

/* ---- applying ---- */

static void name_lost(struct strv *lost, const struct sockopts_of *of, const struct sockopt *o)
{
	const char *text = "an option";

	for (size_t i = 0; i < NR_OPTIONS; i++) {
		if (options[i].level == o->level && options[i].name == o->name)
			text = options[i].text;
	}
	if (o->level == SOL_TCP && o->name == TCP_CONGESTION)
		strv_addf(lost, "%s %.*s of descriptor %d of process %d", text, (int)o->len, (const char *)o->value, of->fd,
			  (int)of->vpid);
	else
		strv_addf(lost, "%s of descriptor %d of process %d", text, of->fd, (int)of->vpid);
}

static int apply_to(const struct sockopts_of *of, const struct proc *p, struct strv *lost, struct err *e)
{
	own_fd int fd = (int)syscall(SYS_pidfd_getfd, p->pidfd, of->fd, 0);
	struct stat st;
	struct kind k;

	if (fd < 0 || !kind_of(fd, &k))
		return err_sys(e, "descriptor %d of process %d is no socket after the restore", of->fd, (int)of->vpid);
	if (is_ping(&k) && give_ends(fd, of) < 0)
		strv_addf(lost, "the number of descriptor %d of process %d", of->fd, (int)of->vpid);
	for (size_t i = 0; i < of->n; i++) {
		const struct sockopt *o = &of->v[i];
		struct sockopt now;

		if (read_one(fd, o->level, o->name, o->len, &now) && same_value(o, &now))
			continue;
		if (setsockopt(fd, o->level, o->name, o->value, o->len) < 0)
			name_lost(lost, of, o);
	}
	/* sockfs gives the socket the same owner as its inode (net/socket.c, sockfs_setattr) */
	if (fstat(fd, &st) == 0 && (st.st_uid != of->uid || st.st_gid != of->gid) && fchown(fd, of->uid, of->gid) < 0)
		return err_sys(e, "cannot give descriptor %d of process %d its owner", of->fd, (int)of->vpid);
	return 0;
}

int sockopts_apply(const struct sockopts *s, const struct proc *p, size_t n, struct strv *lost, struct err *e)
{
	for (size_t i = 0; i < s->n; i++) {
		const struct proc *owner = NULL;

		for (size_t k = 0; k < n && !owner; k++)
			owner = p[k].vpid == s->v[i].vpid ? &p[k] : NULL;
		if (!owner)
			return err_set(e, ERR_UNSUPPORTED, "process %d is not there after the restore", (int)s->v[i].vpid);
		if (apply_to(&s->v[i], owner, lost, e) < 0)
			return -1;
	}
	return 0;
}

/* ---- the image ---- */

void sockopts_put(struct buf *b, const struct sockopts *s)
{
	buf_put_u32(b, (uint32_t)s->n);
	for (size_t i = 0; i < s->n; i++) {
		const struct sockopts_of *of = &s->v[i];

		buf_put_u32(b, (uint32_t)of->vpid);
		buf_put_u32(b, (uint32_t)of->fd);
		buf_put_u32(b, of->uid);
		buf_put_u32(b, of->gid);
		buf_put_bytes(b, of->here.address, of->here.len);
		buf_put_bytes(b, of->peer.address, of->peer.len);
		buf_put_u16(b, (uint16_t)of->n);
		for (size_t k = 0; k < of->n; k++) {
			buf_put_u16(b, (uint16_t)of->v[k].level);
			buf_put_u16(b, (uint16_t)of->v[k].name);
			buf_put_bytes(b, of->v[k].value, of->v[k].len);
		}
	}
}

static bool is_known(int level, int name)
{
	for (size_t i = 0; i < NR_OPTIONS; i++) {
		if (options[i].level == level && options[i].name == name)
			return true;
	}
	return false;
}

static void get_end(struct reader *r, struct sockopts_end *end)
{
	size_t len;
	const uint8_t *address = get_bytes(r, sizeof(end->address), &len);

	if (address && len)
		memcpy(end->address, address, len);
	end->len = (uint8_t)len;
}

static void get_of(struct reader *r, struct sockopts_of *of)
{
	uint16_t n;

	of->vpid = (pid_t)get_u32(r);
	of->fd = (int)get_u32(r);
	of->uid = get_u32(r);
	of->gid = get_u32(r);
	get_end(r, &of->here);
	get_end(r, &of->peer);
	n = get_u16(r);
	r->bad |= n > OPTIONS_MAX;
	of->v = xcalloc(r->bad ? 1 : n + 1u, sizeof(*of->v));
	for (uint16_t i = 0; i < n && !r->bad; i++) {
		struct sockopt *o = &of->v[of->n];
		const uint8_t *value;
		size_t len;

		o->level = get_u16(r);
		o->name = get_u16(r);
		value = get_bytes(r, SOCKOPT_MAX, &len);
		if (!value || !is_known(o->level, o->name))
			continue;
		memcpy(o->value, value, len);
		o->len = (uint8_t)len;
		of->n++;
	}
}

int sockopts_get(struct sockopts *s, const void *data, size_t len, struct err *e)
{
	struct reader r = reader_of(data, len);
	uint32_t n = get_u32(&r);

	*s = (struct sockopts)SOCKOPTS_INIT;
	r.bad |= n > SOCKETS_MAX;
	for (uint32_t i = 0; i < n && !r.bad; i++) {
		s->v = xrealloc(s->v, (s->n + 1) * sizeof(*s->v));
		s->v[s->n] = (struct sockopts_of){ .fd = -1 };
		get_of(&r, &s->v[s->n++]);
	}
	if (reader_done(&r))
		return 0;
	sockopts_fini(s);
	return err_set(e, ERR_PROTO, "the image of the sockets is broken");
}
