// SPDX-License-Identifier: MIT
/* Descriptors in flight, and pairs of unix sockets between two processes. */
#include <sys/socket.h>

#include "zoo.h"

/* ---- descriptors in flight ---- */

static int flight[2];

static int fly(int over, int fd)
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
	return sendmsg(over, &m, 0) == 1 ? 0 : -1;
}

static int land(int over)
{
	char control[CMSG_SPACE(sizeof(int))] = { 0 }, byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
			    .msg_controllen = sizeof(control) };
	struct cmsghdr *c;
	int fd = -1;

	if (recvmsg(over, &m, MSG_DONTWAIT) != 1 || !(c = CMSG_FIRSTHDR(&m)))
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
	NEED(fly(flight[0], fd) == 0 && fly(flight[0], p[0]) == 0, "sendmsg");
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
	int fd = land(flight[1]), p = land(flight[1]);

	NEED(fd >= 0 && p >= 0, "no descriptor came");
	if (expect_text(fd, "ried", "the file that was in flight") < 0 ||
	    expect_text(p, "in the pipe", "the pipe that was in flight") < 0)
		return -1;
	close(fd);
	close(p);
	return fly_both();
}

/* ---- a pair between two processes: which of them makes it again? ---- */

static int tell[2], told[2];

/* Obeys `tell` until it is closed: an 'f' sends a new file over `over`, anything else goes through `over` as it is. */
static void obey(int over)
{
	char byte, answer = 'y';

	close(tell[1]);
	close(told[0]);
	while (read(tell[0], &byte, 1) == 1) {
		int fd = byte == 'f' ? file_with("sent", "by the other") : -1;

		if (byte == 'f' ? fly(over, fd) < 0 : write(over, &byte, 1) != 1)
			_exit(1);
		if (fd >= 0)
			close(fd);
		if (write(told[1], &answer, 1) != 1)
			_exit(1);
	}
	_exit(0);
}

static int ask(char what)
{
	char byte = 0;

	NEED(write(tell[1], &what, 1) == 1 && readable(told[0], 2000) && read(told[0], &byte, 1) == 1, "the other process");
	return 0;
}

static int sent_end;

/* The one that receives was made before the one that sends. */
static int sent_make(void)
{
	int ends[2];

	NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0 && pipe(tell) == 0 && pipe(told) == 0, "socketpair");
	if (fork() == 0) {
		close(ends[0]);
		obey(ends[1]);
	}
	sent_end = ends[0];
	close(ends[1]);
	return ask('f');
}

static int sent_check(void)
{
	int fd = land(sent_end);

	NEED(fd >= 0, "no descriptor came");
	if (lseek(fd, 0, SEEK_SET) != 0 || expect_text(fd, "by the other", "what another process has sent") < 0)
		return -1;
	close(fd);
	return ask('f');
}

/* What is sent is an elder's, too, who makes it again: it may come late. */
static int lent;

static void lend(int over)
{
	char byte, answer = 'y';

	close(tell[1]);
	close(told[0]);
	while (read(tell[0], &byte, 1) == 1 && fly(over, lent) == 0 && write(told[1], &answer, 1) == 1)
		;
	_exit(0);
}

static int lent_make(void)
{
	int ends[2];

	lent = file_with("lent", "to the other");
	NEED(lent >= 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0 && pipe(tell) == 0 && pipe(told) == 0, "socketpair");
	if (fork() == 0) {
		close(ends[0]);
		lend(ends[1]);
	}
	sent_end = ends[0];
	close(ends[1]);
	return ask('f');
}

static int lent_check(void)
{
	int fd = land(sent_end);

	NEED(fd >= 0, "no descriptor came");
	NEED(lseek(lent, 3, SEEK_SET) == 3 && lseek(fd, 0, SEEK_CUR) == 3, "it is not the one that was lent");
	if (lseek(fd, 0, SEEK_SET) != 0 || expect_text(fd, "to the other", "what another process has lent") < 0)
		return -1;
	close(fd);
	return ask('f');
}

/*
 * A cousin has both ends, and an older one, whom CRIU finds later in the tree, has one of them, too; as it is for a moment
 * in many a server that forks.
 */
static int cousin_of(int first, int second, int news)
{
	char byte = 'r';

	if (fork() == 0) {
		close(tell[0]); /* only the other cousin obeys */
		close(tell[1]);
		if (write(news, &byte, 1) != 1)
			_exit(1);
		while (read(first, &byte, 1) == 1 && write(told[1], &byte, 1) == 1)
			;
		_exit(0);
	}
	close(first);
	close(second);
	close(tell[1]);
	for (;;)
		pause();
}

static int cousins_make(void)
{
	int ends[2], go[2], news[2];
	char byte = 'g';
	pid_t uncle;

	NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0 && pipe(tell) == 0 && pipe(told) == 0 && pipe(go) == 0 &&
	     pipe(news) == 0, "socketpair");
	uncle = fork();
	if (uncle == 0) {
		close(go[1]);
		if (read(go[0], &byte, 1) == 1)
			cousin_of(ends[0], ends[1], news[1]);
		_exit(1);
	}
	NEED(uncle > 0, "fork");
	if (fork() == 0) {
		close(ends[0]);
		close(go[1]);
		close(news[1]);
		obey(ends[1]);
	}
	NEED(write(go[1], &byte, 1) == 1 && readable(news[0], 2000), "the younger cousin");
	close(ends[0]);
	close(ends[1]);
	return 0;
}

/* Two answers: of the one that has written, and of the one that has read it. */
static int cousins_check(void)
{
	char a = 0, b = 0;

	NEED(write(tell[1], "x", 1) == 1, "write");
	NEED(readable(told[0], 2000) && read(told[0], &a, 1) == 1 && readable(told[0], 2000) && read(told[0], &b, 1) == 1 &&
	     ((a == 'x' && b == 'y') || (a == 'y' && b == 'x')), "nothing goes from one cousin to the other");
	return 0;
}

const struct animal zoo_flight[] = {
	{ "unix-flight", flight_make, flight_check },
	{ "unix-sent", sent_make, sent_check },
	{ "unix-lent", lent_make, lent_check },
	{ "unix-cousins", cousins_make, cousins_check },
	{ NULL, NULL, NULL },
};
