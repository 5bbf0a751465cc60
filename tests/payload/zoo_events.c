// SPDX-License-Identifier: MIT
/* Descriptors that tell of events: eventfd, epoll, inotify, fanotify, signalfd, pidfd. */
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "zoo.h"

/* ---- eventfd ---- */

static int counter;

static int eventfd_make(void)
{
	counter = eventfd(7, EFD_NONBLOCK);
	NEED(counter >= 0 && fcntl(counter, F_SETFD, FD_CLOEXEC) == 0, "eventfd");
	return 0;
}

static int eventfd_check(void)
{
	uint64_t n = 0, seven = 7;

	NEED(read(counter, &n, 8) == 8 && n == 7, "the counter is %lu, not 7", (unsigned long)n);
	NEED(read(counter, &n, 8) < 0 && errno == EAGAIN, "it blocks, or is not empty");
	NEED(write(counter, &seven, 8) == 8, "write");
	NEED(fcntl(counter, F_GETFD) == FD_CLOEXEC, "close-on-exec is lost");
	return 0;
}

/* ---- epoll: level, edge, one-shot, with data, a duplicate, one in another ---- */

static int ep, outer, level[2], edge[2], oneshot;

static int ep_add(int in, int fd, uint32_t events, uint64_t data)
{
	struct epoll_event e = { .events = events, .data.u64 = data };

	return epoll_ctl(in, EPOLL_CTL_ADD, fd, &e);
}

static int epoll_make(void)
{
	int high;

	ep = epoll_create1(EPOLL_CLOEXEC);
	outer = epoll_create1(0);
	oneshot = eventfd(1, 0);
	NEED(pipe(level) == 0 && pipe(edge) == 0, "pipe");
	/* registered by a number that another file has afterwards */
	high = dup2(level[0], 200);
	NEED(ep_add(ep, high, EPOLLIN, 0x1111222233334444) == 0 &&
	     ep_add(ep, edge[0], EPOLLIN | EPOLLET, 2) == 0 &&
	     ep_add(ep, oneshot, EPOLLIN | EPOLLONESHOT, 3) == 0 &&
	     ep_add(outer, ep, EPOLLIN, 4) == 0, "epoll_ctl");
	return 0;
}

/* ---- a worker has the epoll of its parent, and not what that waits for ---- */

static int inherited, inherited_pipe[2];

static int inherited_make(void)
{
	pid_t worker;

	inherited = epoll_create1(0);
	NEED(pipe(inherited_pipe) == 0 && ep_add(inherited, inherited_pipe[0], EPOLLIN, 5) == 0, "epoll_ctl");
	worker = fork();
	if (worker == 0) {
		close(inherited_pipe[0]);
		close(inherited_pipe[1]);
		for (;;)
			pause();
	}
	NEED(worker > 0, "fork");
	return 0;
}

static int inherited_check(void)
{
	struct epoll_event e;
	char c;

	NEED(epoll_wait(inherited, &e, 1, 0) == 0, "an event when there is nothing");
	NEED(write(inherited_pipe[1], "x", 1) == 1 && epoll_wait(inherited, &e, 1, 1000) == 1 && e.data.u64 == 5, "no event");
	NEED(read(inherited_pipe[0], &c, 1) == 1, "read");
	return 0;
}

static int epoll_check(void)
{
	struct epoll_event e[4], again = { .events = EPOLLIN | EPOLLONESHOT, .data.u64 = 3 };
	uint64_t seen = 0;
	char c;

	NEED(write(level[1], "l", 1) == 1 && write(edge[1], "e", 1) == 1, "write");
	NEED(epoll_wait(outer, e, 4, 3000) == 1 && e[0].data.u64 == 4, "the outer epoll is deaf");
	for (int tries = 0; tries < 20 && seen != 7; tries++) {
		int n = epoll_wait(ep, e, 4, 1000);

		for (int i = 0; i < n; i++)
			seen |= e[i].data.u64 == 0x1111222233334444 ? 1 :
				e[i].data.u64 == 2 ? 2 : e[i].data.u64 == 3 ? 4 : 8;
	}
	NEED(seen == 7, "events seen: %lx, not 7", (unsigned long)seen);
	NEED(read(level[0], &c, 1) == 1 && read(edge[0], &c, 1) == 1, "read");
	NEED(epoll_wait(ep, e, 4, 0) == 0, "events when there is nothing");
	NEED(epoll_ctl(ep, EPOLL_CTL_MOD, oneshot, &again) == 0, "epoll_ctl of the one-shot");
	return 0;
}

/* ---- inotify ---- */

static int ino, wd_dir, wd_file;

static int inotify_make(void)
{
	mkdir("watched", 0755);
	close(file_with("watched-file", "x"));
	ino = inotify_init1(IN_NONBLOCK);
	wd_dir = inotify_add_watch(ino, "watched", IN_CREATE | IN_DELETE);
	wd_file = inotify_add_watch(ino, "watched-file", IN_ATTRIB);
	NEED(ino >= 0 && wd_dir >= 0 && wd_file >= 0, "inotify");
	return 0;
}

static int expect_event(int wd, uint32_t mask)
{
	union {
		struct inotify_event e;
		char bytes[4096];
	} u;

	NEED(readable(ino, 3000) && read(ino, &u, sizeof(u)) > 0, "no event %x", mask);
	NEED(u.e.wd == wd && u.e.mask & mask, "event %x of watch %d, not %x of %d", u.e.mask, u.e.wd,
	     mask, wd);
	return 0;
}

