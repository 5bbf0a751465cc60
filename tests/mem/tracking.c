// SPDX-License-Identifier: MIT
/*
 * tests/mem/tracking.c - what tracking costs: the figures behind bench/tracking.
 *
 *	tracking scan MIB		per GiB: first scan, clean scan, scan with 1 % written, and the
 *					final pass (exact lists of all pages)
 *	tracking write MIB RATE SECONDS	a program that serves RATE requests a second (0: as fast as it
 *					can), each reading a page and writing to it: without and
 *					with pre-copy rounds, alternating
 *
 *	tracking attach PID SECONDS	a process that runs already is tracked so long (bench/tracking measures it)
 *
 * Output lines: case, tool, metric, value, unit, n (tab-separated).
 */
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "base/clock.h"
#include "base/own.h"
#include "bed.h"
#include "mem/converge.h"

/* Shared with the program that is measured. */
struct board {
	_Atomic uint64_t writes, cpu_ns;
	_Atomic int ready, stir;
};

static struct board *board;

static void row(const char *what, const char *metric, double value, const char *unit, int n)
{
	printf("%s\tpmigrate\t%s\t%.3f\t%s\t%d\n", what, metric, value, unit, n);
}

static uint64_t random64(void)
{
	static uint64_t x = 88172645463325252u;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return x;
}

static uint64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* Some work on a page, then a write to it. */
static void request(char *p, size_t len)
{
	volatile uint64_t *page = (volatile uint64_t *)(void *)(p + random64() % (len / 4096) * 4096);
	uint64_t sum = 0;

	for (int k = 0; k < 512; k++)
		sum += page[k];
	page[random64() % 512] = sum | 1;
	board->writes++;
}

/* rate UINT64_MAX: writes `stir` pages when told to, and nothing else. */
static void program(size_t mib, uint64_t rate)
{
	size_t len = mib << 20;
	char *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (size_t i = 0; i < len; i += 4096)
		*(volatile uint64_t *)(void *)(p + i) = i | 1;
	board->ready = 1;
	while (rate == UINT64_MAX) {
		for (; board->stir > 0; board->stir--)
			request(p, len);
		clock_sleep_ms(1);
	}
	for (;;) {
		uint64_t began = clock_ns(), some = rate ? rate / 1000 + 1 : 1000, took;

		for (uint64_t i = 0; i < some; i++)
			request(p, len);
		took = clock_ns() - began;
		board->cpu_ns = cpu_ns();
		if (rate && took < 1000000)
			usleep((unsigned)(1000000 - took) / 1000);
	}
}

static pid_t start(size_t mib, uint64_t rate)
{
	pid_t pid;

	board->ready = 0;
	board->writes = 0;
	fflush(stdout);
	pid = (pid_t)syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0);
	if (pid == 0) {
		program(mib, rate);
		_exit(0);
	}
	if (pid < 0)
		bed_die("clone: %s", strerror(errno));
	while (!board->ready)
		clock_sleep_ms(5);
	return pid;
}

static struct track *track(pid_t pid)
{
	struct track_opts to = { .init = pid };
	struct err e = ERR_INIT;
	struct track *t;

	if (track_open(&t, &to, &e) < 0)
		bed_die("track: %s", e.msg);
	return t;
}

static double one_round(struct track *t, struct sender *s, struct track_round *r)
{
	struct err e = ERR_INIT;

	if (track_round(t, s, r, &e) < 0)
		bed_die("round: %s", e.msg);
	return (double)r->scan_ns / 1e6;
}

static void stir(int n)
{
	board->stir = n;
	while (board->stir > 0)
		clock_sleep_ms(1);
}

static void measure_scan(size_t mib)
{
	double gib = (double)mib / 1024, clean = 1e9, sparse = 1e9, final = 1e9;
	pid_t pid = start(mib, UINT64_MAX);
	struct track *t = track(pid);
	struct err e = ERR_INIT;
	struct bed b = { 0 };
	struct track_round r;
	double first, attach;

	bed_link(&b, 1, false);
	first = one_round(t, b.sender, &r);
	attach = (double)r.attach_max_ns / 1e6;
	for (int i = 0; i < 7; i++) {
		double ms = one_round(t, b.sender, &r);

		clean = ms < clean ? ms : clean;
		stir((int)(mib * 256 / 100));
		ms = one_round(t, b.sender, &r);
		sparse = ms < sparse ? ms : sparse;
	}
	bed_freeze(pid, NULL);
	for (int i = 0; i < 7; i++) {
		double ms;

		if (track_final(t, b.sender, false, &r, &e) < 0)
			bed_die("final: %s", e.msg);
		ms = (double)r.scan_ns / 1e6;
		final = ms < final ? ms : final;
	}
	row("scan", "stopped to attach", attach, "ms", 1);
	row("scan", "first scan", first / gib, "ms/GiB", 1);
	row("scan", "clean scan", clean / gib, "ms/GiB", 7);
	row("scan", "scan, 1 % written", sparse / gib, "ms/GiB", 7);
	row("scan", "final scan with lists", final / gib, "ms/GiB", 7);
	track_close(t);
	bed_unlink(&b);
	bed_end(pid);
}

static void pace(uint64_t dirty_pages, uint64_t all_pages, uint64_t took_ns)
{
	clock_sleep_ms((unsigned)(converge_pause(dirty_pages, all_pages, (double)took_ns / 1e9) * 1e3) + 1);
}

struct rounds {
	struct track *t;
	struct sender *s;
	_Atomic int stop;
	int n;
};

