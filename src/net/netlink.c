// SPDX-License-Identifier: MIT
#include "net/netlink.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/own.h"
#include "base/path.h"

enum { DUMP_TRIES = 10 };

int netns_call(int ns_fd, int (*fn)(void *arg), void *arg, struct err *e)
{
	own_fd int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	int ret, saved;

	if (home < 0)
		return err_sys(e, "cannot open my network namespace");
	if (setns(ns_fd, CLONE_NEWNET) < 0)
		return err_sys(e, "cannot enter a network namespace");
	ret = fn(arg);
	saved = errno;
	/* Going on in the wrong network would do damage. */
	if (setns(home, CLONE_NEWNET) < 0)
		abort();
	errno = saved;
	return ret;
}

static int open_socket(void *arg)
{
	struct nl *nl = arg;
	int one = 1;

	nl->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, nl->protocol);
	if (nl->fd < 0)
		return -1;
	/* do not send whole requests back in error replies; not vital */
	setsockopt(nl->fd, SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof(one));
	return 0;
}

int nl_open_other(struct nl *nl, int ns_fd, int protocol, uint32_t groups, struct err *e)
{
	struct sockaddr_nl a = { .nl_family = AF_NETLINK, .nl_groups = groups };

	*nl = (struct nl){ .fd = -1, .protocol = protocol };
	if (ns_fd >= 0 ? netns_call(ns_fd, open_socket, nl, e) < 0 : open_socket(nl) < 0)
		return err_sys(e, "cannot open a netlink socket");
	if (groups && bind(nl->fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		return err_sys(e, "cannot listen on a netlink socket");
	return 0;
}

int nl_open(struct nl *nl, int ns_fd, struct err *e)
{
	return nl_open_other(nl, ns_fd, NETLINK_ROUTE, 0, e);
}

void nl_close(struct nl *nl)
{
	close_fd(&nl->fd);
}

void nl_begin(struct nl_msg *m, uint16_t type, uint16_t flags, const void *fixed, size_t len)
{
	memset(m, 0, sizeof(*m));
	m->head.nlmsg_type = type;
	m->head.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags);
	m->head.nlmsg_len = (uint32_t)NLMSG_LENGTH(len);
	memcpy(NLMSG_DATA(&m->head), fixed, len);
}

void nl_put(struct nl_msg *m, uint16_t type, const void *data, size_t len)
{
	size_t at = NLMSG_ALIGN(m->head.nlmsg_len);
	struct rtattr *a = (struct rtattr *)(void *)(m->bytes + at);

	assert(at + RTA_SPACE(len) <= sizeof(m->bytes));
	a->rta_type = type;
	a->rta_len = (uint16_t)RTA_LENGTH(len);
	if (len)
		memcpy(RTA_DATA(a), data, len);
	m->head.nlmsg_len = (uint32_t)(at + RTA_LENGTH(len));
}

void nl_put_u32(struct nl_msg *m, uint16_t type, uint32_t v)
{
	nl_put(m, type, &v, sizeof(v));
}

void nl_put_u8(struct nl_msg *m, uint16_t type, uint8_t v)
{
	nl_put(m, type, &v, sizeof(v));
}

void nl_put_text(struct nl_msg *m, uint16_t type, const char *s)
{
	nl_put(m, type, s, strlen(s) + 1);
}

size_t nl_nest(struct nl_msg *m, uint16_t type)
{
	size_t at = NLMSG_ALIGN(m->head.nlmsg_len);

	nl_put(m, type, NULL, 0);
	return at;
}

void nl_nest_end(struct nl_msg *m, size_t at)
{
	struct rtattr *a = (struct rtattr *)(void *)(m->bytes + at);

	a->rta_len = (uint16_t)(m->head.nlmsg_len - at);
}

static int send_msg(struct nl *nl, struct nl_msg *m)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };

	m->head.nlmsg_seq = ++nl->seq;
	while (sendto(nl->fd, m, m->head.nlmsg_len, 0, (struct sockaddr *)&kernel,
		      sizeof(kernel)) < 0) {
		if (errno != EINTR)
			return -1;
	}
	return 0;
}

/* One datagram may hold several messages; we look for ours.  1: the answer is complete. */
static int take_replies(struct nl *nl, const uint8_t *data, size_t len, struct nl_msg *reply)
{
	while (len >= sizeof(struct nlmsghdr)) {
		struct nlmsghdr h;
		size_t step;

		memcpy(&h, data, sizeof(h));
		step = NLMSG_ALIGN(h.nlmsg_len);
		if (h.nlmsg_len < sizeof(h) || h.nlmsg_len > len)
			break;
		if (h.nlmsg_seq != nl->seq) {
			/* a late answer to a request that was given up */
		} else if (h.nlmsg_type == NLMSG_ERROR) {
			int code;

			memcpy(&code, data + NLMSG_HDRLEN, sizeof(code));
			errno = -code;
			return code ? -1 : 1;
		} else if (reply && !reply->head.nlmsg_len && h.nlmsg_len <= sizeof(*reply)) {
			memcpy(reply, data, h.nlmsg_len);
		}
		data += step < len ? step : len;
		len -= step < len ? step : len;
	}
	return 0;
}

