// SPDX-License-Identifier: MIT
/* CRIU's lazy-pages protocol (mem/lazy/lazy.h), and the events of the tasks that came by it. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/own.h"
#include "mem/lazy/priv.h"

enum { MARK_FINISHED = 0x52535446 }; /* criu/uffd.c LAZY_PAGES_RESTORE_FINISHED */

/* ---- tasks ---- */

void lazy_watch(struct lazy *l, int fd, void *what)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = what };

	if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &ev) < 0)
		log_warn("cannot watch a descriptor of the restore: %s", strerror(errno));
}

static void add_task(struct lazy *l, struct lazytask *t)
{
	bool alone = true;

	pthread_mutex_lock(&l->lock);
	for (size_t i = 0; i < l->nr_tasks; i++)
		if (l->tasks[i]->nr == t->nr) {
			alone = false;
			l->tasks[i]->release = false;
		}
	/* Lost links ask again from the store's point of view: keep until all is over. */
	t->release = alone;
	l->tasks = xrealloc(l->tasks, (l->nr_tasks + 1) * sizeof(*l->tasks));
	l->tasks[l->nr_tasks++] = t;
	if (!l->first_ns)
		l->first_ns = clock_ns();
	pthread_cond_broadcast(&l->change);
	pthread_mutex_unlock(&l->lock);
	if (l->o.met)
		l->o.met(l->o.arg, t->uffd);
	lazy_watch(l, t->uffd, t);
}

static void on_fork(void *arg, struct lazytask *child)
{
	add_task(arg, child);
}

static void serve_task(struct lazy *l, struct lazytask *t)
{
	struct lazytask_ops ops = { on_fork, l->o.remote ? lazy_want : NULL, l };

	if (l->finished) /* by this thread: it runs, and a filler may hold what this fault needs */
		lazy_fill_release(l);
	lazytask_serve(t, &ops);
	l->event_ns = clock_ns();
	if (t->over)
		epoll_ctl(l->epoll, EPOLL_CTL_DEL, t->uffd, NULL);
}

/* What a task that connects is owed. */
static void owed(struct lazy *l, pid_t vpid, uint32_t nr, struct pageset *left)
{
	struct err e = ERR_INIT;

	if (!nr || store_present(l->o.store, nr, left, &e) < 0) {
		log_warn("process %d gets no pages from us: %s", (int)vpid, nr ? e.msg : "unknown pid");
		return;
	}
	pthread_mutex_lock(&l->lock);
	for (size_t i = 0; i < l->nr_narrow; i++)
		if (l->narrow[i].vpid == vpid)
			pageset_keep(left, &l->narrow[i].pages);
	pthread_mutex_unlock(&l->lock);
}

/* ---- CRIU's socket ---- */

static int recv_fd(int sock)
{
	char byte;
	struct iovec iov = { &byte, 1 };
	union {
		char room[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} u;
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = u.room,
			    .msg_controllen = sizeof(u.room) };
	struct cmsghdr *c;
	int fd;

	if (recvmsg(sock, &m, MSG_CMSG_CLOEXEC) != 1)
		return -1;
	c = CMSG_FIRSTHDR(&m);
	if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS ||
	    c->cmsg_len != CMSG_LEN(sizeof(int)))
		return -1;
	memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	return fd;
}

static void restore_ended(struct lazy *l, bool well)
{
	close_fd(&l->conn);
	pthread_mutex_lock(&l->lock);
	for (size_t i = 0; well && i < l->nr_tasks; i++)
		l->tasks[i]->complete = true;
	if (well && !l->finished)
		l->finished_ns = clock_ns();
	if (well)
		l->finished = true;
	else if (!l->finished)
		l->broken = true;
	pthread_cond_broadcast(&l->change);
	pthread_mutex_unlock(&l->lock);
}

void lazy_unused(struct lazy *l)
{
	restore_ended(l, true);
}

static void hear_criu(struct lazy *l)
{
	own_pageset struct pageset left = PAGESET_INIT;
	int32_t pid;
	uint32_t nr;
	int uffd;

	if (recv(l->conn, &pid, sizeof(pid), MSG_WAITALL) != sizeof(pid)) {
		restore_ended(l, false);
		return;
	}
	if (pid == MARK_FINISHED) {
		restore_ended(l, true);
		return;
	}
	if (pid < 0) /* a zombie */
		return;
	uffd = recv_fd(l->conn);
	if (uffd < 0) {
		log_warn("the restore sent process %d without its userfaultfd", (int)pid);
		restore_ended(l, false);
		return;
	}
	nr = store_find_space(l->o.store, pid);
	owed(l, pid, nr, &left);
	log_debug("process %d takes %" PRIu64 " pages", (int)pid, left.pages);
	add_task(l, lazytask_new(uffd, pid, nr, l->o.store, &left));
}

static void accept_criu(struct lazy *l)
{
	int fd = accept4(l->listener, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		return;
	if (l->conn >= 0) { /* one restore at a time */
		close(fd);
		return;
	}
	l->conn = fd;
	lazy_watch(l, fd, &l->conn);
}

void *lazy_events_main(void *arg)
{
	struct lazy *l = arg;
	struct sched_param first = { .sched_priority = LAZY_FAULT_PRIORITY };
	struct epoll_event ev[16];

	/* The container waits for this thread, and it never runs long.  It may be refused (a control group without
	 * real-time share). */
	if (pthread_setschedparam(pthread_self(), SCHED_FIFO, &first) != 0)
		setpriority(PRIO_PROCESS, (id_t)gettid(), -20);
	for (;;) {
		int n = epoll_wait(l->epoll, ev, 16, -1);

		for (int i = 0; i < n; i++) {
			if (ev[i].data.ptr == &l->stopper)
				return NULL;
			if (ev[i].data.ptr == &l->listener)
				accept_criu(l);
			else if (ev[i].data.ptr == &l->conn)
				hear_criu(l);
			else
				serve_task(l, ev[i].data.ptr);
		}
	}
}

int lazy_listen(struct lazy *l, int workdir, struct err *e)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };

	/* Through the descriptor: the path may be too long for an address. */
	l->dirfd = fcntl(workdir, F_DUPFD_CLOEXEC, 3);
	l->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	snprintf(sa.sun_path, sizeof(sa.sun_path), "/proc/self/fd/%d/lazy-pages.socket", l->dirfd);
	unlinkat(l->dirfd, "lazy-pages.socket", 0);
	if (l->dirfd < 0 || l->listener < 0 ||
	    bind(l->listener, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(l->listener, 4) < 0)
		return err_sys(e, "cannot listen for the restore on lazy-pages.socket");
	fchmodat(l->dirfd, "lazy-pages.socket", 0600, 0);
	return 0;
}
