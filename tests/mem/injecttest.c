// SPDX-License-Identifier: MIT
/*
 * tests/mem/injecttest.c - is a process that lent us a system call what it was before?
 *
 * Each case is a child that sits in some state (a system call that would restart in one
 * of the kernel's five ways, a stop, a seccomp filter, a tight loop that checks its own
 * registers); it is made to run userfaultfd 20 times and must then end well: right
 * result, no EINTR, no descriptor left, stopped if it was stopped.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/own.h"
#include "mem/inject/inject.h"

enum { TIMES = 20 };

static int failures;

static void expect(int ok, const char *name, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "%s: %s (%s)\n", name, what, strerror(errno));
	failures++;
}

/* ---- what the children do; 0: all was right ---- */

/* Tells the parent that it is about to enter its state. */
static int go_fd;

static void here(void)
{
	if (write(go_fd, "x", 1) != 1)
		_exit(99);
}

static int do_nanosleep(void)
{
	struct timespec t = { 0, 600000000 }, left;
	uint64_t began = clock_ns();

	here();
	if (nanosleep(&t, &left))
		return 1;
	return clock_ns() - began < 600000000 || clock_ns() - began > 3000000000u;
}

static int do_poll(void)
{
	struct pollfd none = { .fd = -1 };

	here();
	return poll(&none, 1, 600);
}

/* With a temporary mask: SIGUSR1 is blocked before and after, not during. */
static volatile sig_atomic_t got_usr1;

static void on_usr1(int sig)
{
	(void)sig;
	got_usr1 = 1;
}

static int do_sigsuspend(void)
{
	sigset_t blocked, none, now;

	signal(SIGUSR1, on_usr1);
	sigemptyset(&none);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGUSR1);
	sigprocmask(SIG_BLOCK, &blocked, NULL);
	here();
	sigsuspend(&none); /* ended by the parent's SIGUSR1 */
	sigprocmask(SIG_BLOCK, NULL, &now);
	return !got_usr1 || !sigismember(&now, SIGUSR1) || sigismember(&now, SIGTERM);
}

static int do_epoll_pwait(void)
{
	int ep = epoll_create1(EPOLL_CLOEXEC), n;
	struct epoll_event ev;
	sigset_t usr2, now;

	sigemptyset(&usr2);
	sigaddset(&usr2, SIGUSR2);
	here();
	/* The kernel never restarts it after a stop: EINTR is its own rule (signal(7)). */
	for (uint64_t until = clock_deadline(600); clock_left_ms(until) > 0;) {
		n = epoll_pwait(ep, &ev, 1, clock_left_ms(until), &usr2);
		if (n > 0 || (n < 0 && errno != EINTR))
			return 1;
	}
	sigprocmask(SIG_BLOCK, NULL, &now);
	return sigismember(&now, SIGUSR2);
}

static int do_futex(void)
{
	struct timespec t = { 0, 600000000 };
	int word = 0;

	here();
	return syscall(SYS_futex, &word, FUTEX_WAIT, 0, &t, NULL, 0) != -1 || errno != ETIMEDOUT;
}

static int do_read(void)
{
	int fds[2];
	pid_t writer;
	char c = 0;

	if (pipe(fds) < 0)
		return 1;
	writer = fork();
	if (writer == 0) {
		clock_sleep_ms(600);
		_exit(write(fds[1], "y", 1) != 1);
	}
	here();
	return read(fds[0], &c, 1) != 1 || c != 'y';
}

/* All registers that matter hold known values; vector registers too. */
static int do_loop(void)
{
	uint64_t until = clock_ns() + 600000000;
	int ok = 1;

	here();
	while (ok && clock_ns() < until) {
		uint64_t a = 0x1111, b = 0x2222, c = 0x3333, d = 0x4444;
		double x = 1.5;

		for (int i = 0; i < 20000; i++)
			__asm__ volatile("add $1, %0\n\tadd $1, %1\n\tadd $1, %2\n\tadd $1, %3\n\t"
					 "addsd %4, %4\n\tmulsd %5, %4"
					 : "+r"(a), "+r"(b), "+r"(c), "+r"(d), "+x"(x)
					 : "x"(0.5)
					 : "cc");
		ok = a == 0x1111 + 20000 && b == 0x2222 + 20000 && c == 0x3333 + 20000 &&
		     d == 0x4444 + 20000 && x == 1.5;
	}
	return !ok;
}

static int do_seccomp(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_userfaultfd, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { 4, code };

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog))
		return 1;
	return do_nanosleep();
}

static int do_ignoring_sigtrap(void)
{
	struct sigaction sa;
	sigset_t all;

	signal(SIGTRAP, SIG_IGN);
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	if (do_nanosleep())
		return 1;
	sigaction(SIGTRAP, NULL, &sa);
	return sa.sa_handler != SIG_IGN;
}

static int do_signals(void)
{
	signal(SIGUSR1, on_usr1);
	return do_loop() || !got_usr1;
}

static void *sleeper(void *arg)
{
	pause();
	return arg;
}

/* Its main thread is gone. */
static int do_headless(void)
{
	pthread_t t;

	pthread_create(&t, NULL, sleeper, NULL);
	here();
	syscall(SYS_exit, 0);
	return 1;
}

static int do_vfork(void)
{
	pid_t pid;

	here();
	pid = vfork();
	if (pid == 0) {
		usleep(600000);
		_exit(0);
	}
	return waitpid(pid, NULL, 0) != pid;
}

