// SPDX-License-Identifier: MIT
#include "mem/lazy.h"

#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/own.h"
#include "mem/lazytask.h"
#include "mem/maps.h"

enum {
	MARK_FINISHED = 0x52535446, /* criu/uffd.c LAZY_PAGES_RESTORE_FINISHED */
	FILL = 64,		    /* pages a filler places in one hold of the lock */
	MAX_FILLERS = 4,
};

/* What the images say is lazy, for one pid. */
struct narrow {
	pid_t vpid;
	struct pageset pages;
};

struct lazy {
	struct lazy_opts o;
	int dirfd; /* of the work directory */
	int listener, conn, epoll, stopper;
	pthread_t events, fillers[MAX_FILLERS], reader;
	unsigned nr_fillers;
	bool has_events, has_reader;

	pthread_mutex_t lock; /* all below */
	pthread_cond_t change;
	struct lazytask **tasks;
	size_t nr_tasks;
	struct narrow *narrow;
	size_t nr_narrow;
	bool finished; /* CRIU said so */
	bool broken;   /* CRIU went away without saying so */
	bool stop, finishing, done;
	struct peer *peer; /* remote: attached */
	bool link_lost;
	struct err why;
	uint64_t first_ns, done_ns;
	_Atomic uint64_t wanted;
};

/* ---- tasks ---- */

static void watch(struct lazy *l, int fd, void *what)
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
	watch(l, t->uffd, t);
}

static void on_fork(void *arg, struct lazytask *child)
{
	add_task(arg, child);
}

static void send_want(struct peer *p, uint32_t nr, uint64_t then)
{
	own_buf struct buf b = BUF_INIT;
	struct run r = { then, 1 };

	memmsg_put_runs(&b, nr, false, &r, 1);
	peer_send_now(p, MEMMSG_WANT, 0, b.data, b.len, NULL);
}

/* Asks the source for the page. */
static void on_want(void *arg, struct lazytask *t, uint64_t then)
{
	struct lazy *l = arg;
	struct peer *p;
	bool again;

	pthread_mutex_lock(&t->lock);
	again = pageset_has(&t->wanted, then);
	pageset_add(&t->wanted, then, 1);
	pthread_mutex_unlock(&t->lock);
	if (again)
		return;
	l->wanted++;
	pthread_mutex_lock(&l->lock);
	p = l->link_lost ? NULL : l->peer;
	pthread_mutex_unlock(&l->lock);
	/* Without a link it is asked for when there is one again. */
	if (p)
		send_want(p, t->nr, then);
}

static void serve_task(struct lazy *l, struct lazytask *t)
{
	struct lazytask_ops ops = { on_fork, l->o.remote ? on_want : NULL, l };

	lazytask_serve(t, &ops);
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
	if (well)
		l->finished = true;
	else if (!l->finished)
		l->broken = true;
	pthread_cond_broadcast(&l->change);
	pthread_mutex_unlock(&l->lock);
}

static void hear_criu(struct lazy *l)
{
	struct pageset left = PAGESET_INIT;
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
	watch(l, fd, &l->conn);
}

static void *events_main(void *arg)
{
	struct lazy *l = arg;
	struct epoll_event ev[16];

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

/* ---- filling ---- */

/* Under lock. */
static bool all_filled(struct lazy *l)
{
	if (!l->finished)
		return false;
	for (size_t i = 0; i < l->nr_tasks; i++)
		if (lazytask_left(l->tasks[i]))
			return false;
	return true;
}

/* The n-th task from `at` on that is owed something. Under lock. */
static struct lazytask *next_task(struct lazy *l, size_t *at)
{
	for (size_t i = 0; i < l->nr_tasks; i++) {
		struct lazytask *t = l->tasks[(*at + i) % l->nr_tasks];

		if (lazytask_left(t)) {
			*at = (*at + i + 1) % l->nr_tasks;
			return t;
		}
	}
	return NULL;
}

static void nap(struct lazy *l, long ns)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += ns;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	pthread_cond_timedwait(&l->change, &l->lock, &until);
}

/* The tasks of this moment; they live until lazy_free.  The array is the caller's. */
static struct lazytask **snapshot(struct lazy *l, size_t *n)
{
	struct lazytask **v;

	pthread_mutex_lock(&l->lock);
	v = xcalloc(l->nr_tasks + 1, sizeof(*v));
	memcpy(v, l->tasks, l->nr_tasks * sizeof(*v));
	*n = l->nr_tasks;
	pthread_mutex_unlock(&l->lock);
	return v;
}