int nl_do(struct nl *nl, struct nl_msg *m, struct nl_msg *reply)
{
	uint8_t data[16384];
	int done = 0;

	if (reply)
		memset(reply, 0, sizeof(*reply));
	if (send_msg(nl, m) < 0)
		return -1;
	while (!done) {
		ssize_t n = recv(nl->fd, data, sizeof(data), 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		done = take_replies(nl, data, (size_t)n, reply);
	}
	return done < 0 ? -1 : 0;
}

/* A list comes in datagrams of several messages.  1: that was its end; 2: the list changed. */
static int take_list(const struct nl *nl, const uint8_t *data, size_t len,
		     nl_each_fn *fn, void *arg)
{
	int ret, changed = 0;

	while (len >= sizeof(struct nlmsghdr)) {
		const struct nlmsghdr *h = (const struct nlmsghdr *)(const void *)data;
		size_t step = NLMSG_ALIGN(h->nlmsg_len);

		if (h->nlmsg_len < sizeof(*h) || h->nlmsg_len > len)
			break;
		if (h->nlmsg_flags & NLM_F_DUMP_INTR)
			changed = 2;
		if (nl->seq && h->nlmsg_seq != nl->seq) {
			/* not of this list */
		} else if (h->nlmsg_type == NLMSG_ERROR) {
			int code;

			memcpy(&code, data + NLMSG_HDRLEN, sizeof(code));
			errno = -code;
			return code ? -1 : 1;
		} else if (h->nlmsg_type == NLMSG_DONE) {
			return changed ? changed : 1;
		} else if ((ret = fn(arg, h)) != 0) {
			return ret < 0 ? ret : -1;
		}
		data += step < len ? step : len;
		len -= step < len ? step : len;
	}
	return 0;
}

int nl_dump(struct nl *nl, struct nl_msg *m, nl_each_fn *fn, void *arg)
{
	static _Alignas(struct nlmsghdr) _Thread_local uint8_t data[64 << 10];
	int done = 0;

	m->head.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	if (send_msg(nl, m) < 0)
		return -1;
	for (int tries = 0; done != 1;) {
		ssize_t n = recv(nl->fd, data, sizeof(data), 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 || (done = take_list(nl, data, (size_t)n, fn, arg)) < 0)
			return -1;
		if (done == 2 && ++tries < DUMP_TRIES) {
			if (fn(arg, NULL) < 0 || send_msg(nl, m) < 0)
				return -1;
		} else if (done == 2) {
			errno = EBUSY;
			return -1;
		}
	}
	return 0;
}

int nl_drain(struct nl *nl, nl_each_fn *fn, void *arg)
{
	static _Alignas(struct nlmsghdr) _Thread_local uint8_t data[64 << 10];
	struct nl any = { .seq = 0 };

	for (;;) {
		ssize_t n = recv(nl->fd, data, sizeof(data), MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -1;
		if (take_list(&any, data, (size_t)n, fn, arg) < 0)
			return -1;
	}
}

const void *nl_find(const struct nl_msg *m, size_t skip, uint16_t type, size_t min)
{
	size_t at = NLMSG_HDRLEN + NLMSG_ALIGN(skip);

	while (at + sizeof(struct rtattr) <= m->head.nlmsg_len) {
		const struct rtattr *a = (const struct rtattr *)(const void *)(m->bytes + at);

		if (a->rta_len < sizeof(*a) || at + a->rta_len > m->head.nlmsg_len)
			break;
		if ((a->rta_type & NLA_TYPE_MASK) == type && a->rta_len >= RTA_LENGTH(min))
			return m->bytes + at + RTA_LENGTH(0);
		at += RTA_ALIGN(a->rta_len);
	}
	return NULL;
}

/* `ip netns` shares /run/netns with every mount namespace; so do we. */
static int share_dir(const char *dir, struct err *e)
{
	if (path_mkdirs(dir, 0755, e) < 0)
		return -1;
	if (mount("", dir, "none", MS_SHARED | MS_REC, NULL) == 0)
		return 0;
	if (errno != EINVAL || mount(dir, dir, "none", MS_BIND | MS_REC, NULL) < 0 ||
	    mount("", dir, "none", MS_SHARED | MS_REC, NULL) < 0)
		return err_sys(e, "cannot share %s", dir);
	return 0;
}

static int pin_new_ns(const char *file)
{
	own_fd int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	int ret, saved;

	if (home < 0 || unshare(CLONE_NEWNET) < 0)
		return -1;
	ret = mount("/proc/thread-self/ns/net", file, "none", MS_BIND, NULL);
	saved = errno;
	if (setns(home, CLONE_NEWNET) < 0)
		abort();
	errno = saved;
	return ret;
}

int netns_make(const char *file, struct err *e)
{
	own_free char *dir = xstrdup(file);
	own_fd int fd = -1;

	*strrchr(dir, '/') = '\0';
	if (share_dir(dir, e) < 0)
		return -1;
	fd = open(file, O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);
	if (fd < 0 && errno == EEXIST)
		return err_set(e, ERR_EXISTS, "the network namespace %s exists already", file);
	if (fd < 0)
		return err_sys(e, "cannot create %s", file);
	if (pin_new_ns(file) < 0) {
		err_sys(e, "cannot make the network namespace %s", file);
		unlink(file);
		return -1;
	}
	return 0;
}

int netns_remove(const char *file, struct err *e)
{
	if (umount2(file, MNT_DETACH) < 0 && errno != EINVAL && errno != ENOENT)
		return err_sys(e, "cannot unmount %s", file);
	if (unlink(file) < 0 && errno != ENOENT)
		return err_sys(e, "cannot remove %s", file);
	return 0;
}
