// SPDX-License-Identifier: MIT
/* tests/payload/area.c - the kinds of memory, see memcheck.h and usage() in memcheck.c. */
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "memcheck.h"

enum { POSITION = 12345, SEALS = F_SEAL_SHRINK | F_SEAL_GROW };

_Noreturn void die(const char *what)
{
	fprintf(stderr, "memcheck: %s: %s\n", what, strerror(errno));
	_exit(3);
}

static void map(struct area *a, int flags)
{
	a->base = mmap(NULL, a->pages * PAGE, PROT_READ | PROT_WRITE, flags, a->fd, 0);
	if (a->base == MAP_FAILED)
		die(a->kind);
}

static void make_private(struct area *a)
{
	map(a, MAP_PRIVATE | MAP_ANONYMOUS);
	a->drop = true;
}

/* The end of a reserved terabyte. */
static void make_sparse(struct area *a)
{
	const size_t reserve = (size_t)1 << 40;
	char *p = mmap(NULL, reserve + a->pages * PAGE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		die(a->kind);
	a->base = p + reserve;
}

static void make_locked(struct area *a)
{
	map(a, MAP_PRIVATE | MAP_ANONYMOUS);
	a->locked = true;
}

/* A guard region (MADV_GUARD_INSTALL, Linux 6.13) is made behind it when SIGUSR1 comes. */
static volatile sig_atomic_t guard_wanted;

static void want_guard(int signal)
{
	(void)signal;
	guard_wanted = 1;
}

static void make_guard(struct area *a)
{
	a->base = mmap(NULL, (a->pages + 1) * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (a->base == MAP_FAILED)
		die(a->kind);
	a->guard = true;
}

/* The kernel says EFAULT where a program would die. */
static bool is_guarded(const struct area *a)
{
	int p[2];
	bool is;

	if (pipe(p) < 0)
		die("pipe");
	is = write(p[1], a->base + a->pages * PAGE, 1) < 0 && errno == EFAULT;
	close(p[0]);
	close(p[1]);
	return is;
}

static void make_thp(struct area *a)
{
	size_t len = a->pages * PAGE, huge = 2 << 20;
	char *p = mmap(NULL, len + huge, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		die(a->kind);
	a->base = (char *)(((uintptr_t)p + huge - 1) & ~(uintptr_t)(huge - 1));
	madvise(a->base, len, MADV_HUGEPAGE);
}

static void make_huge(struct area *a)
{
	a->pages = (a->pages + 511) / 512 * 512;
	map(a, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB);
}

static void make_stack(struct area *a)
{
	a->threads = a->stripes = 4;
	a->base = NULL;
}

static void make_shared(struct area *a)
{
	a->stripes = 2;
	map(a, MAP_SHARED | MAP_ANONYMOUS);
}

/* Two of these have the same name: that is allowed. */
static void make_memfd(struct area *a)
{
	a->stripes = 2;
	a->fd = memfd_create("memcheck", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (a->fd < 0 || ftruncate(a->fd, (off_t)a->pages * PAGE) < 0 ||
	    fcntl(a->fd, F_ADD_SEALS, SEALS) < 0 || lseek(a->fd, POSITION, SEEK_SET) < 0 ||
	    fchmod(a->fd, 0640) < 0)
		die("memfd");
	a->mode = 0640;
	a->sealed = a->by_fd = a->drop = true;
	map(a, MAP_SHARED);
}

/* Mapped by nobody's descriptor: it was closed. */
static void make_closed(struct area *a)
{
	make_memfd(a);
	close(a->fd);
	a->fd = -1;
	a->sealed = a->by_fd = a->drop = false;
}

static void make_sysv(struct area *a)
{
	a->stripes = 2;
	a->mode = 0600;
	a->shmid = shmget(IPC_PRIVATE, a->pages * PAGE, IPC_CREAT | (int)a->mode);
	if (a->shmid < 0)
		die("shmget");
}

static void make_file_in(struct area *a, const char *dir, bool keep)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/memcheck.%d.XXXXXX", dir, (int)getpid());
	a->fd = mkostemp(path, O_CLOEXEC);
	if (a->fd < 0 || ftruncate(a->fd, (off_t)a->pages * PAGE) < 0)
		die(path);
	if (!keep)
		unlink(path);
	a->stripes = 2;
	a->mode = 0600;
}

static void make_posix(struct area *a)
{
	make_file_in(a, "/dev/shm", true);
	map(a, MAP_SHARED);
	a->by_fd = a->drop = true;
}

static void make_ghost(struct area *a)
{
	make_file_in(a, "/dev/shm", false);
	map(a, MAP_SHARED);
}

static void make_disk(struct area *a)
{
	make_file_in(a, "/var/tmp", true);
	map(a, MAP_SHARED);
}

/* Only mapped: nothing else tells that it is written. */
static void make_named(struct area *a)
{
	make_file_in(a, "/dev/shm", true);
	map(a, MAP_SHARED);
}

/* Dirty and read-only whenever somebody looks. */
static void make_shut(struct area *a)
{
	make_disk(a);
	a->shut = true;
}

/* As databases write their files: by requests that no event tells of, and never closed.  Not past the page cache:
 * what a direct read puts into memory is another matter, and would be checked along. */
static void make_aio(struct area *a)
{
	make_file_in(a, "/var/tmp", true);
	a->aio = true;
}

static void make_file(struct area *a)
{
	make_file_in(a, "/var/tmp", true);
	a->stripes = 1;
	a->written = a->pages / 2;
	map(a, MAP_SHARED); /* to be filled; see area_enter */
}

void area_make(struct area *a, const char *kind, size_t len)
{
	static const struct {
		const char *kind;
		void (*make)(struct area *a);
	} kinds[] = {
		{ "private", make_private }, { "thp", make_thp },     { "huge", make_huge },
		{ "stack", make_stack },     { "shared", make_shared }, { "memfd", make_memfd },
		{ "closed", make_closed },   { "sysv", make_sysv },   { "posix", make_posix },
		{ "ghost", make_ghost },     { "disk", make_disk },   { "file", make_file },
		{ "locked", make_locked },   { "sparse", make_sparse }, { "guard", make_guard },
		{ "named", make_named },     { "shut", make_shut },	{ "aio", make_aio },
	};
	static uint64_t made;

	*a = (struct area){ .pages = len / PAGE, .stripes = 1, .fd = -1, .shmid = -1 };
	a->seed = (++made << 40) + (uint64_t)getpid();
	snprintf(a->kind, sizeof(a->kind), "%s", kind);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(kinds[i].kind, kind) == 0) {
			kinds[i].make(a);
			if (!a->written)
				a->written = a->pages;
			return;
		}
	}
	fprintf(stderr, "memcheck: there is no kind of memory %s\n", kind);
	_exit(2);
}

void area_enter(struct area *a)
{
	if (a->shmid >= 0) {
		a->base = shmat(a->shmid, NULL, 0);
		if (a->base == (void *)-1)
			die("shmat");
	}
	if (a->locked && mlock(a->base, a->pages * PAGE) < 0)
		die("mlock");
	if (a->guard)
		signal(SIGUSR1, want_guard);
	if (a->aio && syscall(SYS_io_setup, 8L, &a->aio_ctx) < 0)
		die("io_setup");
}

/* Until it is over: the page is ours only then.  (A freeze interrupts the wait, as a signal does.) */
const char *area_submit(struct area *a, const void *page, size_t number)
{
	struct iocb cb = { .aio_lio_opcode = IOCB_CMD_PWRITE, .aio_fildes = (uint32_t)a->fd,
			   .aio_buf = (uintptr_t)page, .aio_nbytes = PAGE,
			   .aio_offset = (int64_t)number * PAGE };
	struct timespec patience = { .tv_sec = 2 };
	struct iocb *list = &cb;
	struct io_event done = { .res = 0 };

	while (syscall(SYS_io_submit, a->aio_ctx, 1L, &list) != 1)
		if (errno != EAGAIN && errno != EINTR)
			return "io_submit failed";
	for (int i = 0; i < 15;) {
		long n = syscall(SYS_io_getevents, a->aio_ctx, 1L, 1L, &done, &patience);

		if (n == 1)
			return done.res == PAGE ? NULL : "a write failed";
		i += n == 0;
	}
	return "a write is never answered";
}

/* KiB that this process has locked. */
static unsigned long locked_kib(void)
{
	FILE *f = fopen("/proc/self/status", "re");
	unsigned long kib = 0;
	char line[128];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "VmLck: %lu", &kib) == 1)
			break;
	if (f)
		fclose(f);
	return kib;
}