/* Everything is there.  Without our lock: tasks' locks come before it. */
static void finish(struct lazy *l)
{
	own_free struct lazytask **v = NULL;
	struct peer *p;
	size_t n;

	pthread_mutex_lock(&l->lock);
	p = l->link_lost ? NULL : l->peer;
	pthread_mutex_unlock(&l->lock);
	v = snapshot(l, &n);
	for (size_t i = 0; i < n; i++)
		lazytask_close(v[i]);
	if (p)
		peer_send_now(p, MEMMSG_FILLED, 0, NULL, 0, NULL);
	pthread_mutex_lock(&l->lock);
	l->done = true;
	l->done_ns = clock_ns();
	pthread_cond_broadcast(&l->change);
	pthread_mutex_unlock(&l->lock);
}

static void *fill_main(void *arg)
{
	struct lazy *l = arg;
	size_t at = 0, idle = 0;

	pthread_mutex_lock(&l->lock);
	while (!l->stop && !l->done) {
		struct lazytask *t = l->finished ? next_task(l, &at) : NULL;
		long n = 0;

		if (t) {
			pthread_mutex_unlock(&l->lock);
			n = lazytask_fill(t, FILL);
			pthread_mutex_lock(&l->lock);
		} else if (all_filled(l) && !l->finishing) {
			l->finishing = true;
			pthread_mutex_unlock(&l->lock);
			finish(l);
			return NULL;
		}
		idle = n > 0 ? 0 : idle + 1;
		/* Nothing of it is here yet, or events come first. */
		if (!t)
			nap(l, 100 * 1000000);
		else if (idle > l->nr_tasks)
			nap(l, 500000);
	}
	pthread_mutex_unlock(&l->lock);
	return NULL;
}

/* ---- the link of a lazy migration ---- */

static int hear_source(struct lazy *l, struct peer *p, const struct frame *f, struct run *v,
		       struct err *e)
{
	own_free struct lazytask **tasks = NULL;
	struct memmsg_runs m;
	size_t n;

	if (f->type == MEMMSG_END) {
		log_debug("the source has sent all pages once");
		return 0;
	}
	if (!store_takes(f->type) || f->type == MEMMSG_OBJECT || f->type == MEMMSG_GONE ||
	    f->type == MEMMSG_PRESENT)
		return err_set(e, ERR_PROTO, "%s sent frame type %u while pages were filled",
			       peer_name(p), f->type);
	if (store_frame(l->o.store, p, f, e) < 0)
		return -1;
	if (f->type == MEMMSG_SYNC)
		return 0;
	if (memmsg_get_runs(f, &m, v, e) < 0)
		return -1;
	tasks = snapshot(l, &n);
	for (size_t i = 0; i < n; i++) {
		if (tasks[i]->nr != m.nr || tasks[i]->over)
			continue;
		if (f->type == MEMMSG_DROP)
			lazytask_dropped(tasks[i], v, m.n);
		else
			lazytask_arrived(tasks[i], v, m.n);
	}
	pthread_mutex_lock(&l->lock);
	pthread_cond_broadcast(&l->change);
	pthread_mutex_unlock(&l->lock);
	return 0;
}

static void *reader_main(void *arg)
{
	struct lazy *l = arg;
	own_free struct run *v = xmalloc(MEMMSG_MAX_LIST * sizeof(*v));
	struct err e = ERR_INIT;

	for (;;) {
		own_frame struct frame f = FRAME_INIT;

		if (peer_recv(l->peer, &f, &e) < 0 || hear_source(l, l->peer, &f, v, &e) < 0)
			break;
	}
	pthread_mutex_lock(&l->lock);
	l->link_lost = true;
	l->why = e;
	pthread_cond_broadcast(&l->change);
	pthread_mutex_unlock(&l->lock);
	return NULL;
}

/* All that somebody waits for. */
static void ask_again(struct lazy *l, struct peer *p)
{
	own_pageset struct pageset wanted = PAGESET_INIT;
	own_free struct lazytask **tasks = NULL;
	size_t n;

	tasks = snapshot(l, &n);
	for (size_t i = 0; i < n; i++) {
		pageset_clear(&wanted);
		pthread_mutex_lock(&tasks[i]->lock);
		pageset_add_set(&wanted, &tasks[i]->wanted);
		pthread_mutex_unlock(&tasks[i]->lock);
		for (size_t k = 0; k < wanted.n; k++)
			for (uint64_t at = wanted.v[k].start; at < run_end(&wanted.v[k]); at += MEM_PAGE)
				send_want(p, tasks[i]->nr, at);
	}
}

void lazy_detach(struct lazy *l)
{
	if (l->has_reader)
		pthread_join(l->reader, NULL);
	l->has_reader = false;
	pthread_mutex_lock(&l->lock);
	l->peer = NULL;
	pthread_mutex_unlock(&l->lock);
}

int lazy_attach(struct lazy *l, struct peer *source, struct err *e)
{
	bool done;

	lazy_detach(l);
	pthread_mutex_lock(&l->lock);
	l->peer = source;
	l->link_lost = false;
	done = l->done;
	pthread_mutex_unlock(&l->lock);
	if (done)
		peer_send_now(source, MEMMSG_FILLED, 0, NULL, 0, NULL);
	else
		ask_again(l, source);
	errno = pthread_create(&l->reader, NULL, reader_main, l);
	if (errno)
		return err_sys(e, "cannot start the thread that receives pages");
	l->has_reader = true;
	return 0;
}

