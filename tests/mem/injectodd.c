// SPDX-License-Identifier: MIT
/*
 * tests/mem/injectodd.c - a userfaultfd out of processes that do what they can against it: they
 * exec, end, are stopped, frozen, traced by another, at any instant of it.
 *
 * What must hold for each: an answer within bounded time and of the right kind (it works, or `again`,
 * or a refusal that names the reason), and afterwards the target does what it would have
 * done without us: not stopped, not traced, no descriptor more, no signal lost, and the right result.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/own.h"
#include "mem/inject/inject.h"

enum {
	BOUND_MS = 8000, /* for one answer: 2 s and what a loaded machine adds */
	EXECS = 600,
};

static int failures;

static void expect(bool ok, const char *name, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "%s: %s\n", name, what);
	failures++;
}

/* ---- looking ---- */

/* The word behind `key` in /proc/PID/status; "" when it is gone. */
static void status_word(pid_t pid, const char *key, char out[static 16])
{
	own_free char *path = xasprintf("/proc/%d/status", (int)pid);
	own_free char *text = NULL;
	const char *p;

	*out = '\0';
	if (file_read(AT_FDCWD, path, 64 << 10, &text, NULL, NULL) == 0 && (p = strstr(text, key)))
		sscanf(p + strlen(key), " %15s", out);
}

static char state_of(pid_t pid)
{
	char word[16];

	status_word(pid, "\nState:", word);
	return word[0];
}

static int tracer_of(pid_t pid)
{
	char word[16];

	status_word(pid, "\nTracerPid:", word);
	return atoi(word);
}

static unsigned nr_fds(pid_t pid)
{
	own_free char *path = xasprintf("/proc/%d/fd", (int)pid);
	own_dir DIR *d = opendir(path);
	unsigned n = 0;

	while (d && readdir(d))
		n++;
	return n;
}

/* ---- asking ---- */

struct tally {
	unsigned ok, again, refused;
	uint64_t worst_ns;
	struct err e; /* of the last refusal */
};

static int ask(struct tally *t, pid_t pid)
{
	struct err e = ERR_INIT;
	uint64_t began = clock_ns(), took;
	struct inject in;
	int ret = inject_uffd(&in, pid, &e);

	took = clock_ns() - began;
	t->worst_ns = took > t->worst_ns ? took : t->worst_ns;
	if (ret == 0) {
		close(in.uffd);
		t->ok++;
	} else if (in.again) {
		t->again++;
	} else {
		t->refused++;
		t->e = e;
	}
	return ret;
}

static void tell(const char *name, const struct tally *t)
{
	expect(t->worst_ns < BOUND_MS * UINT64_C(1000000), name, "an answer took too long");
	printf("%-20s %5u worked, %5u later, %u refused, longest %.1f ms %s\n", name, t->ok, t->again,
	       t->refused, (double)t->worst_ns / 1e6, t->refused ? t->e.msg : "");
}

static void ends_well(const char *name, pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid || status) {
		fprintf(stderr, "%s: ended with %#x\n", name, status);
		failures++;
	}
}

/* Not stopped, not traced: soon, for a helper may be on its way out. */
static void is_free(const char *name, pid_t pid)
{
	for (int i = 0; i < 200 && (tracer_of(pid) || strchr("tT", state_of(pid))); i++)
		clock_sleep_ms(10);
	expect(!tracer_of(pid), name, "it is traced");
	expect(!strchr("tT", state_of(pid)), name, "it stands still");
}

/* ---- targets ---- */

static pid_t start(int (*run)(void))
{
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(run());
	}
	return pid;
}

/* Works until SIGTERM; 0: its sums were right. */
static volatile sig_atomic_t over;

static void on_term(int sig)
{
	(void)sig;
	over = 1;
}

static int do_work(void)
{
	signal(SIGTERM, on_term);
	while (!over) {
		volatile uint64_t sum = 0;

		for (uint64_t i = 1; i <= 5000; i++)
			sum += i;
		if (sum != 12502500)
			return 1;
		if (syscall(SYS_getppid) <= 0)
			return 2;
	}
	return 0;
}

static void finish(const char *name, pid_t pid)
{
	is_free(name, pid);
	kill(pid, SIGTERM);
	ends_well(name, pid);
}

/* Itself again and again, as process or from a second thread. */
static void exec_self(const char *how, int left)
{
	char number[12];

	snprintf(number, sizeof(number), "%d", left);
	execl("/proc/self/exe", "injectodd", how, number, (char *)NULL);
	_exit(9);
}

