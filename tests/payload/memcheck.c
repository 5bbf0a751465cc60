// SPDX-License-Identifier: MIT
/* tests/payload/memcheck.c - memory that checks itself: see memcheck.h, usage() below, tests/README.md. */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "memcheck.h"

enum { MAX_AREAS = 32, MAX_CLIENTS = 32, TICK_MS = 10 };

static void usage(void)
{
	fputs("memcheck [-p PORT] [-r PAGES] [-f FORKS] [-s MS] [-x SECONDS] KIND=MIB...\n"
	      "  private locked      private memory; locked by mlock\n"
	      "  sparse guard        the end of a reserved terabyte; with a guard region behind it after SIGUSR1\n"
	      "  thp huge            private memory: transparent huge pages, hugetlb\n"
	      "  stack               on the stacks of four threads\n"
	      "  file                private mapping of a file, half of it written\n"
	      "  shared              anonymous shared memory of two processes\n"
	      "  memfd closed        memfd with seals, also written through its descriptor; descriptor closed\n"
	      "  sysv posix ghost    System V, /dev/shm, /dev/shm with its name removed\n"
	      "  named               /dev/shm, only mapped\n"
	      "  disk shut           shared mapping of a file; read-only but for the moments of writing\n"
	      "  aio                 a file, written by io_submit, never closed\n"
	      "-r: every worker writes so many pages a second (1000); -s: sweeps take so long (1000)\n"
	      "-f: so many children a second are born and end; -x: after so long a page becomes stale\n"
	      "A client that sends `ok?' gets `ok writes=N sweeps=N workers=N seq=N' or `bad WHERE: WHAT'.\n",
	      stderr);
	exit(2);
}

static struct state *board;
static struct area areas[MAX_AREAS];
static size_t nr_areas, nr_workers;
static unsigned rate = 1000, sweep_ms = 1000, forks, break_s;

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void sleep_ms(long ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&t, NULL);
}

/* ---- what a page holds ---- */

static uint64_t mix(uint64_t x)
{
	x ^= x >> 31;
	x *= 0x9e3779b97f4a7c15;
	x ^= x >> 29;
	x *= 0xbf58476d1ce4e5b9;
	return x ^ x >> 32;
}

static bool is_zero(size_t page, uint64_t gen)
{
	return (page + gen) % 16 == 0;
}

static void page_fill(uint64_t *p, const struct area *a, size_t page, uint64_t gen)
{
	uint64_t base = mix(a->seed + page * 0x100000001b3 + gen * 0x9e3779b9), step = base | 1;

	if (is_zero(page, gen)) {
		memset(p, 0, PAGE);
		return;
	}
	p[0] = gen;
	p[1] = page;
	for (size_t i = 2; i < WORDS; i++)
		p[i] = base + i * step;
}

static bool page_is(const uint64_t *p, const struct area *a, size_t page, uint64_t gen)
{
	uint64_t base = mix(a->seed + page * 0x100000001b3 + gen * 0x9e3779b9), step = base | 1, diff = 0;

	if (is_zero(page, gen)) {
		for (size_t i = 0; i < WORDS; i++)
			diff |= p[i];
		return !diff;
	}
	diff = (p[0] ^ gen) | (p[1] ^ page);
	for (size_t i = 2; i < WORDS; i++)
		diff |= p[i] ^ (base + i * step);
	return !diff;
}

/* ---- stripes: page `k` of stripe `s` is page k * stripes + s of the area ---- */

struct stripe {
	size_t n, step, inverse;
};

static struct stripe stripe_of(const struct area *a, unsigned s)
{
	struct stripe st = { .n = (a->written - s + a->stripes - 1) / a->stripes };
	size_t x, y;

	for (st.step = st.n * 5 / 8 | 1;; st.step++) { /* coprime to n */
		for (x = st.step, y = st.n; y;) {
			size_t t = x % y;

			x = y;
			y = t;
		}
		if (x == 1)
			break;
	}
	for (st.inverse = 1; st.n > 1 && st.inverse * st.step % st.n != 1;)
		st.inverse++;
	return st;
}