static int do_no_fds(void)
{
	struct rlimit none = { 0, 0 };

	setrlimit(RLIMIT_NOFILE, &none);
	return do_nanosleep();
}

static int do_stopped(void)
{
	here();
	raise(SIGSTOP);
	return 0;
}

/* ---- the cases ---- */

enum outcome { WORKS, AGAIN, REFUSED };

static const struct {
	const char *name;
	int (*run)(void);
	enum outcome outcome;
	int signal_after; /* sent after the injections */
	int signal_during;
} cases[] = {
	{ "nanosleep", do_nanosleep, WORKS, 0, 0 },
	{ "poll", do_poll, WORKS, 0, 0 },
	{ "sigsuspend", do_sigsuspend, WORKS, SIGUSR1, 0 },
	{ "epoll_pwait", do_epoll_pwait, WORKS, 0, 0 },
	{ "futex", do_futex, WORKS, 0, 0 },
	{ "read", do_read, WORKS, 0, 0 },
	{ "tight loop", do_loop, WORKS, 0, 0 },
	{ "loop with signals", do_signals, WORKS, 0, SIGUSR1 },
	{ "seccomp that kills", do_seccomp, WORKS, 0, 0 },
	{ "SIGTRAP ignored, all blocked", do_ignoring_sigtrap, WORKS, 0, 0 },
	{ "without main thread", do_headless, AGAIN, SIGKILL, 0 },
	{ "in vfork", do_vfork, AGAIN, 0, 0 },
	{ "no descriptors", do_no_fds, REFUSED, 0, 0 },
	{ "stopped", do_stopped, WORKS, SIGCONT, 0 },
};

static unsigned nr_fds(pid_t pid)
{
	own_free char *path = xasprintf("/proc/%d/fd", (int)pid);
	own_dir DIR *d = opendir(path);
	unsigned n = 0;

	while (d && readdir(d))
		n++;
	return n;
}

static char state_of(pid_t pid)
{
	own_free char *path = xasprintf("/proc/%d/stat", (int)pid);
	own_free char *text = NULL;
	const char *p;

	if (file_read(AT_FDCWD, path, 4096, &text, NULL, NULL) < 0)
		return '?';
	p = strrchr(text, ')');
	return p ? p[2] : '?';
}

static void run_case(size_t k)
{
	const char *name = cases[k].name;
	uint64_t worst = 0;
	int fds[2], status;
	unsigned before;
	char c, was;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		exit(99);
	go_fd = fds[1];
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(cases[k].run());
	}
	if (read(fds[0], &c, 1) != 1)
		exit(99);
	clock_sleep_ms(50);
	was = state_of(pid);
	before = nr_fds(pid);
	for (int i = 0; i < TIMES; i++) {
		struct err e = ERR_INIT;
		struct inject in;
		int ret = inject_uffd(&in, pid, &e);

		/* A busy machine may not let it run for 50 ms, so that it cannot stop either. */
		for (int n = 0; ret < 0 && in.again && cases[k].outcome == WORKS && n < 20; n++)
			ret = inject_uffd(&in, pid, &e);

		expect((ret == 0) == (cases[k].outcome == WORKS), name, ret ? e.msg : "should fail");
		expect(in.again == (cases[k].outcome == AGAIN), name, "later or never?");
		if (ret == 0)
			close(in.uffd);
		worst = in.stopped_ns > worst ? in.stopped_ns : worst;
		if (cases[k].signal_during)
			kill(pid, cases[k].signal_during);
		if (cases[k].outcome == AGAIN)
			break;
	}
	expect(nr_fds(pid) == before, name, "a descriptor is left");
	if (was == 'T')
		expect(state_of(pid) == 'T', name, "does not stand still any more");
	if (cases[k].signal_after)
		kill(pid, cases[k].signal_after);
	if (waitpid(pid, &status, 0) != pid)
		exit(99);
	expect(status == (cases[k].signal_after == SIGKILL ? SIGKILL : 0), name, "ended badly");
	printf("%-30s status %#x, longest stop %.3f ms\n", name, status, (double)worst / 1e6);
	close(fds[0]);
	close(fds[1]);
}

/* Our own death in the middle: a child of ours injects for ever and is killed at random. */
static void run_killed(void)
{
	pid_t target = fork();
	int status;

	if (target == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		go_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
		for (int i = 0; i < 8; i++)
			if (do_loop())
				_exit(1);
		_exit(0);
	}
	clock_sleep_ms(50);
	for (int i = 0; i < 100; i++) {
		pid_t us = fork();

		if (us == 0)
			for (;;) {
				struct inject in;

				if (inject_uffd(&in, target, NULL) == 0)
					close(in.uffd);
			}
		usleep(5000 + (unsigned)rand() % 20000);
		kill(us, SIGKILL);
		waitpid(us, NULL, 0);
	}
	clock_sleep_ms(20);
	expect(!strchr("tT", state_of(target)), "killed", "the target stands still");
	waitpid(target, &status, 0);
	expect(status == 0, "killed", "the target was damaged");
	printf("%-30s status %#x after 100 kills\n", "tracer killed", status);
}

int main(void)
{
	for (size_t k = 0; k < array_len(cases); k++)
		run_case(k);
	run_killed();
	return failures ? 1 : 0;
}
