// SPDX-License-Identifier: MIT
/* Unix sockets. */
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "zoo.h"

static socklen_t address(struct sockaddr_un *a, const char *name)
{
	*a = (struct sockaddr_un){ .sun_family = AF_UNIX };
	strncpy(a->sun_path, name, sizeof(a->sun_path) - 1);
	if (a->sun_path[0] != '@')
		return (socklen_t)sizeof(*a);
	a->sun_path[0] = '\0';
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
}

static int bound(int type, const char *name)
{
	struct sockaddr_un a;
	socklen_t n = address(&a, name);
	int fd = socket(AF_UNIX, type, 0);

	unlink(name);
	return fd >= 0 && bind(fd, (struct sockaddr *)&a, n) == 0 ? fd : -1;
}

static int connected(int type, const char *name)
{
	struct sockaddr_un a;
	socklen_t n = address(&a, name);
	int fd = socket(AF_UNIX, type, 0);

	return fd >= 0 && connect(fd, (struct sockaddr *)&a, n) == 0 ? fd : -1;
}

/* ---- pairs of all types, with content on both sides ---- */

static int stream[2], dgram[2], seq[2], half[2];

static int pairs_fill(void)
{
	NEED(send(stream[0], "to one", 6, 0) == 6 && send(stream[1], "to zero", 7, 0) == 7 &&
	     send(dgram[0], "first", 5, 0) == 5 && send(dgram[0], "2nd", 3, 0) == 3 &&
	     send(seq[1], "packet", 6, 0) == 6, "send");
	return 0;
}

static int pairs_make(void)
{
	NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, stream) == 0 &&
	     socketpair(AF_UNIX, SOCK_DGRAM, 0, dgram) == 0 &&
	     socketpair(AF_UNIX, SOCK_SEQPACKET, 0, seq) == 0 &&
	     socketpair(AF_UNIX, SOCK_STREAM, 0, half) == 0, "socketpair");
	NEED(shutdown(half[0], SHUT_WR) == 0, "shutdown");
	return pairs_fill();
}

static int pairs_check(void)
{
	char buf[32];

	if (expect_text(stream[1], "to one", "stream") < 0 ||
	    expect_text(stream[0], "to zero", "stream") < 0)
		return -1;
	NEED(recv(dgram[1], buf, 32, MSG_DONTWAIT) == 5 && recv(dgram[1], buf, 32, MSG_DONTWAIT) == 3,
	     "datagrams");
	NEED(recv(seq[0], buf, 32, MSG_DONTWAIT) == 6, "a packet");
	NEED(recv(half[1], buf, 1, MSG_DONTWAIT) == 0, "the half closed one has no end");
	if (through(half[1], half[0], "back", "the open half") < 0)
		return -1;
	NEED(send(half[0], "x", 1, MSG_NOSIGNAL) < 0 && errno == EPIPE, "the closed half is open");
	return pairs_fill();
}

/* ---- names: in the file system, abstract, deleted; connections that wait ---- */

static int named, abstract, deleted, client, waiting, dgram_named, dgram_client;

static int names_make(void)
{
	named = bound(SOCK_STREAM, "sock");
	abstract = bound(SOCK_STREAM, "@zoo");
	deleted = bound(SOCK_STREAM, "sock-gone");
	NEED(named >= 0 && abstract >= 0 && deleted >= 0 && listen(named, 5) == 0 &&
	     listen(abstract, 5) == 0 && listen(deleted, 5) == 0, "bind");
	client = connected(SOCK_STREAM, "sock-gone");
	NEED(client >= 0 && unlink("sock-gone") == 0, "connect");
	waiting = connected(SOCK_STREAM, "sock"); /* is not accepted before the check */
	NEED(waiting >= 0, "connect");
	dgram_named = bound(SOCK_DGRAM, "sock-dgram");
	dgram_client = connected(SOCK_DGRAM, "sock-dgram");
	NEED(dgram_named >= 0 && dgram_client >= 0, "a named datagram socket");
	NEED(send(dgram_client, "letter", 6, 0) == 6, "send");
	NEED(chmod("sock", 0640) == 0, "chmod");
	return 0;
}

static int names_check(void)
{
	struct stat st;
	int fd, other;

	fd = accept4(named, NULL, NULL, SOCK_NONBLOCK);
	NEED(fd >= 0, "accept of the connection that waited");
	if (through(waiting, fd, "question", "the connection that waited") < 0 ||
	    through(fd, waiting, "answer", "the connection that waited") < 0)
		return -1;
	close(fd);
	close(waiting);
	waiting = connected(SOCK_STREAM, "sock");
	NEED(waiting >= 0, "its name does not lead to it");
	NEED(stat("sock", &st) == 0 && (st.st_mode & 07777) == 0640, "mode of the socket");
	other = connected(SOCK_STREAM, "@zoo");
	fd = accept(abstract, NULL, NULL);
	NEED(other >= 0 && fd >= 0, "the abstract name does not lead to it");
	close(fd);
	close(other);
	if (expect_text(dgram_named, "letter", "a datagram that waited") < 0)
		return -1;
	NEED(send(dgram_client, "letter", 6, 0) == 6, "send");
	return 0;
}

/* ---- descriptors in flight ---- */

static int flight[2];

static int fly(int fd)
{
	char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec iov = { (char *)"f", 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
			    .msg_controllen = sizeof(control) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(int));
	return sendmsg(flight[0], &m, 0) == 1 ? 0 : -1;
}

static int land(void)
{
	char control[CMSG_SPACE(sizeof(int))] = { 0 }, byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
			    .msg_controllen = sizeof(control) };
	struct cmsghdr *c;
	int fd = -1;

	if (recvmsg(flight[1], &m, MSG_DONTWAIT) != 1 || !(c = CMSG_FIRSTHDR(&m)))
		return -1;
	memcpy(&fd, CMSG_DATA(c), sizeof(int));
	return fd;
}

/* A file and the end of a pipe, which exist nowhere but in the socket. */
static int fly_both(void)
{
	int fd = file_with("flying", "carried"), p[2];

	NEED(fd >= 0 && lseek(fd, 3, SEEK_SET) == 3 && pipe(p) == 0, "what shall fly");
	NEED(write(p[1], "in the pipe", 11) == 11, "write");
	NEED(fly(fd) == 0 && fly(p[0]) == 0, "sendmsg");
	close(fd);
	close(p[0]);
	close(p[1]);
	return 0;
}

static int flight_make(void)
{
	NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, flight) == 0, "socketpair");
	return fly_both();
}

static int flight_check(void)
{
	int fd = land(), p = land();

	NEED(fd >= 0 && p >= 0, "no descriptor came");
	if (expect_text(fd, "ried", "the file that was in flight") < 0 ||
	    expect_text(p, "in the pipe", "the pipe that was in flight") < 0)
		return -1;
	close(fd);
	close(p);
	return fly_both();
}

const struct animal zoo_unix[] = {
	{ "unix-pairs", pairs_make, pairs_check },
	{ "unix-names", names_make, names_check },
	{ "unix-flight", flight_make, flight_check },
	{ NULL, NULL, NULL },
};
