// SPDX-License-Identifier: MIT
/* Sockets, for criu/check/obstacles.h: memberships of netlink and packet sockets, which only sock_diag(7) tells all, and what UDP holds back. */
#include <fcntl.h>
#include <linux/netlink_diag.h>
#include <linux/packet_diag.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/own.h"
#include "criu/check/priv.h"
#include "net/netlink.h"

static void note(struct look *l, uint32_t ino, const struct obstacle_rule *r)
{
	if (!r)
		return;
	l->member = xrealloc(l->member, (l->n_member + 1) * sizeof(*l->member));
	l->member[l->n_member++] = (struct member){ ino, r };
}

/* The payload of an attribute behind the fixed part of a message, and its size. */
static const void *attribute(const struct nlmsghdr *h, size_t fixed, uint16_t type, size_t *size)
{
	const struct rtattr *a = (const void *)((const uint8_t *)NLMSG_DATA(h) + NLMSG_ALIGN(fixed));
	unsigned len = h->nlmsg_len - (unsigned)NLMSG_SPACE(fixed);

	*size = 0;
	for (; h->nlmsg_len >= NLMSG_SPACE(fixed) && RTA_OK(a, len); a = RTA_NEXT(a, len)) {
		if (a->rta_type == type) {
			*size = RTA_PAYLOAD(a);
			return RTA_DATA(a);
		}
	}
	return NULL;
}

static int on_netlink(void *arg, const struct nlmsghdr *h)
{
	const struct netlink_diag_msg *m = h ? NLMSG_DATA(h) : NULL;
	size_t size;
	const void *groups;

	if (!m || h->nlmsg_len < NLMSG_LENGTH(sizeof(*m)))
		return 0;
	groups = attribute(h, sizeof(*m), NETLINK_DIAG_GROUPS, &size);
	note(arg, m->ndiag_ino, obstacle_of_netlink(m->ndiag_portid, groups, size));
	return 0;
}

static int on_packet(void *arg, const struct nlmsghdr *h)
{
	const struct packet_diag_msg *m = h ? NLMSG_DATA(h) : NULL;
	size_t size;
	const void *members;

	if (!m || h->nlmsg_len < NLMSG_LENGTH(sizeof(*m)))
		return 0;
	members = attribute(h, sizeof(*m), PACKET_DIAG_MCLIST, &size);
	note(arg, m->pdiag_ino, obstacle_of_packet(members, size));
	return 0;
}

static void ask(struct look *l, int ns, const void *request, size_t len, nl_each_fn *fn)
{
	own_nl struct nl nl = NL_INIT;
	struct nl_msg m;

	if (nl_open_other(&nl, ns, NETLINK_SOCK_DIAG, 0, NULL) < 0)
		return;
	nl_begin(&m, SOCK_DIAG_BY_FAMILY, 0, request, len);
	nl_dump(&nl, &m, fn, l); /* a kernel that does not tell us does not tell CRIU */
}

void obstacles_take_members(struct look *l)
{
	static const struct netlink_diag_req netlink = { .sdiag_family = AF_NETLINK, .sdiag_protocol = NDIAG_PROTO_ALL,
							 .ndiag_show = NDIAG_SHOW_GROUPS };
	static const struct packet_diag_req packet = { .sdiag_family = AF_PACKET, .pdiag_show = PACKET_SHOW_MCLIST };
	own_free char *path = xasprintf("/proc/%d/ns/net", (int)l->init);
	own_fd int ns = open(path, O_RDONLY | O_CLOEXEC);

	if (ns < 0)
		return;
	ask(l, ns, &netlink, sizeof(netlink), on_netlink);
	ask(l, ns, &packet, sizeof(packet), on_packet);
}

void obstacles_look_at_member(struct look *l, pid_t pid, uint64_t ino, const char *object)
{
	for (size_t i = 0; i < l->n_member; i++) {
		if (l->member[i].ino == ino)
			obstacles_found(l, pid, l->member[i].rule, object);
	}
}

/* A datagram that is still being put together (UDP_CORK, MSG_MORE).  What was sent whole counts, too, until it has left. */
static bool holds_part(int fd)
{
	int on = 0, held = 0;
	socklen_t len = sizeof(on);

	return getsockopt(fd, IPPROTO_UDP, UDP_CORK, &on, &len) == 0 && on && ioctl(fd, SIOCOUTQ, &held) == 0 && held;
}

void obstacles_look_at_datagram(struct look *l, pid_t pid, int number, const char *object)
{
	static const struct obstacle_rule part = {
		"it holds back a part of a datagram (UDP_CORK), which cannot be moved", "let the program send the rest, or restart it", true
	};
	own_fd int process = (int)syscall(SYS_pidfd_open, pid, 0);
	own_fd int fd = process < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, process, number, 0);

	for (int i = 0; fd >= 0 && holds_part(fd); i++) {
		if (i == OBSTACLES_LOOKS) {
			obstacles_found(l, pid, &part, object);
			break;
		}
		clock_sleep_ms(OBSTACLES_LOOK_MS);
	}
}
