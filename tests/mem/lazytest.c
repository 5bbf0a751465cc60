// SPDX-License-Identifier: MIT
/*
 * tests/mem/lazytest.c - the userfaultfd server (mem/lazy/lazy.h) against a program that does
 * while it is being filled whatever could fool it: faults from several threads, madvise,
 * mremap, munmap, fork; every page is checked.  CRIU's side of the protocol is played here.
 *
 *	lazytest local		all pages are in the store
 *	lazytest forks		and it forks all the time
 *	lazytest refused	and for a while the kernel cannot place some of them
 *	lazytest remote		all pages come over the link, on demand and pushed
 *	lazytest cut		the same, and the link breaks three times
 *	lazytest again		one pre-copy round, then the rest over the link
 *
 * It starts itself as "source" (owns the memory) and as "restored" (gets it).
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/own.h"
#include "base/path.h"
#include "bed.h"
#include "mem/lazy/lazy.h"
#include "mem/maps.h"
#include "mem/track/serve.h"

#define MIB	 (UINT64_C(1) << 20)
#define A	 UINT64_C(0x200000000000) /* all data */
#define A_LEN	 (64 * MIB)
#define B	 UINT64_C(0x210000000000) /* data, zeros, absent, in turn */
#define B_LEN	 (32 * MIB)
#define C	 UINT64_C(0x220000000000) /* data; three mappings */
#define C_LEN	 (16 * MIB)
#define MOVED	 UINT64_C(0x230000000000)
#define AT(addr) ((volatile uint64_t *)(uintptr_t)(addr))

static uint64_t pattern(uint64_t addr)
{
	uint64_t x = (addr >> 12) * UINT64_C(0x9e3779b97f4a7c15);

	return (x ^ x >> 29) | 1;
}

/* What the page of this address must hold. */
static uint64_t expected(uint64_t addr)
{
	return addr >= B && addr < B + B_LEN && (addr - B) / 4096 % 3 ? 0 : pattern(addr);
}

static void map_all(void)
{
	static const struct {
		uint64_t at, len;
	} v[] = { { A, A_LEN }, { B, B_LEN }, { C, C_LEN } };

	for (size_t i = 0; i < array_len(v); i++)
		if (mmap((void *)v[i].at, v[i].len, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | MAP_NORESERVE, -1, 0) ==
		    MAP_FAILED)
			bed_die("mmap: %s", strerror(errno));
	mprotect((void *)(C + 5 * MIB), MIB, PROT_READ);
}

/* ---- the source ---- */

static void on_signal(int sig)
{
	(void)sig;
}

/* Tells that a state is reached, and waits to be sent on. */
static void pause_at(int fd)
{
	if (write(fd, "x", 1) != 1)
		_exit(1);
	pause();
}

static int source_main(int fd)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGUSR1, on_signal);
	map_all();
	mprotect((void *)(C + 5 * MIB), MIB, PROT_READ | PROT_WRITE);
	for (uint64_t i = 0; i < A_LEN; i += 4096)
		*AT(A + i + 8 * (i / 4096 % 512)) = pattern(A + i);
	for (uint64_t i = 0; i < B_LEN; i += 4096)
		if (i / 4096 % 3 < 2)
			*AT(B + i + 8 * (i / 4096 % 512)) = expected(B + i);
	for (uint64_t i = 0; i < C_LEN; i += 4096)
		*AT(C + i + 8 * (i / 4096 % 512)) = pattern(C + i);
	mprotect((void *)(C + 5 * MIB), MIB, PROT_READ);
	pause_at(fd);
	/* "again": some change after the first round. */
	for (uint64_t i = 0; i < A_LEN; i += 16 * 4096)
		*AT(A + i + 8 * (i / 4096 % 512)) = pattern(A + i);
	pause_at(fd);
	return 0;
}

/* ---- the restored program ---- */

static _Atomic int quit;
static _Atomic unsigned long checked;

/* `was`: the address of the page at the source. */
static void check(uint64_t addr, uint64_t was, const char *when)
{
	uint64_t v = *AT(addr + 8 * (was / 4096 % 512));

	checked++;
	if (v == expected(was))
		return;
	fprintf(stderr, "restored: %s: page %#" PRIx64 " holds %#" PRIx64 ", not %#" PRIx64 "\n", when,
		addr, v, expected(was));
	_exit(9);
}

static void check_zero(uint64_t addr, uint64_t len, const char *when)
{
	for (uint64_t i = 0; i < len; i += 8)
		if (*AT(addr + i)) {
			fprintf(stderr, "restored: %s: %#" PRIx64 " is not zero\n", when, addr + i);
			_exit(9);
		}
}

static void check_range(uint64_t at, uint64_t len, const char *when)
{
	for (uint64_t i = 0; i < len; i += 4096)
		check(at + i, at + i, when);
}

