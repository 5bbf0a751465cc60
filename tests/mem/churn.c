// SPDX-License-Identifier: MIT
/*
 * tests/mem/churn.c - a program that owns memory of every kind and changes it for
 * ever, in every way that could fool somebody who copies it meanwhile.
 *
 *	churn KIND... [-m MIB] [-n]	one process a kind; -n: no pauses
 *
 * It ends when its parent does.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

enum { PAGE = 4096 };

static size_t mib = 32;
static int restless;
static char *self;

static void die(const char *what)
{
	perror(what);
	_exit(3);
}

static uint64_t next_random(void)
{
	static _Thread_local uint64_t x;

	if (!x)
		x = (uint64_t)getpid() * 0x9e3779b97f4a7c15 ^ (uintptr_t)&x ^ (uint64_t)time(NULL);
	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return x;
}

static void pause_a_bit(void)
{
	struct timespec t = { 0, (long)(next_random() % 2000000) };

	if (!restless)
		nanosleep(&t, NULL);
}

static char *map(void *at, size_t len, int flags, int fd)
{
	char *p = mmap(at, len, PROT_READ | PROT_WRITE, flags, fd, 0);

	if (p == MAP_FAILED)
		die("mmap");
	return p;
}

static char *anon(size_t len)
{
	return map(NULL, len, MAP_PRIVATE | MAP_ANONYMOUS, -1);
}

/* One word somewhere in each of `n` random pages; sometimes the page becomes zero. */
static void scribble(char *p, size_t len, int n)
{
	while (n--) {
		char *page = p + next_random() % (len / PAGE) * PAGE;

		if (next_random() % 32 == 0)
			memset(page, 0, PAGE);
		else
			*(volatile uint64_t *)(page + next_random() % 512 * 8) = next_random();
	}
}

static void fill(char *p, size_t len)
{
	for (size_t i = 0; i < len; i += PAGE)
		*(uint64_t *)(p + i + i / PAGE % 512 * 8) = next_random();
}

/* ---- the kinds ---- */

static void churn_plain(void)
{
	size_t len = mib << 20;
	char *p = anon(len);

	fill(p, len);
	for (;; pause_a_bit())
		scribble(p, len, 200);
}

static void churn_thp(void)
{
	size_t len = mib << 20;
	char *p = anon(len);

	madvise(p, len, MADV_HUGEPAGE);
	fill(p, len);
	for (;; pause_a_bit()) {
		scribble(p, len, 50);
		if (next_random() % 50 == 0)
			madvise(p + next_random() % (mib / 2) * (2 << 20), 2 << 20, 25 /* COLLAPSE */);
	}
}

/* Mappings that move, shrink, grow, end and come back at the same place. */
static void churn_remap(void)
{
	enum { N = 8 };
	size_t len = (mib << 20) / N, now[N];
	char *p[N], *base = anon(2 * N * len);

	for (int i = 0; i < N; i++) {
		p[i] = map(base + 2 * (size_t)i * len, len, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1);
		now[i] = len;
		fill(p[i], len);
	}
	for (;; pause_a_bit()) {
		int i = (int)(next_random() % N), j = (int)(next_random() % N);
		size_t want = (next_random() % (len / PAGE) + 1) * PAGE;
		char *tmp;

		switch (next_random() % 6) {
		case 0: /* the two change places */
			if (i == j)
				break;
			tmp = mremap(p[i], now[i], now[i], MREMAP_MAYMOVE | MREMAP_FIXED, base + (2 * N - 1) * len);
			if (tmp == MAP_FAILED || now[i] > len || now[j] > len)
				die("mremap");
			if (mremap(p[j], now[j], now[j], MREMAP_MAYMOVE | MREMAP_FIXED, p[i]) == MAP_FAILED ||
			    mremap(tmp, now[i], now[i], MREMAP_MAYMOVE | MREMAP_FIXED, p[j]) == MAP_FAILED)
				die("mremap");
			want = now[i];
			now[i] = now[j];
			now[j] = want;
			break;
		case 1:
			if (mremap(p[i], now[i], want, 0) == MAP_FAILED)
				break;
			if (want > now[i])
				scribble(p[i], want, 20);
			now[i] = want;
			break;
		case 2:
			munmap(p[i], now[i]);
			map(p[i], now[i], MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1);
			scribble(p[i], now[i], 20);
			break;
		case 3: /* over the living one */
			map(p[i], now[i], MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1);
			scribble(p[i], now[i], 5);
			break;
		case 4:
			mprotect(p[i] + now[i] / 2 / PAGE * PAGE, PAGE, PROT_READ);
			mprotect(p[i], now[i], PROT_READ | PROT_WRITE);
			scribble(p[i], now[i], 20);
			break;
		default:
			scribble(p[i], now[i], 20);
		}
	}
}