/* The generation of its page k after so many writes. */
static uint64_t gen_at(const struct stripe *st, size_t k, uint64_t writes)
{
	uint64_t turn = k * st->inverse % st->n;

	return writes > turn ? (writes - 1 - turn) / st->n + 1 : 0;
}

/* ---- a worker ---- */

struct worker {
	struct area *a;
	unsigned stripe;
	struct state *state;
	struct stripe all[4];
	uint64_t writes; /* mine: the board must agree */
	size_t at;	 /* of the sweep */
	struct frame *deepest;
	pthread_t thread;
};

/* On the way down a stack: each sweep walks up. */
struct frame {
	struct frame *up;
	uint64_t depth, word[62];
};

static volatile bool ended;

static void bad(struct worker *w, const char *what)
{
	if (w->state->bad == 0)
		snprintf(w->state->why, sizeof(w->state->why), "%s", what);
	w->state->bad++;
}

static uint64_t *page_of(const struct area *a, size_t page)
{
	return (uint64_t *)(void *)(a->base + page * PAGE);
}

static void may_write(struct worker *w, bool may)
{
	if (mprotect(w->a->base, w->a->pages * PAGE, may ? PROT_READ | PROT_WRITE : PROT_READ) < 0)
		bad(w, "mprotect failed");
}

static void page_write(struct worker *w, size_t page, uint64_t gen)
{
	struct area *a = w->a;
	_Alignas(PAGE) uint64_t room[WORDS];
	const char *wrong;

	if (a->aio) {
		page_fill(room, a, page, gen);
		wrong = area_submit(a, room, page);
		if (wrong)
			bad(w, wrong);
	} else if (a->shut) {
		may_write(w, true);
		page_fill(page_of(a, page), a, page, gen);
		may_write(w, false);
	} else if (a->drop && is_zero(page, gen)) {
		int ret = a->fd >= 0 ? fallocate(a->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
						 (off_t)page * PAGE, PAGE)
				     : madvise(page_of(a, page), PAGE, MADV_DONTNEED);
		if (ret < 0)
			bad(w, "a page cannot be given back");
	} else if (a->by_fd && (page + gen) % 4 == 1) {
		page_fill(room, a, page, gen);
		if (pwrite(a->fd, room, PAGE, (off_t)page * PAGE) != PAGE)
			bad(w, "pwrite failed");
	} else {
		page_fill(page_of(a, page), a, page, gen);
	}
}

static void page_bad(struct worker *w, size_t page, const uint64_t *p, uint64_t from, uint64_t to)
{
	char text[200];
	uint64_t has = p[0];
	const char *state = page_is(p, w->a, page, has) ? "whole" : "damaged";

	snprintf(text, sizeof(text), "page %zu at %p is of generation %llu (%s), not %llu to %llu", page,
		 (void *)page_of(w->a, page), (unsigned long long)has, state, (unsigned long long)from,
		 (unsigned long long)to);
	bad(w, text);
}

/* Its writer may be at it: then the next sweep looks again. */
static void check_page(struct worker *w, size_t page)
{
	unsigned s = (unsigned)(page % w->a->stripes);
	const struct stripe *st = &w->all[s];
	_Atomic uint64_t *writes = &w->a->state[s].writes;
	_Alignas(PAGE) uint64_t room[WORDS];
	const uint64_t *p = w->a->aio ? room : page_of(w->a, page);
	size_t k = page / w->a->stripes;
	uint64_t before = *writes, gen = page < w->a->written ? gen_at(st, k, before) : 0;

	if (w->a->aio || (w->a->by_fd && page % 8 == 3)) {
		if (pread(w->a->fd, room, PAGE, (off_t)page * PAGE) != PAGE)
			bad(w, "pread failed");
		p = room;
	}
	if (page_is(p, w->a, page, gen))
		return;
	if (p != room)
		memcpy(room, p, PAGE);
	if (page >= w->a->written || gen_at(st, k, *writes + 1) == gen)
		page_bad(w, page, room, gen, gen);
}