static int inotify_check(void)
{
	close(file_with("watched/new", ""));
	if (expect_event(wd_dir, IN_CREATE) < 0)
		return -1;
	unlink("watched/new");
	if (expect_event(wd_dir, IN_DELETE) < 0)
		return -1;
	chmod("watched-file", 0644);
	return expect_event(wd_file, IN_ATTRIB);
}

/* ---- inotify on a file that is replaced all the time: its watch ends with it, at any moment of a move ---- */

static volatile int *replaced; /* how often; -1: an error */

static int replace(int ino)
{
	char events[4096];
	int fd = file_with("watched.new", "anew");

	if (fd < 0 || close(fd) < 0 || rename("watched.new", "watched-replaced") < 0 ||
	    inotify_add_watch(ino, "watched-replaced", IN_MODIFY | IN_ATTRIB) < 0)
		return -1;
	while (read(ino, events, sizeof(events)) > 0)
		;
	usleep(1000);
	return errno == EAGAIN ? 0 : -1;
}

static int replaced_make(void)
{
	int fd = inotify_init1(IN_NONBLOCK);

	replaced = mmap(NULL, sizeof(*replaced), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	NEED(fd >= 0 && replaced != MAP_FAILED, "inotify");
	if (fork() == 0) {
		while (replace(fd) == 0)
			++*replaced;
		*replaced = -1;
		_exit(1);
	}
	close(fd);
	return 0;
}

static int replaced_check(void)
{
	const int before = *replaced;

	for (int i = 0; i < 200 && *replaced == before; i++)
		usleep(10000);
	NEED(*replaced > before, "the watched file is not replaced any more (%d, %d)", before, *replaced);
	return 0;
}

/* ---- fanotify ---- */

static int fan;

static int fanotify_make(void)
{
	close(file_with("fan-file", "x"));
	fan = fanotify_init(FAN_CLASS_NOTIF | FAN_NONBLOCK, O_RDONLY);
	NEED(fan >= 0 && fanotify_mark(fan, FAN_MARK_ADD, FAN_MODIFY | FAN_CLOSE_WRITE, AT_FDCWD,
				       "fan-file") == 0, "fanotify");
	return 0;
}

static int fanotify_check(void)
{
	struct fanotify_event_metadata m[8];

	close(file_with("fan-file", "yy"));
	NEED(readable(fan, 3000) && read(fan, m, sizeof(m)) > 0, "no event");
	NEED(m[0].mask & (FAN_MODIFY | FAN_CLOSE_WRITE), "event %llx", (unsigned long long)m[0].mask);
	for (int i = 0; i < 8 && readable(fan, 50); i++) {
		if (m[0].fd >= 0)
			close(m[0].fd);
		if (read(fan, m, sizeof(m)) < 0)
			break;
	}
	return 0;
}

/* ---- signalfd, with signals that wait, and their values ---- */

static int sigs;

static int queue_signals(void)
{
	for (int i = 0; i < 3; i++)
		NEED(sigqueue(getpid(), SIGRTMIN + 1, (union sigval){ .sival_int = 100 + i }) == 0,
		     "sigqueue");
	NEED(syscall(SYS_tgkill, getpid(), getpid(), SIGUSR2) == 0, "tgkill");
	return 0;
}

static int signalfd_make(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN + 1);
	sigaddset(&set, SIGUSR2);
	NEED(sigprocmask(SIG_BLOCK, &set, NULL) == 0, "sigprocmask");
	sigs = signalfd(-1, &set, SFD_NONBLOCK);
	NEED(sigs >= 0, "signalfd");
	return queue_signals();
}

static int signalfd_check(void)
{
	struct signalfd_siginfo s;
	int next = 100, own = 0;

	while (readable(sigs, 200) && read(sigs, &s, sizeof(s)) == (ssize_t)sizeof(s)) {
		if (s.ssi_signo == SIGUSR2) {
			own++;
			continue;
		}
		NEED(s.ssi_int == next && (pid_t)s.ssi_pid == getpid(),
		     "signal with value %d of process %u, not %d", s.ssi_int, s.ssi_pid, next);
		next++;
	}
	NEED(next == 103 && own == 1, "%d queued signals and %d own, not 3 and 1", next - 100, own);
	return queue_signals();
}

/* ---- a child's pidfd (refused with ENOSYS in the live profile: then none) ---- */

static int pidfd = -1;
static pid_t child;

static int pidfd_make(void)
{
	child = fork();
	if (child == 0)
		for (;;)
			pause();
	pidfd = (int)syscall(SYS_pidfd_open, child, 0);
	NEED(pidfd >= 0 || errno == ENOSYS, "pidfd_open");
	return 0;
}

static int pidfd_check(void)
{
	int status;

	if (pidfd < 0)
		return 0;
	NEED(!readable(pidfd, 0), "the child is said to be dead");
	NEED(syscall(SYS_pidfd_send_signal, pidfd, SIGTERM, NULL, 0) == 0, "pidfd_send_signal");
	NEED(readable(pidfd, 3000), "its end was not told");
	NEED(waitpid(child, &status, 0) == child, "waitpid");
	close(pidfd);
	return pidfd_make();
}

const struct animal zoo_events[] = {
	{ "eventfd", eventfd_make, eventfd_check },
	{ "epoll", epoll_make, epoll_check },
	{ "epoll-inherited", inherited_make, inherited_check },
	{ "inotify", inotify_make, inotify_check },
	{ "inotify-replaced", replaced_make, replaced_check },
	{ "fanotify", fanotify_make, fanotify_check },
	{ "signalfd", signalfd_make, signalfd_check },
	{ "pidfd", pidfd_make, pidfd_check },
	{ NULL, NULL, NULL },
};