static void *reader(void *arg)
{
	unsigned seed = (unsigned)(uintptr_t)arg;

	while (!quit) {
		uint64_t r = (uint64_t)rand_r(&seed) << 15 ^ (uint64_t)rand_r(&seed);

		check(A + r % (32 * MIB / 4096) * 4096, A + r % (32 * MIB / 4096) * 4096, "thread, A");
		check(B + r % (B_LEN / 4096) * 4096, B + r % (B_LEN / 4096) * 4096, "thread, B");
	}
	return NULL;
}

/* Children come and go as fast as they can: copies are refused again and again, the last ones too. */
static void *forker(void *arg)
{
	unsigned n = 0;
	int status;

	while (!quit && n++ < 400) {
		pid_t pid = fork();

		if (pid == 0) {
			check(A + 60 * MIB + n * 4096, A + 60 * MIB + n * 4096, "child of many");
			_exit(0);
		}
		if (waitpid(pid, &status, 0) != pid || status)
			bed_die("restored: one of many children saw wrong pages (%d)", status);
	}
	return arg;
}

static int send_uffd(int sock, int32_t pid, int uffd)
{
	char byte = 0;
	struct iovec iov = { &byte, 1 };
	union {
		char room[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} u = { { 0 } };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = u.room,
			    .msg_controllen = sizeof(u.room) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &uffd, sizeof(uffd));
	return send(sock, &pid, sizeof(pid), 0) == sizeof(pid) && sendmsg(sock, &m, 0) == 1 ? 0 : -1;
}

/* As CRIU: the descriptor goes out before the mappings are there. */
static int play_criu(const char *dir)
{
	struct uffdio_api api = { .api = UFFD_API,
				  .features = UFFD_FEATURE_EVENT_FORK | UFFD_FEATURE_EVENT_REMAP |
					      UFFD_FEATURE_EVENT_REMOVE | UFFD_FEATURE_EVENT_UNMAP };
	int uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un sa = { .sun_family = AF_UNIX };

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/lazy-pages.socket", dir);
	if (uffd < 0 || ioctl(uffd, UFFDIO_API, &api) < 0 ||
	    connect(sock, (struct sockaddr *)&sa, sizeof(sa)) < 0 || send_uffd(sock, 1, uffd) < 0)
		bed_die("cannot play CRIU: %s", strerror(errno));
	map_all();
	for (int i = 0; i < 3; i++) {
		static const uint64_t at[] = { A, B, C }, len[] = { A_LEN, B_LEN, C_LEN };
		struct uffdio_register r = { .range = { at[i], len[i] }, .mode = UFFDIO_REGISTER_MODE_MISSING };

		if (ioctl(uffd, UFFDIO_REGISTER, &r) < 0)
			bed_die("cannot register: %s", strerror(errno));
		/* Faults during the restore: at the end of what is mapped so far. */
		check(at[i] + len[i] - 4096, at[i] + len[i] - 4096, "during the restore");
	}
	close(uffd);
	return sock;
}

static void check_child(void)
{
	check_range(A + 32 * MIB, 8 * MIB, "child");
	check_range(A + 50 * MIB, 4 * MIB, "child");
	check_range(C, C_LEN, "child");
	for (uint64_t i = 0; i < 2 * MIB; i += 4096)
		check(MOVED + i, A + 44 * MIB + i, "child, moved");
	madvise((void *)(C + 8 * MIB), MIB, MADV_DONTNEED);
	check_zero(C + 8 * MIB, MIB, "child, after DONTNEED");
	check_range(B, B_LEN, "child");
	_exit(0);
}