static void write_some(struct worker *w, size_t n)
{
	const struct stripe *st = &w->all[w->stripe];

	if (w->state->writes != w->writes) {
		char text[96];

		snprintf(text, sizeof(text), "the board says %llu writes, not %llu",
			 (unsigned long long)w->state->writes, (unsigned long long)w->writes);
		bad(w, text);
		w->state->writes = w->writes;
	}
	for (; n && st->n; n--) {
		size_t k = w->writes * st->step % st->n;

		check_page(w, k * w->a->stripes + w->stripe); /* or a stale one would go unseen */
		page_write(w, k * w->a->stripes + w->stripe, w->writes / st->n + 1);
		w->state->writes = ++w->writes;
	}
}

static void check_frames(struct worker *w)
{
	uint64_t depth = 0;

	for (const struct frame *f = w->deepest; f; f = f->up, depth++) {
		if (f->depth != depth)
			bad(w, "a frame of the stack is lost");
		for (uint64_t i = 0; i < 62; i++)
			if (f->word[i] != mix(depth + i))
				bad(w, "a frame of the stack is damaged");
	}
}

static void check_some(struct worker *w, size_t n)
{
	const char *wrong;

	while (n--) {
		check_page(w, w->at);
		if (++w->at < w->a->pages)
			continue;
		w->at = 0;
		w->state->sweeps++;
		check_frames(w);
		wrong = area_wrong(w->a);
		if (wrong)
			bad(w, wrong);
	}
}

static void fill(struct worker *w)
{
	struct area *a = w->a;

	for (size_t page = w->stripe; page < a->pages; page += a->stripes) {
		if (a->aio)
			page_write(w, page, 0);
		else
			page_fill(page_of(a, page), a, page, 0);
	}
	if (strcmp(a->kind, "file") == 0) {
		if (fsync(a->fd) < 0 || mmap(a->base, a->pages * PAGE, PROT_READ | PROT_WRITE,
					     MAP_PRIVATE | MAP_FIXED, a->fd, 0) == MAP_FAILED)
			die("file");
	}
	w->state->filled = true;
	for (unsigned s = 0; s < a->stripes; s++)
		while (!a->state[s].filled)
			sleep_ms(1);
}

/* A stale page, for tests of this program. */
static void break_one(struct worker *w)
{
	size_t page = w->a->written / 2;

	page_fill(page_of(w->a, page), w->a, page, 7777);
}

static void work(struct worker *w)
{
	uint64_t last = now_ms(), began = last, owed_writes = 0, owed_checks = 0;

	for (unsigned s = 0; s < w->a->stripes; s++)
		w->all[s] = stripe_of(w->a, s);
	fill(w);
	for (; !ended; sleep_ms(TICK_MS)) {
		uint64_t now = now_ms(), ms = now - last;

		last = now;
		ms = ms < 200 ? ms : 200; /* clocks may jump when it moves */
		owed_writes += rate * ms;
		owed_checks += w->a->pages * ms;
		write_some(w, owed_writes / 1000);
		check_some(w, owed_checks / sweep_ms);
		owed_writes %= 1000;
		owed_checks %= sweep_ms;
		if (break_s && now > began + break_s * 1000 && w->state == board) {
			break_one(w);
			break_s = 0;
		}
	}
}

/* Deep in the stack. */
static __attribute__((noinline)) void descend(struct worker *w, struct frame *up, unsigned depth)
{
	struct frame f = { .up = up, .depth = depth };

	for (uint64_t i = 0; i < 62; i++)
		f.word[i] = mix(depth + i);
	if (depth) {
		descend(w, &f, depth - 1);
	} else {
		size_t len = w->a->pages * PAGE;
		char *room = __builtin_alloca(len + PAGE);

		w->a->base = (char *)(((uintptr_t)room + PAGE - 1) & ~(uintptr_t)(PAGE - 1));
		w->deepest = &f;
		work(w);
	}
	__asm__ volatile("" : : "r"(&f) : "memory");
}

