// SPDX-License-Identifier: MIT
/*
 * criu-shim.so where CRIU reads and refills the queues of unix sockets (sk-queue.c of CRIU 4.2).
 *
 * Of what the kernel tells beside a message CRIU knows descriptors only; at anything else it fails: who sent it (SO_PASSCRED,
 * as journald has it), when (SO_TIMESTAMP), by which label (SO_PASSSEC), as which pidfd.  And what it refills is
 * sent by CRIU, as root.
 *
 *	dump	recvmsg(MSG_PEEK)	all but descriptors is taken away; the sender is written behind the message's bytes
 *	restore	sendmsg			that is taken off again, and the message sent in the sender's name
 *
 *	restore	recvmsg(MSG_DONTWAIT)	waits, in a process that sends descriptors into a pair: a file that another process makes may
 *				not have come yet, and CRIU then takes the pair for restored, without its messages (sk-unix.c,
 *				post_open_interconnected_master); SHIM_PAIRS_WAITING says which processes (criu/save/pairs.h)
 *	dump	getsockopt(UDP_CORK)	off where nothing is held back: CRIU refuses corked ones; criu/carry/sockopts.h makes it so again
 *
 * Each message gets such a trailer, so that none of the container's own can pass for one.  An empty image beside the queues'
 * own says that they have them.  The time is that of the restore.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "criu/shim/priv.h"
#include "criu/shim/text.h"

#define QUEUES "sk-queues.img"
#define MARKED "sk-queues-senders.img"

enum {
	RIGHTS_MAX = 253, /* SCM_MAX_FD, linux/net/scm.h */
	PIDFD = 4,	  /* SCM_PIDFD of Linux 6.5 */
	WAITING_MAX = 1024,
	ARRIVE_MS = 5000, /* a loaded server's; else milliseconds */
	CONTROL_MAX = CMSG_SPACE(RIGHTS_MAX * sizeof(int)) + 1024,
};

struct trailer {
	char magic[8];
	int32_t known;	/* there was a sender */
	int32_t pid;	/* in the container; 0: it has ended */
	uint32_t uid, gid;
};

static const char magic[8] = "sentby\n";
static bool marked; /* these images have them */
static uint32_t waiting[WAITING_MAX]; /* processes, by their number in the container */
static size_t n_waiting;

static void read_waiting(int dirfd)
{
	int fd = (int)syscall(SYS_openat, dirfd, SHIM_PAIRS_WAITING, O_RDONLY | O_CLOEXEC, 0);
	ssize_t n = fd < 0 ? -1 : read(fd, waiting, sizeof(waiting));

	n_waiting = n > 0 ? (size_t)n / sizeof(*waiting) : 0;
	if (fd >= 0)
		close(fd);
}

void shim_queues_opened(int dirfd, const char *path, int flags)
{
	int fd;

	if (strcmp(path, QUEUES) != 0)
		return;
	if (shim_dir() < 0) {
		marked = faccessat(dirfd, MARKED, F_OK, 0) == 0;
		read_waiting(dirfd);
	} else if (flags & O_CREAT) {
		fd = (int)syscall(SYS_openat, dirfd, MARKED, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		if (fd >= 0)
			close(fd);
	}
}

/* Its number in the container: the second of "NSpid:	1234	56". */
static int32_t pid_inside(pid_t pid)
{
	char path[32], line[256];
	int inside = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "NSpid: %*d %d", &inside) == 1)
			break;
	}
	if (f)
		fclose(f);
	return inside;
}

static void drop_fd(const struct cmsghdr *c)
{
	int fd;

	memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	if (fd >= 0)
		close(fd);
}

/* Leaves the descriptors, first in the buffer, and notes the sender. */
static void sift(struct msghdr *m, struct trailer *t)
{
	static _Alignas(struct cmsghdr) char rights[CMSG_SPACE(RIGHTS_MAX * sizeof(int))];
	size_t len = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level != SOL_SOCKET)
			continue;
		if (c->cmsg_type == SCM_RIGHTS && c->cmsg_len <= sizeof(rights)) {
			memcpy(rights, c, c->cmsg_len);
			len = c->cmsg_len;
		} else if (c->cmsg_type == SCM_CREDENTIALS && c->cmsg_len >= CMSG_LEN(sizeof(struct ucred))) {
			struct ucred u;

			memcpy(&u, CMSG_DATA(c), sizeof(u));
			t->known = 1;
			t->pid = pid_inside(u.pid);
			t->uid = u.uid;
			t->gid = u.gid;
		} else if (c->cmsg_type == PIDFD) {
			drop_fd(c);
		}
	}
	m->msg_control = rights;
	m->msg_controllen = len;
}

