// SPDX-License-Identifier: MIT
#include "commit/witness.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/own.h"
#include "commit/journal.h"
#include "engine/engine.h"

#define RUN_DIR "/run/pmigrate"

enum { END_MS = 5000, SETTLE_MS = 10000 };

/* One byte each; MET with a descriptor. */
enum { MET = 'u', FILLED = 'f', END = 'e' };

union fd_message {
	char space[CMSG_SPACE(sizeof(int))];
	struct cmsghdr align;
};

/* ---- the agent's side ---- */

int witness_start(struct witness *w, const char *id, struct err *e)
{
	own_fd int far = -1;
	char self[256];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	struct spawn s;
	int sv[2];

	if (n < 0)
		return err_sys(e, "cannot find my own program file");
	self[n] = '\0';
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) < 0)
		return err_sys(e, "cannot make a socket pair");
	far = sv[1];
	s = (struct spawn)SPAWN_INIT(spawn_argv(self, "agent", "--witness", id));
	s.in = far;
	s.err = SPAWN_NULL;
	s.new_session = s.outlive = true;
	if (child_start(&w->child, &s, e) < 0) {
		close(sv[0]);
		return -1;
	}
	w->fd = sv[0];
	return 0;
}

static void tell(struct witness *w, char byte, int fd)
{
	union fd_message m = { .space = { 0 } };
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (w->fd < 0)
		return;
	if (fd >= 0) {
		msg.msg_control = m.space;
		msg.msg_controllen = sizeof(m.space);
		m.align.cmsg_level = SOL_SOCKET;
		m.align.cmsg_type = SCM_RIGHTS;
		m.align.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&m.align), &fd, sizeof(fd));
	}
	while (sendmsg(w->fd, &msg, MSG_NOSIGNAL) < 0)
		if (errno != EINTR) {
			log_debug("the witness is gone: %s", strerror(errno));
			return;
		}
}

void witness_met(void *arg, int uffd)
{
	tell(arg, MET, uffd);
}

void witness_filled(void *arg)
{
	tell(arg, FILLED, -1);
}

void witness_leave(struct witness *w)
{
	close_fd(&w->fd);
	w->child = (struct child)CHILD_INIT;
}

void witness_end(struct witness *w)
{
	tell(w, END, -1);
	close_fd(&w->fd);
	if (w->child.pid > 0)
		child_wait(&w->child, END_MS, &(int){ 0 }, NULL);
	child_fini(&w->child);
}

/* ---- the witness ---- */

/* The file that says that all memory was there, and the one whose lock says that we are. */
static char *path_of(const char *id, const char *suffix)
{
	return xasprintf(RUN_DIR "/%s.%s", id, suffix);
}

static int open_file(const char *id, const char *suffix, int flags)
{
	own_free char *path = path_of(id, suffix);

	mkdir(RUN_DIR, 0700);
	return open(path, flags | O_RDWR | O_CLOEXEC, 0600);
}

struct held {
	const char *id;
	int *fd;
	size_t n;
	bool filled;
};

static void let_go(struct held *h)
{
	while (h->n)
		close(h->fd[--h->n]);
}

/* The next byte; *fd is what came with it, or -1.  0: the agent is dead. */
static char hear(int sock, int *fd)
{
	union fd_message m;
	char byte = 0;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = m.space,
			      .msg_controllen = sizeof(m.space) };
	struct cmsghdr *c;
	ssize_t n;

	*fd = -1;
	while ((n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC)) < 0 && errno == EINTR)
		;
	if (n != 1)
		return 0;
	c = CMSG_FIRSTHDR(&msg);
	if (c && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(fd, CMSG_DATA(c), sizeof(*fd));
	return byte;
}

static bool watch(struct held *h)
{
	int fd;

	for (;;) {
		switch (hear(STDIN_FILENO, &fd)) {
		case 0:
			return false;
		case END:
			return true;
		case FILLED:
			h->filled = true;
			close(open_file(h->id, "filled", O_CREAT));
			let_go(h);
			break;
		case MET:
			if (fd < 0)
				break;
			h->fd = xrealloc(h->fd, (h->n + 1) * sizeof(*h->fd));
			h->fd[h->n++] = fd;
			break;
		default:
			close_fd(&fd);
		}
	}
}

/* At once, from the journal as it was left. */
static void end_container(const struct journal *j)
{
	const struct engine_ops *ops = engine_by_name(journal_get(j, "engine"));
	const char *area = journal_get(j, "private"), *root = journal_get(j, "root");
	const char *id = journal_get(j, "ct");
	struct err e = ERR_INIT;
	struct ct ct;

	if (!ops || !ops->cut || !id || !area || !root)
		return;
	ct = (struct ct){ .engine = (char *)(uintptr_t)ops->name,
			  .id = (char *)(uintptr_t)id,
			  .private_area = (char *)(uintptr_t)area,
			  .root = (char *)(uintptr_t)root };
	/* Its sockets say no good-bye: it may go on at the source. */
	ops->cut(&ct, &e);
	ops->stop(&ct, 0, &e);
}

static void remove_files(const char *id)
{
	own_free char *filled = path_of(id, "filled"), *lock = path_of(id, "witness");

	unlink(filled);
	unlink(lock);
}

bool witness_says_filled(const char *id)
{
	uint64_t deadline = clock_deadline(SETTLE_MS);
	own_fd int lock = open_file(id, "witness", 0);
	own_free char *filled = path_of(id, "filled");

	/* It may be about to end the container. */
	while (lock >= 0 && flock(lock, LOCK_EX | LOCK_NB) < 0 && clock_left_ms(deadline))
		clock_sleep_ms(5);
	return access(filled, F_OK) == 0;
}

void witness_forget(const char *id)
{
	remove_files(id);
}

int witness_main(const char *id)
{
	struct held h = { .id = id };
	struct journal *j = NULL;
	own_fd int lock = -1;

	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	if (!journal_id_ok(id))
		return 2;
	lock = open_file(id, "witness", O_CREAT);
	if (lock < 0 || flock(lock, LOCK_EX) < 0)
		return 2;
	if (watch(&h))
		remove_files(id);
	else if (!h.filled && journal_peek(id, ROLE_DEST, &j, &(bool){ false }, NULL) == 0 &&
		 journal_get_state(j) == JOURNAL_COMMITTED)
		end_container(j);
	journal_free(j);
	let_go(&h);
	free(h.fd);
	return 0;
}