static int restored_main(const char *dir)
{
	uint32_t mark = 0x52535446;
	pthread_t t[3];
	int threads = getenv("LAZYTEST_FORKS") ? 3 : 2;
	pid_t pid;
	int sock, status;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	alarm(100);
	sock = play_criu(dir);
	if (send(sock, &mark, sizeof(mark), 0) != sizeof(mark))
		bed_die("cannot finish");
	for (int i = 0; i < threads; i++)
		pthread_create(&t[i], NULL, i < 2 ? reader : forker, (void *)(uintptr_t)(i + 1));
	madvise((void *)(A + 40 * MIB), MIB, MADV_DONTNEED);
	if (mremap((void *)(A + 44 * MIB), 2 * MIB, 2 * MIB, MREMAP_MAYMOVE | MREMAP_FIXED,
		   (void *)MOVED) == MAP_FAILED)
		bed_die("mremap: %s", strerror(errno));
	munmap((void *)(A + 48 * MIB), MIB);
	mmap((void *)(A + 48 * MIB), MIB, PROT_READ | PROT_WRITE,
	     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	pid = fork();
	if (pid == 0)
		check_child();
	for (uint64_t i = 0; i < 4 * MIB; i += 4096) {
		check(A + 50 * MIB + i, A + 50 * MIB + i, "before a write");
		*AT(A + 50 * MIB + i + 8 * ((A + 50 * MIB + i) / 4096 % 512)) = 77;
	}
	check_zero(A + 40 * MIB, MIB, "after DONTNEED");
	check_zero(A + 48 * MIB, MIB, "mapped anew");
	for (uint64_t i = 0; i < 2 * MIB; i += 4096)
		check(MOVED + i, A + 44 * MIB + i, "moved");
	if (waitpid(pid, &status, 0) != pid || status)
		bed_die("restored: the child saw wrong pages (%d)", status);
	check_range(A + 56 * MIB, 8 * MIB, "tail of A");
	check_range(C, C_LEN, "C");
	check_range(B, B_LEN, "B");
	quit = 1;
	for (int i = 0; i < threads; i++)
		pthread_join(t[i], NULL);
	check_range(A, 40 * MIB, "all of A");
	for (uint64_t i = 0; i < 4 * MIB; i += 4096)
		if (*AT(A + 50 * MIB + i + 8 * ((A + 50 * MIB + i) / 4096 % 512)) != 77)
			bed_die("restored: a write was lost");
	printf("restored: %lu checks, all right\n", checked);
	return 0;
}

/* ---- the test ---- */

struct page_server {
	struct serve *serve;
	struct peer *peer;
	pid_t init;
	int ret;
};

static void *serve_main(void *arg)
{
	struct page_server *p = arg;
	struct err e = ERR_INIT;

	p->ret = p->serve ? 0 : serve_resume(&p->serve, p->init, NULL, p->peer, &e);
	if (p->ret == 0)
		p->ret = serve_run(p->serve, p->peer, &e);
	return NULL;
}

static void wait_paused(int fd)
{
	char c;

	if (read(fd, &c, 1) != 1)
		bed_die("the source ended");
	clock_sleep_ms(20);
}

/* Pages over links that break `cuts` times.  After the first the source knows nothing any more. */
static void run_links(struct lazy *l, struct serve **serve, pid_t init, int cuts)
{
	for (int i = 0;; i++) {
		struct peer_opts opts = { .name = "other", .silence_ms = 20000 };
		/* Slow enough that the program asks before it is pushed. */
		struct bucket *limit = bucket_new(i < cuts ? 30 * MIB : 200 * MIB);
		struct peer_opts slow = { .name = "other", .silence_ms = 20000, .limit = limit };
		struct page_server ps = { .serve = *serve, .init = init };
		struct peer *dest;
		struct serve *s;
		struct err e = ERR_INIT;
		pthread_t t;
		int sv[2], ret;

		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) < 0 ||
		    peer_new(&ps.peer, sv[0], sv[0], &slow, NULL) < 0 ||
		    peer_new(&dest, sv[1], sv[1], &opts, NULL) < 0)
			bed_die("no link");
		pthread_create(&t, NULL, serve_main, &ps);
		if (lazy_attach(l, dest, &e) < 0)
			bed_die("attach: %s", e.msg);
		ret = lazy_wait(l, i < cuts ? 300 : 60000, &e);
		if (i < cuts && ret == 1)
			shutdown(sv[0], SHUT_RDWR);
		else if (ret)
			bed_die("not filled: %s (%" PRIu64 " pages left)", ret < 0 ? e.msg : "timeout",
				lazy_stats(l).left);
		while (ret == 1)
			ret = lazy_wait(l, 1000, &e) < 0 ? -1 : 1;
		pthread_join(t, NULL);
		if (ret == 0 && (ps.ret < 0 || !ps.serve))
			bed_die("the source was not told that all is there");
		*serve = s = ps.serve;
		printf("link %d: %s, %" PRIu64 " wanted, %" PRIu64 " pushed, %" PRIu64 " left\n", i,
		       ret ? "cut" : "done", serve_stats(s).wanted, serve_stats(s).pushed,
		       serve_stats(s).left);
		if (ret == 0) /* its reader still waits, and nobody says anything any more */
			lazy_free(l);
		peer_free(ps.peer);
		if (ret == 0) {
			peer_free(dest);
			bucket_free(limit);
			return;
		}
		/* A lost peer is given back when lazy_wait has told of it. */
		lazy_detach(l);
		serve_free(take_ptr(serve));
		peer_free(dest);
		bucket_free(limit);
	}
}