/* Each thread has an area of its own: its stripe is all of it. */
static void *thread_main(void *arg)
{
	struct worker *w = arg;
	struct area own = *w->a;

	own.pages = own.written = w->a->pages / w->a->threads;
	own.seed += w->stripe;
	own.stripes = 1;
	own.state = w->state;
	w->a = &own;
	w->stripe = 0;
	descend(w, NULL, 200);
	return NULL;
}

static _Noreturn void worker_main(struct area *a, unsigned stripe)
{
	static struct worker w[4];
	unsigned n = a->threads ? a->threads : 1;

	prctl(PR_SET_NAME, a->kind);
	area_enter(a);
	for (unsigned i = 0; i < n; i++)
		w[i] = (struct worker){ .a = a, .stripe = stripe + i, .state = &a->state[stripe + i] };
	if (!a->threads)
		work(&w[0]);
	for (unsigned i = 0; i < n; i++) {
		pthread_attr_t attr;

		pthread_attr_init(&attr);
		pthread_attr_setstacksize(&attr, a->pages / n * PAGE + (1 << 20));
		if (pthread_create(&w[i].thread, &attr, thread_main, &w[i]) != 0)
			die("pthread_create");
	}
	for (unsigned i = 0; i < n; i++)
		pthread_join(w[i].thread, NULL);
	_exit(0);
}

static pid_t start(struct area *a, unsigned stripe)
{
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		worker_main(a, stripe);
	}
	return pid;
}

/* ---- the server ---- */

struct client {
	int fd;
	uint64_t seq;
	char line[64];
	size_t len;
};

static struct client clients[MAX_CLIENTS];
static pid_t pids[MAX_WORKERS];
static size_t nr_pids;
static char died[64];

static void status(struct client *c, char *out, size_t size)
{
	uint64_t writes = 0, sweeps = UINT64_MAX;

	for (size_t i = 0; i < nr_workers; i++) {
		struct state *s = &board[i];

		if (s->bad) {
			snprintf(out, size, "bad %s: %s (%llu times)\n", s->name, s->why,
				 (unsigned long long)s->bad);
			return;
		}
		writes += s->writes;
		sweeps = s->sweeps < sweeps ? s->sweeps : sweeps;
	}
	if (died[0])
		snprintf(out, size, "bad %s\n", died);
	else
		snprintf(out, size, "ok writes=%llu sweeps=%llu workers=%zu seq=%llu\n",
			 (unsigned long long)writes, (unsigned long long)sweeps, nr_workers,
			 (unsigned long long)++c->seq);
}

static void answer(struct client *c)
{
	char out[400];
	ssize_t n = read(c->fd, c->line + c->len, sizeof(c->line) - c->len);
	char *nl;

	if (n <= 0 || (c->len += (size_t)n) == sizeof(c->line)) {
		close(c->fd);
		c->fd = -1;
		return;
	}
	while ((nl = memchr(c->line, '\n', c->len))) {
		size_t used = (size_t)(nl + 1 - c->line);

		status(c, out, sizeof(out));
		if (write(c->fd, out, strlen(out)) < 0)
			perror("memcheck: answer");
		c->len -= used;
		memmove(c->line, c->line + used, c->len);
	}
}

static void greet(int server)
{
	int fd = accept4(server, NULL, NULL, SOCK_CLOEXEC), one = 1;

	for (size_t i = 0; fd >= 0 && i < MAX_CLIENTS; i++) {
		if (clients[i].fd >= 0)
			continue;
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		clients[i] = (struct client){ .fd = fd };
		return;
	}
	if (fd >= 0)
		close(fd);
}