const char *area_wrong(struct area *a)
{
	struct shmid_ds ds;
	struct stat st;

	if (a->fd >= 0 && (fstat(a->fd, &st) < 0 || (size_t)st.st_size != a->pages * PAGE))
		return "the size of its file changed";
	if (a->fd >= 0 && (st.st_mode & 07777) != a->mode)
		return "the mode of its file changed";
	if (a->sealed && fcntl(a->fd, F_GET_SEALS) != SEALS)
		return "its seals changed";
	if (a->sealed && lseek(a->fd, 0, SEEK_CUR) != POSITION)
		return "the position in its file changed";
	if (a->sealed && (fcntl(a->fd, F_GETFD) != FD_CLOEXEC ||
			  (fcntl(a->fd, F_GETFL) & O_ACCMODE) != O_RDWR))
		return "the flags of its descriptor changed";
	if (a->shmid >= 0 && (shmctl(a->shmid, IPC_STAT, &ds) < 0 || ds.shm_segsz != a->pages * PAGE ||
			      (ds.shm_perm.mode & 0777) != a->mode || ds.shm_nattch < 2))
		return "its segment changed";
	if (guard_wanted && a->guard && !a->guarded) {
		if (madvise(a->base + a->pages * PAGE, PAGE, 102 /* MADV_GUARD_INSTALL */) < 0)
			return "it got no guard region";
		a->guarded = true;
	}
	if (a->guard && is_guarded(a) != a->guarded)
		return a->guarded ? "its guard region is lost" : "it has a guard region";
	if (a->locked && locked_kib() != a->pages * PAGE / 1024)
		return "it is not locked any more";
	return NULL;
}

void area_leave(struct area *a)
{
	if (a->base)
		munmap(a->base, a->pages * PAGE);
	if (a->fd >= 0)
		close(a->fd);
}