static void *exec_thread(void *arg)
{
	exec_self("thread", *(int *)arg);
	return NULL;
}

static int exec_main(const char *how, int left)
{
	pthread_t t;

	if (left == 0)
		return 0;
	left--;
	if (!strcmp(how, "exec"))
		exec_self(how, left);
	if (pthread_create(&t, NULL, exec_thread, &left))
		return 1;
	for (;;)
		pause();
}

static int do_exec(void)
{
	exec_self("exec", EXECS);
	return 1;
}

static int do_exec_thread(void)
{
	exec_self("thread", EXECS);
	return 1;
}

/* ---- the cases ---- */

static bool has_ended(pid_t pid)
{
	siginfo_t info = { .si_pid = 0 };

	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid;
}

static void run_exec(const char *name, int (*run)(void))
{
	pid_t pid = start(run);
	struct tally t = { 0 };

	while (!has_ended(pid)) {
		ask(&t, pid);
		usleep((unsigned)rand() % 300);
	}
	expect(!t.refused, name, t.e.msg);
	expect(t.ok > 0, name, "it never worked");
	ends_well(name, pid);
	tell(name, &t);
}

static int do_end(void)
{
	usleep((unsigned)getpid() % 40 * 20);
	return 0;
}

static void run_exit(void)
{
	struct tally t = { 0 };

	for (int i = 0; i < 300; i++) {
		pid_t pid = start(do_end);

		usleep((unsigned)rand() % 400);
		ask(&t, pid);
		ends_well("exit", pid);
	}
	expect(!t.refused, "exit", t.e.msg);
	tell("exit", &t);
}

struct storm {
	pid_t pid;
	_Atomic bool stop;
	void (*blow)(struct storm *s);
	const char *control; /* of a freezer */
	const char *on, *off;
};

static void *storm_main(void *arg)
{
	struct storm *s = arg;

	while (!s->stop)
		s->blow(s);
	return NULL;
}

static void blow_stops(struct storm *s)
{
	kill(s->pid, SIGSTOP);
	usleep((unsigned)rand() % 200);
	kill(s->pid, SIGCONT);
	usleep((unsigned)rand() % 200);
}

static void put(const char *path, const char *word)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, word, strlen(word)) < 0)
		fprintf(stderr, "cannot write %s: %s\n", path, strerror(errno));
	close(fd);
}

static void blow_frost(struct storm *s)
{
	put(s->control, s->on);
	usleep((unsigned)rand() % 2000);
	put(s->control, s->off);
	usleep((unsigned)rand() % 2000);
}

static void in_storm(struct storm *s, struct tally *t, unsigned ms)
{
	uint64_t until = clock_deadline((int)ms);
	pthread_t thread;

	if (pthread_create(&thread, NULL, storm_main, s))
		exit(99);
	while (clock_left_ms(until))
		ask(t, s->pid);
	s->stop = true;
	pthread_join(thread, NULL);
}

static void run_stops(void)
{
	pid_t pid = start(do_work);
	struct storm s = { .pid = pid, .blow = blow_stops };
	struct tally t = { 0 };
	unsigned fds;

	clock_sleep_ms(30);
	fds = nr_fds(pid);
	in_storm(&s, &t, 1500);
	expect(nr_fds(pid) == fds, "stops", "a descriptor is left");
	expect(!t.refused, "stops", t.e.msg);
	/* A stop that comes while it is borrowed is not lost. */
	for (int i = 0; i < 100; i++) {
		pid_t killer = fork();

		if (killer == 0) {
			usleep((unsigned)i * 5);
			_exit(kill(pid, SIGSTOP) != 0);
		}
		ask(&t, pid);
		waitpid(killer, NULL, 0);
		for (int k = 0; k < 200 && state_of(pid) != 'T'; k++)
			usleep(1000);
		expect(state_of(pid) == 'T', "stops", "a SIGSTOP was lost");
		kill(pid, SIGCONT);
	}
	finish("stops", pid);
	tell("stops", &t);
}

/* A cgroup of this test in the hierarchy that has a freezer of this kind; NULL: there is none. */
static char *make_cgroup(bool v2)
{
	static const char *const roots[2][2] = {
		{ "/sys/fs/cgroup/freezer", NULL },
		{ "/sys/fs/cgroup/unified", "/sys/fs/cgroup" },
	};

	for (size_t i = 0; i < 2; i++) {
		const char *root = roots[v2][i];
		own_free char *dir = root ? xasprintf("%s/injectodd-%d", root, (int)getpid()) : NULL;
		own_free char *file = dir ? xasprintf("%s/%s", dir, v2 ? "cgroup.freeze" : "freezer.state")
					  : NULL;

		if (!dir || mkdir(dir, 0755) < 0)
			continue;
		if (access(file, W_OK) == 0)
			return take_ptr(&dir);
		rmdir(dir);
	}
	return NULL;
}