/* Children that live some milliseconds. */
static void breed(uint64_t *last)
{
	uint64_t now = now_ms(), n = (now - *last) * forks / 1000;

	if (now - *last > 1000 || n)
		*last = now;
	for (n = n < forks ? n : forks; n; n--) {
		if (fork() == 0) {
			char *p = malloc(1 << 18);

			for (size_t i = 0; p && i < 1 << 18; i += PAGE)
				((volatile char *)p)[i] = 1;
			sleep_ms(5);
			_exit(0);
		}
	}
}

static void bury(void)
{
	pid_t pid;

	while ((pid = waitpid(-1, NULL, WNOHANG)) > 0) {
		for (size_t i = 0; i < nr_pids; i++)
			if (pids[i] == pid)
				snprintf(died, sizeof(died), "process %d: it ended", (int)pid);
	}
}

static _Noreturn void serve(int server)
{
	struct pollfd p[MAX_CLIENTS + 1];
	uint64_t bred = now_ms();

	for (;;) {
		p[MAX_CLIENTS] = (struct pollfd){ server, POLLIN, 0 };
		for (size_t i = 0; i < MAX_CLIENTS; i++)
			p[i] = (struct pollfd){ clients[i].fd, POLLIN, 0 };
		poll(p, MAX_CLIENTS + 1, forks ? TICK_MS : 500);
		for (size_t i = 0; i < MAX_CLIENTS; i++)
			if (p[i].revents && p[i].fd >= 0)
				answer(&clients[i]);
		if (p[MAX_CLIENTS].revents)
			greet(server);
		bury();
		if (forks)
			breed(&bred);
	}
}

static int server_open(int *port)
{
	struct sockaddr_in6 a = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)*port) };
	struct sockaddr_in a4 = { .sin_family = AF_INET, .sin_port = htons((uint16_t)*port) };
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
	bool six = fd >= 0;
	socklen_t len = sizeof(a);

	if (!six)
		fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, six ? (void *)&a : (void *)&a4, six ? sizeof(a) : sizeof(a4)) < 0 || listen(fd, 16) < 0)
		die("listen");
	getsockname(fd, (void *)&a, &len);
	*port = ntohs(a.sin6_port); /* of both families at the same place */
	return fd;
}

static void area_add(const char *text)
{
	struct area *a = &areas[nr_areas];
	char kind[16];
	double mib = 0;

	if (nr_areas == MAX_AREAS || sscanf(text, "%15[a-z]=%lf", kind, &mib) != 2 || mib * 256 < 16)
		usage();
	area_make(a, kind, (size_t)(mib * 256) * PAGE);
	if (nr_workers + a->stripes > MAX_WORKERS)
		usage();
	a->state = &board[nr_workers];
	for (unsigned s = 0; s < a->stripes; s++)
		snprintf(board[nr_workers++].name, sizeof(board->name), "%s.%zu.%u", kind, nr_areas, s);
	for (unsigned s = 0; s < (a->threads ? 1 : a->stripes); s++)
		pids[nr_pids++] = start(a, s);
	area_leave(a);
	nr_areas++;
}

int main(int argc, char **argv)
{
	int option, port = 7777, server;

	while ((option = getopt(argc, argv, "p:r:f:s:x:")) != -1) {
		unsigned value = (unsigned)atoi(optarg ? optarg : "0");

		switch (option) {
		case 'p': port = (int)value; break;
		case 'r': rate = value; break;
		case 'f': forks = value; break;
		case 's': sweep_ms = value ? value : 1; break;
		case 'x': break_s = value; break;
		default: usage();
		}
	}
	if (optind == argc)
		usage();
	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < MAX_CLIENTS; i++)
		clients[i].fd = -1;
	board = mmap(NULL, MAX_WORKERS * sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (board == MAP_FAILED)
		die("mmap");
	while (optind < argc)
		area_add(argv[optind++]);
	for (size_t i = 0; i < nr_workers; i++)
		while (!board[i].filled && !died[0]) {
			sleep_ms(5);
			bury();
		}
	server = server_open(&port);
	printf("memcheck: %zu areas, %zu workers, port %d\n", nr_areas, nr_workers, port);
	fflush(stdout);
	serve(server);
}