static void churn_advise(void)
{
	const size_t table = 2 << 20;
	size_t len = mib << 20, half = len / 2;
	char *p = anon(len), *none = anon(8 << 20);
	char *tables = (char *)(((uintptr_t)p + len / 4 + table - 1) & ~(uintptr_t)(table - 1));

	fill(p, len);
	fill(none, 8 << 20);
	for (;; pause_a_bit()) {
		char *at = p + next_random() % (half / PAGE) * PAGE;
		size_t n = (next_random() % 600 + 1) * PAGE;

		scribble(p, len, 20);
		switch (next_random() % 6) {
		case 0:
			madvise(at, n, MADV_DONTNEED);
			break;
		case 1:
			madvise(at, n, MADV_DONTNEED);
			(void)*(volatile char *)at;
			scribble(at, n, 3);
			break;
		case 2: /* whole page tables */
			madvise(tables, len / 4 / table * table, MADV_DONTNEED); /* from 8 MiB on */
			break;
		case 3:
			madvise(at, n, MADV_PAGEOUT);
			break;
		case 4:
			mprotect(none, 8 << 20, PROT_READ | PROT_WRITE);
			scribble(none, 8 << 20, 5);
			mprotect(none, 8 << 20, PROT_NONE);
			break;
		default:
			madvise(at, n, MADV_COLD);
		}
	}
}