/* ---- start and end ---- */

static int open_socket(struct lazy *l, int workdir, struct err *e)
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

static unsigned default_fillers(void)
{
	cpu_set_t set;
	int n = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;

	return n < MAX_FILLERS ? (unsigned)n : MAX_FILLERS;
}

int lazy_start(struct lazy **out, const struct lazy_opts *o, struct err *e)
{
	struct lazy *l = xcalloc(1, sizeof(*l));
	unsigned want = o->threads ? o->threads : default_fillers();

	l->o = *o;
	l->dirfd = l->listener = l->conn = l->epoll = l->stopper = -1;
	pthread_mutex_init(&l->lock, NULL);
	pthread_cond_init(&l->change, NULL);
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	l->stopper = eventfd(0, EFD_CLOEXEC);
	if (open_socket(l, o->workdir, e) < 0)
		goto fail;
	watch(l, l->listener, &l->listener);
	watch(l, l->stopper, &l->stopper);
	errno = pthread_create(&l->events, NULL, events_main, l);
	if (errno) {
		err_sys(e, "cannot start the thread that serves page faults");
		goto fail;
	}
	l->has_events = true;
	want = want < MAX_FILLERS ? want : MAX_FILLERS;
	while (l->nr_fillers < want &&
	       pthread_create(&l->fillers[l->nr_fillers], NULL, fill_main, l) == 0)
		l->nr_fillers++;
	if (l->nr_fillers) {
		*out = l;
		return 0;
	}
	err_set(e, ERR_SYS, "cannot start a thread that fills memory");
fail:
	lazy_free(l);
	return -1;
}

int lazy_only(struct lazy *l, pid_t vpid, const struct pageset *pages, struct err *e)
{
	struct narrow one = { vpid, PAGESET_INIT };

	(void)e;
	pageset_add_set(&one.pages, pages);
	pthread_mutex_lock(&l->lock);
	l->narrow = xrealloc(l->narrow, (l->nr_narrow + 1) * sizeof(*l->narrow));
	l->narrow[l->nr_narrow++] = one;
	pthread_mutex_unlock(&l->lock);
	return 0;
}

int lazy_wait(struct lazy *l, int timeout_ms, struct err *e)
{
	uint64_t deadline = clock_deadline(timeout_ms);
	int ret = 0;

	pthread_mutex_lock(&l->lock);
	while (!l->done) {
		if (l->broken) {
			ret = err_set(e, ERR_CHILD, "CRIU ended before the restore was finished");
			break;
		}
		if (l->link_lost) {
			if (e)
				*e = l->why;
			ret = -1;
			break;
		}
		if (deadline && clock_ns() >= deadline) {
			ret = 1;
			break;
		}
		nap(l, 20 * 1000000);
	}
	pthread_mutex_unlock(&l->lock);
	return ret;
}

struct lazy_stats lazy_stats(struct lazy *l)
{
	struct lazy_stats s = { 0 };

	pthread_mutex_lock(&l->lock);
	s.tasks = (unsigned)l->nr_tasks;
	for (size_t i = 0; i < l->nr_tasks; i++) {
		s.faults += l->tasks[i]->faults;
		s.copied += l->tasks[i]->copied;
		s.zeros += l->tasks[i]->zeros;
		s.left += lazytask_left(l->tasks[i]);
	}
	s.wanted = l->wanted;
	s.first_ns = l->first_ns;
	s.done_ns = l->done_ns;
	pthread_mutex_unlock(&l->lock);
	return s;
}

void lazy_free(struct lazy *l)
{
	uint64_t one = 1;

	if (!l)
		return;
	pthread_mutex_lock(&l->lock);
	l->stop = true;
	pthread_cond_broadcast(&l->change);
	pthread_mutex_unlock(&l->lock);
	for (unsigned i = 0; i < l->nr_fillers; i++)
		pthread_join(l->fillers[i], NULL);
	if (l->has_events && write(l->stopper, &one, sizeof(one)) == sizeof(one))
		pthread_join(l->events, NULL);
	lazy_detach(l);
	for (size_t i = 0; i < l->nr_tasks; i++)
		lazytask_free(l->tasks[i]);
	for (size_t i = 0; i < l->nr_narrow; i++)
		pageset_fini(&l->narrow[i].pages);
	if (l->listener >= 0)
		unlinkat(l->dirfd, "lazy-pages.socket", 0);
	close_fd(&l->conn);
	close_fd(&l->listener);
	close_fd(&l->epoll);
	close_fd(&l->stopper);
	close_fd(&l->dirfd);
	free(l->tasks);
	free(l->narrow);
	pthread_mutex_destroy(&l->lock);
	pthread_cond_destroy(&l->change);
	free(l);
}