/* Frozen in the middle: it was stopped, and does not go on. */
static void run_frozen_between(const char *name, struct storm *s, struct tally *t)
{
	bool hit = false;

	for (int i = 0; i < 300 && !hit; i++) {
		struct tally in_child = { 0 };
		pid_t asker = fork();

		if (asker == 0) {
			for (;;)
				ask(&in_child, s->pid);
		}
		usleep(3000 + (unsigned)rand() % 3000);
		put(s->control, s->on);
		clock_sleep_ms(10);
		hit = tracer_of(s->pid) && state_of(s->pid) != 't';
		/* The asker dies with the target frozen: its helper goes on without its descriptors. */
		kill(asker, SIGKILL);
		waitpid(asker, NULL, 0);
		if (hit)
			ask(t, s->pid);
		put(s->control, s->off);
		is_free(name, s->pid);
	}
	t->refused = 0; /* the other asker's helper had it */
	printf("%-20s frozen between two of its stops: %s\n", name, hit ? "seen" : "not met");
}

static void run_frozen(bool v2)
{
	const char *name = v2 ? "frozen (v2)" : "frozen (v1)";
	own_free char *dir = make_cgroup(v2);
	own_free char *procs = NULL, *control = NULL;
	struct tally t = { 0 };
	struct storm s;
	unsigned fds;
	char number[12];
	pid_t pid;

	if (!dir) {
		printf("%-20s no such freezer here\n", name);
		return;
	}
	procs = xasprintf("%s/cgroup.procs", dir);
	control = xasprintf("%s/%s", dir, v2 ? "cgroup.freeze" : "freezer.state");
	pid = start(do_work);
	snprintf(number, sizeof(number), "%d", (int)pid);
	put(procs, number);
	s = (struct storm){ .pid = pid, .blow = blow_frost, .control = control,
			    .on = v2 ? "1" : "FROZEN", .off = v2 ? "0" : "THAWED" };
	clock_sleep_ms(30);
	fds = nr_fds(pid);
	put(control, s.on);
	clock_sleep_ms(20);
	ask(&t, pid);
	expect(t.again == 1, name, "a frozen process is for later");
	put(control, s.off);
	is_free(name, pid);
	in_storm(&s, &t, 1500);
	expect(!t.refused, name, t.e.msg);
	run_frozen_between(name, &s, &t);
	expect(nr_fds(pid) == fds, name, "a descriptor is left");
	ask(&t, pid);
	finish(name, pid);
	tell(name, &t);
	rmdir(dir);
}

/* Traces it until it is killed; no child of ours, for that would be a helper. */
static pid_t start_debugger(pid_t pid)
{
	pid_t middle, debugger = 0;
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		exit(99);
	middle = fork();
	if (middle == 0) {
		if (fork() != 0)
			_exit(0);
		debugger = getpid();
		if (ptrace(PTRACE_SEIZE, pid, NULL, NULL) < 0 ||
		    write(fds[1], &debugger, sizeof(debugger)) != sizeof(debugger))
			_exit(1);
		for (;;)
			pause();
	}
	waitpid(middle, NULL, 0);
	if (read(fds[0], &debugger, sizeof(debugger)) != sizeof(debugger))
		exit(99);
	close(fds[0]);
	close(fds[1]);
	return debugger;
}

static void run_traced(void)
{
	pid_t pid = start(do_work), debugger = start_debugger(pid);
	struct tally t = { 0 };

	ask(&t, pid);
	expect(t.refused == 1 && strstr(t.e.hint, "debugger"), "traced", "the debugger is not named");
	tell("traced", &t);
	kill(debugger, SIGKILL);
	finish("traced", pid);
}

int main(int argc, char **argv)
{
	if (argc == 3)
		return exec_main(argv[1], atoi(argv[2]));
	setvbuf(stdout, NULL, _IOLBF, 0);
	run_exec("exec", do_exec);
	run_exec("exec by a thread", do_exec_thread);
	run_exit();
	run_stops();
	run_frozen(false);
	run_frozen(true);
	run_traced();
	return failures ? 1 : 0;
}