static void *rounds_main(void *arg)
{
	struct rounds *x = arg;
	struct track_round r;
	uint64_t all = 0;

	/* At the pace of a migration that does not converge. */
	while (!x->stop) {
		one_round(x->t, x->s, &r);
		x->n++;
		all = all ? all : r.dirty_pages;
		pace(r.dirty_pages, all, r.scan_ns + r.send_ns);
	}
	return NULL;
}

/* What the program did in some time: by its own CPU time, and by the clock. */
struct work {
	double requests, cpu_s, s;
};

static void begin(struct work *w)
{
	w->requests -= (double)board->writes;
	w->cpu_s -= (double)board->cpu_ns / 1e9;
	w->s -= (double)clock_ns() / 1e9;
}

static void end(struct work *w)
{
	w->requests += (double)board->writes;
	w->cpu_s += (double)board->cpu_ns / 1e9;
	w->s += (double)clock_ns() / 1e9;
}

static void rows(const char *what, const char *how, const struct work *w, const struct work *plain,
		 uint64_t rate, int n)
{
	char metric[96];

	snprintf(metric, sizeof(metric), "%s, by the clock", how);
	row(what, metric, w->requests / w->s, "requests/s", n);
	snprintf(metric, sizeof(metric), "%s, by its CPU time", how);
	row(what, metric, w->requests / w->cpu_s, "requests/s", n);
	if (w == plain)
		return;
	snprintf(metric, sizeof(metric), "slowed: %s, by the clock", how);
	row(what, metric, 100 - 100 * (w->requests / w->s) / (plain->requests / plain->s), "%", n);
	snprintf(metric, sizeof(metric), "slowed: %s, by its CPU time", how);
	row(what, metric, 100 - 100 * (w->requests / w->cpu_s) / (plain->requests / plain->cpu_s), "%", n);
	if (!rate)
		return;
	snprintf(metric, sizeof(metric), "%s: more of one CPU", how);
	row(what, metric, 100 * (double)rate * (w->cpu_s / w->requests - plain->cpu_s / plain->requests),
	    "%", n);
}

/* Rounds that look and arm, but read and send nothing. */
static void track_only(struct track *t, uint64_t until)
{
	struct err e = ERR_INIT;

	while (clock_ns() < until) {
		uint64_t began = clock_ns(), pages, all;

		if (track_count(t, &pages, &all, &e) < 0 || track_arm(t, &e) < 0)
			bed_die("arm: %s", e.msg);
		pace(pages, all, clock_ns() - began);
	}
}

/*
 * The receiving end and the sender run on the same CPUs as the program: so by the clock
 * "copied" tells more of a small machine than of tracking; "by its CPU time" counts what the
 * program itself pays (its faults), whoever else runs.  Rounds follow each other as
 * converge_pause says.
 */
static void measure_write(size_t mib, uint64_t rate, unsigned seconds)
{
	enum { N = 5 };
	struct work plain = { 0 }, tracked = { 0 }, copied = { 0 };
	unsigned ms = seconds * 1000 / (3 * N);
	char what[64];
	int rounds = 0;

	snprintf(what, sizeof(what), rate ? "write %" PRIu64 "/s" : "write, tight loop", rate);
	for (int i = 0; i < N; i++) {
		pid_t pid = start(mib, rate);
		struct rounds x = { 0 };
		struct bed b = { 0 };
		struct err e = ERR_INIT;
		pthread_t th;

		clock_sleep_ms(50);
		begin(&plain);
		clock_sleep_ms(ms);
		end(&plain);
		bed_link(&b, 1, false);
		x.t = track(pid);
		x.s = b.sender;
		begin(&tracked);
		if (track_arm(x.t, &e) < 0)
			bed_die("arm: %s", e.msg);
		track_only(x.t, clock_ns() + (uint64_t)ms * 1000000);
		end(&tracked);
		begin(&copied);
		pthread_create(&th, NULL, rounds_main, &x);
		clock_sleep_ms(ms);
		end(&copied);
		x.stop = 1;
		pthread_join(th, NULL);
		rounds += x.n;
		track_close(x.t);
		bed_unlink(&b);
		bed_end(pid);
	}
	rows(what, "untracked", &plain, &plain, rate, N);
	rows(what, "tracked", &tracked, &plain, rate, N);
	rows(what, "tracked and copied", &copied, &plain, rate, N);
	row(what, "rounds", rounds, "", N);
}

/* PID is the first process of a pid namespace.  The first round lasts as long as a link of 1 Gbit/s takes for all pages. */
static void attach(pid_t pid, unsigned seconds)
{
	uint64_t until = clock_ns() + (uint64_t)seconds * 1000000000, pages, all, ms;
	struct track *t = track(pid);
	struct err e = ERR_INIT;

	if (track_arm(t, &e) < 0 || track_count(t, &pages, &all, &e) < 0)
		bed_die("arm: %s", e.msg);
	ms = all * 4096 / 125000;
	clock_sleep_ms((unsigned)(ms < seconds * 1000 ? ms : seconds * 1000));
	track_only(t, until);
	track_close(t);
}

int main(int argc, char **argv)
{
	board = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (argc == 3 && !strcmp(argv[1], "scan")) {
		measure_scan((size_t)atol(argv[2]));
	} else if (argc == 5 && !strcmp(argv[1], "write")) {
		measure_write((size_t)atol(argv[2]), (uint64_t)atol(argv[3]), (unsigned)atoi(argv[4]));
	} else if (argc == 4 && !strcmp(argv[1], "attach")) {
		attach(atoi(argv[2]), (unsigned)atoi(argv[3]));
	} else {
		fprintf(stderr, "usage: tracking scan MIB | tracking write MIB RATE SECONDS | tracking attach PID SECONDS\n");
		return 2;
	}
	return 0;
}
