// SPDX-License-Identifier: MIT
/*
 * calls DIR: what reading many small files, and streaming a large one, costs by different system calls (bench/calls), in time
 * of the CPU, so that other work on the machine matters little.
 * DIR has the files of `tree.py many`; a large one is made there.  Prints lines of bench/results/calls.tsv.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <liburing.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { BATCH = 32, SIZE = 16 << 10, NAMES_MAX = 200000, ROUNDS = 7, PIECE = 512 << 10, LARGE_MIB = 1024 };

static char *name[NAMES_MAX];
static int n_names;
static char data[BATCH][SIZE];

static void must(int ok, const char *what)
{
	if (ok)
		return;
	perror(what);
	exit(1);
}

/* CPU time of this process and its children that have ended. */
static double used_us(void)
{
	double sum = 0;

	for (int i = 0; i < 2; i++) {
		struct rusage r;

		getrusage(i ? RUSAGE_CHILDREN : RUSAGE_SELF, &r);
		sum += (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1e6 +
		       (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec);
	}
	return sum;
}

static void find_names(void)
{
	for (int d = 0; d < 1000; d++) {
		struct dirent *de;
		char dir[32];
		DIR *h;

		snprintf(dir, sizeof(dir), "d%04d", d);
		h = opendir(dir);
		while (h && (de = readdir(h)))
			if (de->d_name[0] == 'f' && n_names < NAMES_MAX)
				must(asprintf(&name[n_names++], "%s/%s", dir, de->d_name) > 0, dir);
		if (h)
			closedir(h);
	}
}

static int open_plain(const char *path)
{
	return open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
}

static int open_beneath(const char *path)
{
	struct open_how how = { .flags = O_RDONLY | O_NOFOLLOW | O_CLOEXEC,
				.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS };

	return (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));
}

static void read_all(int (*open_it)(const char *path), int stat_it, int list_it)
{
	for (int i = 0; i < n_names; i++) {
		struct statx stx;
		char few[512];
		int fd = open_it(name[i]);

		must(fd >= 0, name[i]);
		if (stat_it)
			must(statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &stx) == 0, "statx");
		if (list_it)
			must(flistxattr(fd, few, sizeof(few)) >= 0, "flistxattr");
		must(pread(fd, data[0], SIZE, 0) >= 0, "pread");
		close(fd);
	}
}

static void plain(void) { read_all(open_plain, 0, 0); }
static void beneath(void) { read_all(open_beneath, 0, 0); }
static void with_stat(void) { read_all(open_plain, 1, 0); }
static void with_xattrs(void) { read_all(open_plain, 1, 1); }

/* open, read, close of BATCH files, linked, in one submission; direct descriptors. */
static void uring(void)
{
	struct io_uring ring;
	struct io_uring_cqe *cqe;

	must(io_uring_queue_init(BATCH * 4, &ring, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN) == 0 &&
		     io_uring_register_files_sparse(&ring, BATCH) == 0,
	     "io_uring");
	for (int i = 0; i < n_names; i += BATCH) {
		int n = n_names - i < BATCH ? n_names - i : BATCH;

		for (int k = 0; k < n; k++) {
			struct io_uring_sqe *s = io_uring_get_sqe(&ring);

			io_uring_prep_openat_direct(s, AT_FDCWD, name[i + k], O_RDONLY | O_NOFOLLOW, 0, (unsigned)k);
			s->flags |= IOSQE_IO_LINK;
			s = io_uring_get_sqe(&ring);
			io_uring_prep_read(s, k, data[k], SIZE, 0);
			s->flags |= IOSQE_FIXED_FILE | IOSQE_IO_HARDLINK;
			io_uring_prep_close_direct(io_uring_get_sqe(&ring), (unsigned)k);
		}
		io_uring_submit_and_wait(&ring, (unsigned)n * 3);
		for (int k = 0; k < n * 3; k++) {
			must(io_uring_wait_cqe(&ring, &cqe) == 0 && cqe->res >= 0, "io_uring");
			io_uring_cqe_seen(&ring, cqe);
		}
	}
	io_uring_queue_exit(&ring);
}

static void small(const char *way, void (*fn)(void))
{
	double best = 0;

	for (int i = 0; i < ROUNDS; i++) {
		double t = used_us();

		fn();
		t = used_us() - t;
		best = !i || t < best ? t : best;
	}
	printf("small\t%s\tcpu-a-file\t%.2f\tus\t%d\n", way, best / n_names, ROUNDS);
	fflush(stdout);
}

static ssize_t by_read(int from, int to, off_t *at)
{
	static char buf[PIECE];
	ssize_t n = pread(from, buf, sizeof(buf), *at);

	for (ssize_t done = 0, w; done < n; done += w) {
		w = write(to, buf + done, (size_t)(n - done));
		must(w > 0, "write");
	}
	*at += n > 0 ? n : 0;
	return n;
}

static ssize_t by_splice(int from, int to, off_t *at)
{
	return splice(from, at, to, NULL, PIECE, 0);
}

static ssize_t by_sendfile(int from, int to, off_t *at)
{
	return sendfile(to, from, at, PIECE);
}

/* CPU ms for all of it through a pipe that somebody empties. */
static double stream_once(int from, ssize_t (*move)(int from, int to, off_t *at))
{
	static char in[1 << 20];
	double start;
	off_t at = 0;
	ssize_t n;
	int p[2];
	pid_t pid;

	start = used_us();
	must(pipe(p) == 0, "pipe");
	fcntl(p[1], F_SETPIPE_SZ, 1 << 20);
	pid = fork();
	must(pid >= 0, "fork");
	if (!pid) {
		close(p[1]);
		while (read(p[0], in, sizeof(in)) > 0)
			;
		_exit(0);
	}
	close(p[0]);
	while ((n = move(from, p[1], &at)) > 0)
		;
	must(n == 0, "moving");
	close(p[1]);
	waitpid(pid, NULL, 0);
	return (used_us() - start) / 1000;
}

static void stream(int from, const char *way, ssize_t (*move)(int from, int to, off_t *at))
{
	double best = 0;

	for (int i = 0; i < ROUNDS; i++) {
		double ms = stream_once(from, move);

		best = !i || ms < best ? ms : best;
	}
	printf("stream\t%s\tcpu-a-gib\t%.0f\tms\t%d\n", way, best, ROUNDS);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	int fd;

	must(argc == 2 && chdir(argv[1]) == 0, "usage: calls DIR");
	find_names();
	must(n_names > 0, "no files");
	plain(); /* to warm up */
	small("open,read,close", plain);
	small("openat2,read,close", beneath);
	small("io_uring", uring);
	small("open,statx,read,close", with_stat);
	small("open,statx,listxattr,read,close", with_xattrs);
	fd = open("large", O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0600);
	must(fd >= 0, "large");
	for (int i = 0; i < LARGE_MIB * (1 << 20) / SIZE; i++)
		must(write(fd, data[i % BATCH], SIZE) == SIZE, "large");
	stream(fd, "read,write", by_read);
	stream(fd, "splice", by_splice);
	stream(fd, "sendfile", by_sendfile);
	return 0;
}