/* Pages of the store that the kernel cannot read for a moment: as if it had no memory for them. */
static void *refuse_main(void *arg)
{
	struct store *s = arg;

	for (int on = 1; on >= 0; on--) {
		for (uint64_t at = A; at < A + A_LEN; at += MIB) {
			uint32_t nr = store_find_space(s, 1);
			uint64_t pages;
			const void *data;

			if (store_peek(s, nr, at, 1, &pages, &data) == STORE_DATA)
				mprotect((void *)(uintptr_t)data, 4096, on ? PROT_NONE : PROT_READ | PROT_WRITE);
		}
		clock_sleep_ms(on ? 400 : 0);
	}
	return NULL;
}

static pid_t start_self(char *const *argv)
{
	pid_t pid = fork();

	if (pid == 0) {
		execv("/proc/self/exe", argv);
		_exit(127);
	}
	return pid;
}

static void to_stderr(void *arg, enum log_level level, const char *line)
{
	(void)arg;
	(void)level;
	fprintf(stderr, "%s\n", line);
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "local";
	bool forks = !strcmp(mode, "forks"), refused = !strcmp(mode, "refused"), again = !strcmp(mode, "again");
	bool remote = strcmp(mode, "local") && !forks && !refused;
	pthread_t refuse;
	char dir[] = "/tmp/lazytest.XXXXXX", number[12];
	char *source_argv[] = { (char *)"/proc/self/exe", (char *)"source", number, NULL };
	char *restored_argv[] = { argv[0], (char *)"restored", dir, NULL };
	struct lazy_opts lo = { .remote = remote };
	struct track_opts to = { 0 };
	struct serve *serve = NULL;
	struct err e = ERR_INIT;
	struct bed b = { 0 };
	struct track_round r;
	struct lazy_stats st;
	struct track *t;
	struct lazy *l;
	own_fd int dirfd = -1;
	pid_t restored;
	int status, pipe_fds[2];

	if (!strcmp(mode, "source"))
		return source_main(atoi(argv[2]));
	if (!strcmp(mode, "restored"))
		return restored_main(argv[2]);
	signal(SIGPIPE, SIG_IGN); /* as the program does */
	log_init(LOG_LVL_WARN, to_stderr, NULL);
	if (track_usable(&e) < 0) {
		fprintf(stderr, "skipped: %s\n", e.msg);
		return 77;
	}
	if (!mkdtemp(dir) || (dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		bed_die("no directory");
	if (pipe(pipe_fds) < 0)
		bed_die("no pipe");
	snprintf(number, sizeof(number), "%d", pipe_fds[1]);
	b.init = bed_container(source_argv, NULL);
	close(pipe_fds[1]);
	wait_paused(pipe_fds[0]);
	bed_link(&b, 1, false);
	to.init = b.init;
	if (track_open(&t, &to, &e) < 0)
		bed_die("track: %s", e.msg);
	if (again) {
		if (track_round(t, b.sender, &r, &e) < 0)
			bed_die("round: %s", e.msg);
		kill(b.init, SIGUSR1);
		wait_paused(pipe_fds[0]);
	}
	bed_freeze(b.init, NULL);
	if (track_final(t, b.sender, remote, &r, &e) < 0)
		bed_die("final: %s", e.msg);
	printf("%s: %" PRIu64 " pages exist, %" PRIu64 " dirty, %" PRIu64 " not there\n", mode,
	       r.present_pages, r.dirty_pages, r.missing_pages);
	if (remote ? !r.missing_pages : r.missing_pages)
		bed_die("that is wrong");
	if (remote && serve_new(&serve, t, &e) < 0)
		bed_die("serve: %s", e.msg);
	lo.store = b.store;
	lo.workdir = dirfd;
	if (lazy_start(&l, &lo, &e) < 0)
		bed_die("lazy: %s", e.msg);
	if (forks)
		setenv("LAZYTEST_FORKS", "1", 1);
	if (refused)
		pthread_create(&refuse, NULL, refuse_main, b.store);
	restored = start_self(restored_argv);
	if (remote) {
		run_links(l, &serve, b.init, !strcmp(mode, "cut") ? 3 : 0);
	} else {
		if (lazy_wait(l, 60000, &e))
			bed_die("not filled: %s", e.msg);
		st = lazy_stats(l);
		printf("%u tasks, %" PRIu64 " faults, %" PRIu64 " copied, %" PRIu64 " zeros, %.1f ms; store has %"
		       PRIu64 " pages left\n", st.tasks, st.faults, st.copied, st.zeros,
		       (double)(st.done_ns - st.first_ns) / 1e6, store_stats(b.store).data_pages);
		lazy_free(l);
	}
	if (waitpid(restored, &status, 0) != restored || status)
		bed_die("the restored program failed: %#x", status);
	if (refused)
		pthread_join(refuse, NULL);
	serve_free(serve);
	track_close(t);
	bed_unlink(&b);
	bed_end(b.init);
	path_remove_tree(AT_FDCWD, dir, NULL);
	return 0;
}