static void churn_fork(void)
{
	size_t len = mib << 20;
	char *p = anon(len);

	fill(p, len);
	for (;; pause_a_bit()) {
		pid_t pid = fork();

		if (pid < 0)
			die("fork");
		if (pid == 0) {
			int rounds = (int)(next_random() % 100);

			prctl(PR_SET_PDEATHSIG, SIGKILL);
			for (int i = 0; i < rounds; i++, pause_a_bit())
				scribble(p, len, 50);
			_exit(0);
		}
		for (int i = 0; i < 20; i++, pause_a_bit())
			scribble(p, len, 50);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
}

/* Workers that share what their parent had prepared, and read it. */
static void churn_family(void)
{
	enum { WORKERS = 4 };
	size_t len = mib << 20;
	char *p = anon(len);

	fill(p, len);
	for (int i = 0; i < WORKERS; i++)
		if (fork() == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			break;
		}
	for (;; pause_a_bit())
		for (int i = 0; i < 50; i++)
			(void)*(volatile char *)(p + next_random() % len);
}

static char *shared_by_threads;

static void *thread_main(void *arg)
{
	for (int i = 0; i < (int)(intptr_t)arg; i++, pause_a_bit())
		scribble(shared_by_threads, mib << 20, 100);
	return NULL;
}

static void churn_threads(void)
{
	shared_by_threads = anon(mib << 20);
	fill(shared_by_threads, mib << 20);
	for (;;) {
		pthread_t t[4];

		for (int i = 0; i < 4; i++)
			pthread_create(&t[i], NULL, thread_main, (void *)(intptr_t)(next_random() % 50));
		for (int i = 0; i < 4; i++)
			pthread_join(t[i], NULL);
	}
}

static void churn_exec(void)
{
	size_t len = mib << 20;
	char *p = anon(len), text[32];
	char *argv[] = { self, (char *)"exec", (char *)"-m", text, NULL };

	snprintf(text, sizeof(text), "%zu", mib);
	fill(p, len);
	for (uint64_t i = next_random() % 300; i > 0; i--, pause_a_bit())
		scribble(p, len, 50);
	execv(self, argv);
	die("execv");
}

/* A parent in vfork while its child, with the parent's memory, goes on to exec. */
static void churn_spawn(void)
{
	size_t len = mib << 20;
	char *p = anon(len);
	char *argv[] = { (char *)"/bin/true", NULL };

	fill(p, len);
	for (;; pause_a_bit()) {
		pid_t pid;

		if (posix_spawn(&pid, argv[0], NULL, NULL, argv, environ) == 0)
			waitpid(pid, NULL, 0);
		for (int i = 0; i < 10; i++, pause_a_bit())
			scribble(p, len, 50);
	}
}

static int temp_file(size_t len)
{
	char name[] = "/var/tmp/churn.XXXXXX";
	int fd = mkostemp(name, O_CLOEXEC);

	if (fd < 0 || ftruncate(fd, (off_t)len) < 0)
		die("file");
	unlink(name);
	for (size_t i = 0; i < len; i += PAGE) {
		uint64_t v = next_random();

		if (pwrite(fd, &v, sizeof(v), (off_t)i) != sizeof(v))
			die("pwrite");
	}
	return fd;
}

static void churn_file(void)
{
	size_t len = mib << 20;
	char *p = map(NULL, len, MAP_PRIVATE, temp_file(len));

	for (;; pause_a_bit()) {
		scribble(p, len, 20);
		for (int i = 0; i < 50; i++)
			(void)*(volatile char *)(p + next_random() % len);
		if (next_random() % 4 == 0)
			madvise(p + next_random() % (len / PAGE / 2) * PAGE, (next_random() % 200 + 1) * PAGE,
				MADV_DONTNEED);
	}
}

/* Several writers; some live so shortly that nobody ever looks at them. */
static void share(char *p, size_t len, int fd)
{
	for (int i = 0; i < 2; i++)
		if (fork() == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			for (;; pause_a_bit())
				scribble(p, len, 30);
		}
	for (;; pause_a_bit()) {
		scribble(p, len, 30);
		if (next_random() % 10 == 0) {
			pid_t pid = fork();

			if (pid == 0) {
				scribble(p, len, 30);
				_exit(0);
			}
			waitpid(pid, NULL, 0);
		}
		if (next_random() % 20 == 0)
			madvise(p, len / 2, next_random() % 2 ? MADV_DONTNEED : MADV_PAGEOUT);
		if (next_random() % 20 == 0)
			madvise(p + len / 2, PAGE * (next_random() % 50 + 1), MADV_REMOVE);
		if (fd >= 0 && next_random() % 8 == 0) {
			uint64_t v = next_random();

			if (pwrite(fd, &v, sizeof(v), (off_t)(next_random() % (len / 8) * 8)) != sizeof(v))
				die("pwrite");
		}
		if (next_random() % 16 == 0) { /* written through a mapping that ends at once */
			char *q = mremap(p, 0, len, MREMAP_MAYMOVE);

			if (q != MAP_FAILED) {
				scribble(q, len, 5);
				munmap(q, len);
			}
		}
	}
}

static void churn_shared(void)
{
	size_t len = mib << 20;
	char *p = map(NULL, len, MAP_SHARED | MAP_ANONYMOUS, -1);

	fill(p, len / 2);
	share(p, len, -1);
}

static void *tear(void *arg)
{
	enum { PAGES = 500 };
	char *area = arg;

	for (;;) {
		char *at = area + next_random() % PAGES * PAGE;
		size_t len = (next_random() % 8 + 1) * PAGE;
		int prot = next_random() % 2 ? PROT_READ | PROT_WRITE : PROT_READ;

		if (mmap(at, len, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
			die("mmap");
		if (prot & PROT_WRITE)
			*(volatile uint64_t *)at = next_random();
		mprotect(area + next_random() % PAGES * PAGE, len, PROT_READ | PROT_WRITE);
	}
	return NULL;
}

/* Mappings that change while somebody reads their list: its lines do not fit together. */
static void churn_torn(void)
{
	pthread_t t;

	for (int i = 0; i < 4; i++)
		if (pthread_create(&t, NULL, tear, anon(4 << 20)))
			die("thread");
	pthread_join(t, NULL);
}

/* Shared pages that come into being because somebody reads them; nobody has written anything there. */
static void churn_peek(void)
{
	size_t len = mib << 20;
	char *p = map(NULL, len, MAP_SHARED | MAP_ANONYMOUS, -1);

	fill(p, len / 2);
	for (;; pause_a_bit()) {
		(void)*(volatile char *)(p + len / 2 + next_random() % (len / 2));
		scribble(p, len / 2, 5);
	}
}

static void churn_memfd(void)
{
	size_t len = mib << 20;
	int fd = memfd_create("churn", MFD_CLOEXEC), other = memfd_create("unmapped", MFD_CLOEXEC);
	char *p;

	if (fd < 0 || ftruncate(fd, (off_t)len) < 0 || ftruncate(other, 3 << 20) < 0)
		die("memfd");
	if (fork() == 0) { /* one that nobody maps, of odd size */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;; pause_a_bit()) {
			uint64_t v = next_random();

			if (pwrite(other, &v, sizeof(v), (off_t)(v % (2 << 20))) < 0 ||
			    (v % 50 == 0 && ftruncate(other, (off_t)(v % (3 << 20) + (2 << 20))) < 0))
				die("pwrite");
		}
	}
	p = map(NULL, len, MAP_SHARED, fd);
	fill(p, len / 2);
	share(p, len, fd);
}

static void churn_sysv(void)
{
	size_t len = mib << 20;
	int id = shmget(IPC_PRIVATE, len, IPC_CREAT | 0600);
	char *p = shmat(id, NULL, 0);

	if (p == (char *)-1)
		die("shmat");
	shmctl(id, IPC_RMID, NULL);
	fill(p, len / 2);
	share(p, len, -1);
}

/* The disk writes into its memory, past all page tables. */
static void *direct_main(void *arg)
{
	char *p = arg;
	int fd = temp_file(8 << 20);

	if (fcntl(fd, F_SETFL, O_DIRECT) < 0)
		die("O_DIRECT");
	for (;;) {
		size_t n = (next_random() % 64 + 1) * PAGE;

		if (pread(fd, p + next_random() % ((mib << 20) / PAGE - 64) * PAGE, n,
			  (off_t)(next_random() % (7 << 20) / PAGE * PAGE)) < 0)
			die("pread");
	}
	return NULL;
}

static void churn_direct(void)
{
	size_t len = mib << 20;
	char *p = anon(len);
	pthread_t t;

	fill(p, len);
	for (int i = 0; i < 4; i++)
		pthread_create(&t, NULL, direct_main, p);
	for (;; pause_a_bit())
		scribble(p, len, 20);
}

/* A hundred that sleep, with forty descriptors each. */
static void churn_many(void)
{
	for (int i = 0; i < 40; i++)
		if (open("/dev/null", O_RDONLY | O_CLOEXEC) < 0)
			die("open");
	for (int i = 0; i < 100; i++)
		if (fork() == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			for (;;)
				pause();
		}
	for (;;)
		pause();
}

static volatile sig_atomic_t stop;

static void on_term(int sig)
{
	(void)sig;
	stop = 1;
}

static const struct {
	const char *name;
	void (*run)(void);
} kinds[] = {
	{ "plain", churn_plain },   { "thp", churn_thp },	{ "remap", churn_remap },
	{ "advise", churn_advise }, { "fork", churn_fork },	{ "threads", churn_threads },
	{ "exec", churn_exec },	    { "spawn", churn_spawn },	{ "file", churn_file },
	{ "shared", churn_shared }, { "memfd", churn_memfd },	{ "sysv", churn_sysv },
	{ "direct", churn_direct }, { "many", churn_many },	{ "family", churn_family },
	{ "peek", churn_peek },	    { "torn", churn_torn },
};

static void start(const char *name, int last)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (!strcmp(kinds[i].name, name)) {
			if (!last && fork())
				return;
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			kinds[i].run();
		}
	fprintf(stderr, "churn: no such kind: %s\n", name);
	_exit(2);
}

int main(int argc, char **argv)
{
	int nr = 0;

	self = realpath("/proc/self/exe", NULL);
	signal(SIGTERM, on_term);
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "-n")) {
			restless = 1;
		} else if (!strcmp(argv[i], "-m") && argv[i + 1]) {
			mib = (size_t)atol(argv[++i]);
		} else {
			argv[1 + nr++] = argv[i];
		}
	}
	/* exec must stay the process it is. */
	if (nr == 1 && !strcmp(argv[1], "exec"))
		start(argv[1], 1);
	for (int i = 0; i < nr; i++)
		start(argv[1 + i], 0);
	while (!stop)
		if (wait(NULL) < 0 && errno == ECHILD)
			return 0;
	return 0;
}