static bool must_wait(void)
{
	for (size_t i = 0; i < n_waiting; i++) {
		if (waiting[i] == (uint32_t)getpid())
			return true;
	}
	return false;
}

/* A message for a restored process, which comes for certain; ETIMEDOUT ends the restore. */
static ssize_t await(int fd, struct msghdr *m, int flags)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	ssize_t n = syscall(SYS_recvmsg, fd, m, flags);

	while (n < 0 && errno == EAGAIN) {
		int ready = poll(&p, 1, ARRIVE_MS);

		if (ready == 0)
			errno = ETIMEDOUT;
		if (ready > 0 || (ready < 0 && errno == EINTR))
			n = syscall(SYS_recvmsg, fd, m, flags);
	}
	return n;
}

INSTEAD ssize_t recvmsg(int fd, struct msghdr *m, int flags)
{
	static _Alignas(struct cmsghdr) char control[CONTROL_MAX];
	struct trailer t = { .known = 0 };
	ssize_t n;

	if (n_waiting && (flags & (MSG_DONTWAIT | MSG_PEEK)) == MSG_DONTWAIT && must_wait())
		return await(fd, m, flags);
	if (!(flags & MSG_PEEK) || shim_dir() < 0 || m->msg_iovlen != 1 || !m->msg_control ||
	    m->msg_iov->iov_len <= sizeof(t))
		return syscall(SYS_recvmsg, fd, m, flags);
	m->msg_control = control;
	m->msg_controllen = sizeof(control);
	m->msg_iov->iov_len -= sizeof(t);
	n = syscall(SYS_recvmsg, fd, m, flags);
	if (n <= 0) /* none, or the end: so it is, too, for an empty message */
		return n;
	memcpy(t.magic, magic, sizeof(magic));
	sift(m, &t);
	memcpy((char *)m->msg_iov->iov_base + n, &t, sizeof(t));
	return n + (ssize_t)sizeof(t);
}

static ssize_t send_as(int fd, struct msghdr *m, const struct trailer *t, int flags)
{
	char control[CMSG_SPACE(RIGHTS_MAX * sizeof(int)) + CMSG_SPACE(sizeof(struct ucred))] = { 0 };
	struct ucred u = { .pid = t->pid ? t->pid : getpid(), .uid = t->uid, .gid = t->gid };
	struct msghdr as = *m;
	struct cmsghdr *c;
	size_t have = CMSG_ALIGN(m->msg_controllen);
	ssize_t n;

	if (!t->known || have > CMSG_SPACE(RIGHTS_MAX * sizeof(int)))
		return syscall(SYS_sendmsg, fd, m, flags);
	if (m->msg_controllen)
		memcpy(control, m->msg_control, m->msg_controllen);
	c = (struct cmsghdr *)(void *)(control + have);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_CREDENTIALS;
	c->cmsg_len = CMSG_LEN(sizeof(u));
	memcpy(CMSG_DATA(c), &u, sizeof(u));
	as.msg_control = control;
	as.msg_controllen = have + CMSG_SPACE(sizeof(u));
	n = syscall(SYS_sendmsg, fd, &as, flags);
	if (n >= 0 || errno != ESRCH)
		return n;
	u.pid = getpid(); /* nobody can send in the name of one that has ended */
	memcpy(CMSG_DATA(c), &u, sizeof(u));
	return syscall(SYS_sendmsg, fd, &as, flags);
}

INSTEAD ssize_t sendmsg(int fd, const struct msghdr *m, int flags)
{
	struct msghdr less = *m;
	struct trailer t;
	struct iovec v;
	ssize_t n;

	if (!marked || m->msg_iovlen != 1 || m->msg_iov->iov_len <= sizeof(t))
		return syscall(SYS_sendmsg, fd, m, flags);
	v = *m->msg_iov;
	v.iov_len -= sizeof(t);
	memcpy(&t, (const char *)v.iov_base + v.iov_len, sizeof(t));
	if (memcmp(t.magic, magic, sizeof(magic)) != 0)
		return syscall(SYS_sendmsg, fd, m, flags);
	less.msg_iov = &v;
	n = send_as(fd, &less, &t, flags);
	return n < 0 ? n : n + (ssize_t)sizeof(t);
}

INSTEAD int getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
	int ret = (int)syscall(SYS_getsockopt, fd, level, name, value, len), held = 1, *on = value;

	if (ret == 0 && level == IPPROTO_UDP && name == UDP_CORK && shim_dir() >= 0 && *len == sizeof(*on) && *on &&
	    syscall(SYS_ioctl, fd, SIOCOUTQ, &held) == 0 && held == 0)
		*on = 0;
	return ret;
}
