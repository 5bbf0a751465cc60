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

/* ---- who sent what nobody has read: as for journald, with all that the kernel can tell beside it ---- */

enum { LETTERS = 3, SENDER = 1234, GONE = 1235, PASS_PIDFD = 76 };

static int letters, order[2], done[2];
static pid_t postman;

static int post(int uid, int n)
{
	int fd;

	if (setgid((gid_t)uid + 1) < 0 || setuid((uid_t)uid) < 0)
		return 1;
	fd = connected(SOCK_DGRAM, "@senders");
	while (n-- > 0) {
		if (fd < 0 || send(fd, "letter", 6, 0) != 6)
			return 1;
	}
	return 0;
}

static int post_and_go(void)
{
	return post(GONE, 1);
}

static int post_all(void)
{
	char byte = 0;

	NEED(write(order[1], &byte, 1) == 1 && readable(done[0], 2000) && read(done[0], &byte, 1) == 1 && byte == 0,
	     "the postman");
	NEED(in_child(post_and_go) == 0, "another postman");
	return 0;
}

static int senders_make(void)
{
	int one = 1;
	char byte;

	letters = bound(SOCK_DGRAM, "@senders");
	NEED(letters >= 0 && setsockopt(letters, SOL_SOCKET, SO_PASSCRED, &one, sizeof(one)) == 0 &&
	     setsockopt(letters, SOL_SOCKET, SO_TIMESTAMP, &one, sizeof(one)) == 0, "setsockopt");
	setsockopt(letters, SOL_SOCKET, SO_PASSSEC, &one, sizeof(one));
	setsockopt(letters, SOL_SOCKET, PASS_PIDFD, &one, sizeof(one)); /* Linux 6.5 */
	NEED(pipe(order) == 0 && pipe(done) == 0, "pipe");
	postman = fork();
	if (postman == 0) {
		if (post(SENDER, 0) != 0)
			_exit(1);
		while (read(order[0], &byte, 1) == 1) {
			int fd = connected(SOCK_DGRAM, "@senders");

			for (int i = 0; i < LETTERS; i++)
				byte |= (char)(send(fd, "letter", 6, 0) != 6);
			close(fd);
			if (write(done[1], &byte, 1) != 1)
				_exit(1);
		}
		_exit(0);
	}
	return post_all();
}

static int senders_check(void)
{
	for (int i = 0; i <= LETTERS; i++) {
		char text[32] = "", control[256];
		struct iovec iov = { text, sizeof(text) };
		struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
		const uid_t uid = i < LETTERS ? SENDER : GONE;
		struct ucred u = { .pid = 0 };

		NEED(recvmsg(letters, &m, MSG_DONTWAIT) == 6 && strcmp(text, "letter") == 0, "letter %d is \"%s\"", i, text);
		for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
			if (c->cmsg_type == SCM_CREDENTIALS)
				memcpy(&u, CMSG_DATA(c), sizeof(u));
			if (c->cmsg_type == 4) { /* SCM_PIDFD */
				int fd;

				memcpy(&fd, CMSG_DATA(c), sizeof(fd));
				close(fd);
			}
		}
		NEED(u.uid == uid && u.gid == uid + 1, "letter %d is of uid %d, gid %d", i, (int)u.uid, (int)u.gid);
		NEED(i == LETTERS || u.pid == postman, "letter %d is of process %d, not %d", i, (int)u.pid, (int)postman);
	}
	return post_all();
}

const struct animal zoo_unix[] = {
	{ "unix-pairs", pairs_make, pairs_check },
	{ "unix-names", names_make, names_check },
	{ "unix-senders", senders_make, senders_check },
	{ NULL, NULL, NULL },
};
