// SPDX-License-Identifier: MIT
#include "move/streams.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/own.h"
#include "commit/journal.h"
#include "wire/link.h"
#include "wire/proto.h"

#define JOIN_DIR "/run/pmigrate"

enum { JOIN_MS = 30000 };

void streams_init(struct streams *s, struct peer *control)
{
	*s = (struct streams){ .n = 1, .listener = -1 };
	s->peer[0] = control;
	for (unsigned i = 0; i < STREAMS_MAX; i++) {
		s->child[i] = (struct child)CHILD_INIT;
		s->joiner[i] = -1;
	}
}

void streams_fini(struct streams *s)
{
	for (unsigned i = 1; i < s->n; i++) {
		peer_free(s->peer[i]);
		close_fd(&s->joiner[i]);
		child_fini(&s->child[i]);
	}
	if (s->listener >= 0) {
		close_fd(&s->listener);
		unlink(s->path);
	}
	free(s->path);
	streams_init(s, NULL);
}

static int address_of(const char *id, struct sockaddr_un *out, struct err *e)
{
	int n;

	if (!journal_id_ok(id))
		return err_set(e, ERR_PROTO, "'%s' is no migration's id", id);
	*out = (struct sockaddr_un){ .sun_family = AF_UNIX };
	n = snprintf(out->sun_path, sizeof(out->sun_path), JOIN_DIR "/%s.join", id);
	if (n >= (int)sizeof(out->sun_path))
		return err_set(e, ERR_PROTO, "the id %s is too long", id);
	return 0;
}

/* --- source -------------------------------------------------------------------------- */

int stream_dial(struct child *c, struct peer **p, const char *id, const struct where *w,
		const struct link_opts *lo, struct bucket *limit, struct err *e)
{
	const char *program = getenv("PMIGRATE_REMOTE");
	struct peer_opts opts = { .name = w->host, .silence_ms = lo->timeout_ms, .limit = limit };

	if (!program || !*program)
		program = "pmigrate";
	if (link_open(c, w, lo, spawn_argv(program, "agent", "--join", id), PROTO_GREETING, e) < 0)
		return -1;
	if (peer_new(p, take_fd(&c->out), take_fd(&c->in), &opts, e) == 0)
		return 0;
	child_fini(c);
	return -1;
}

int streams_open(struct streams *s, unsigned n, const char *id, const struct job *job,
		 struct bucket *limit, struct err *e)
{
	if (n > STREAMS_MAX)
		return err_set(e, ERR_USAGE, "%u connections are more than %d", n, STREAMS_MAX);
	while (s->n < n) {
		if (stream_dial(&s->child[s->n], &s->peer[s->n], id, &job->dst.where, &job->link, limit,
				e) < 0)
			return -1;
		s->n++;
	}
	return 0;
}

/* --- agent --------------------------------------------------------------------------- */

int streams_listen(struct streams *s, const char *id, struct err *e)
{
	own_fd int fd = -1;
	struct sockaddr_un sa;

	if (address_of(id, &sa, e) < 0)
		return -1;
	if (mkdir(JOIN_DIR, 0700) < 0 && errno != EEXIST)
		return err_sys(e, "cannot create " JOIN_DIR);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	unlink(sa.sun_path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 ||
	    chmod(sa.sun_path, 0600) < 0 || listen(fd, STREAMS_MAX) < 0)
		return err_sys(e, "cannot listen on %s", sa.sun_path);
	s->listener = take_fd(&fd);
	s->path = xstrdup(sa.sun_path);
	return 0;
}

union fd_message {
	char space[CMSG_SPACE(2 * sizeof(int))];
	struct cmsghdr align;
};

static int receive_fds(int from, int fds[2])
{
	union fd_message m;
	char byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = m.space,
			      .msg_controllen = sizeof(m.space) };
	struct cmsghdr *c;

	if (recvmsg(from, &msg, MSG_CMSG_CLOEXEC) != 1 || !(c = CMSG_FIRSTHDR(&msg)) ||
	    c->cmsg_type != SCM_RIGHTS || c->cmsg_len != CMSG_LEN(2 * sizeof(int)))
		return -1;
	memcpy(fds, CMSG_DATA(c), 2 * sizeof(int));
	return 0;
}

/* The next joiner's, into place i. */
static int accept_one(struct streams *s, unsigned i, struct err *e)
{
	static const struct peer_opts opts = { .name = "the source" };
	own_fd int joiner = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC);
	int fds[2];

	if (joiner < 0 || receive_fds(joiner, fds) < 0)
		return err_set(e, ERR_PROTO, "a stream could not join");
	if (peer_new(&s->peer[i], fds[0], fds[1], &opts, e) < 0)
		return -1;
	s->joiner[i] = take_fd(&joiner);
	return 0;
}

int streams_accept(struct streams *s, unsigned n, struct err *e)
{
	uint64_t deadline = clock_deadline(JOIN_MS);

	if (n > STREAMS_MAX || (n > 1 && s->listener < 0))
		return err_set(e, ERR_PROTO, "%u streams were not agreed on", n);
	while (s->n < n) {
		if (!streams_waiting(s, clock_left_ms(deadline)))
			return err_set(e, ERR_TIMEOUT, "only %u of %u streams joined", s->n, n);
		if (accept_one(s, s->n, e) < 0)
			return -1;
		s->n++;
	}
	return 0;
}

bool streams_waiting(struct streams *s, int timeout_ms)
{
	struct pollfd pfd = { .fd = s->listener, .events = POLLIN };

	return s->listener >= 0 && poll(&pfd, 1, timeout_ms) > 0;
}

int streams_replace(struct streams *s, unsigned i, struct err *e)
{
	peer_free(take_ptr(&s->peer[i]));
	close_fd(&s->joiner[i]);
	return accept_one(s, i, e);
}

/* --- joiner -------------------------------------------------------------------------- */

static int send_fds(int to)
{
	const int fds[2] = { STDIN_FILENO, STDOUT_FILENO };
	union fd_message m = { .space = { 0 } };
	char byte = 0;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = m.space,
			      .msg_controllen = sizeof(m.space) };

	m.align.cmsg_level = SOL_SOCKET;
	m.align.cmsg_type = SCM_RIGHTS;
	m.align.cmsg_len = CMSG_LEN(sizeof(fds));
	memcpy(CMSG_DATA(&m.align), fds, sizeof(fds));
	return sendmsg(to, &msg, MSG_NOSIGNAL) == 1 ? 0 : -1;
}

int streams_join_main(const char *id)
{
	static const char greeting[] = PROTO_GREETING "\n";
	own_fd int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct err e = ERR_INIT;
	struct sockaddr_un sa;
	char byte;

	if (address_of(id, &sa, &e) < 0) {
		fprintf(stderr, "pmigrate agent: %s\n", e.msg);
		return 2;
	}
	if (fd < 0 || connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
		fprintf(stderr, "pmigrate agent: no migration %s waits for streams here: %s\n",
			id, strerror(errno));
		return 2;
	}
	/* The greeting is the joiner's last word; then the agent has the line. */
	if (write_all(STDOUT_FILENO, greeting, sizeof(greeting) - 1) < 0 || send_fds(fd) < 0)
		return 2;
	close(STDIN_FILENO);
	close(STDOUT_FILENO);
	while (read(fd, &byte, 1) < 0 && errno == EINTR)
		;
	return 0;
}
