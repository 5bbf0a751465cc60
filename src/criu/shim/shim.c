// SPDX-License-Identifier: MIT
/*
 * criu-shim.so in the one `criu swrk` that dumps (further: shim_freezer.c; in the one that restores: shim_restore.c; in both:
 * shim_ptrace.c).
 *
 * CRIU looks at memory in ways whose cost grows with its size, inside the
 * freeze.  What the agent knows already is answered here:
 *
 *	openat(…, "smaps")       maps of now, VmFlags of the last pre-copy round; the real
 *	                         smaps where they do not fit; first mappings that CRIU cannot run its code in are
 *	                         said not to be executable (shim_unfit)
 *	ioctl(PAGEMAP_SCAN)      of a mapping whose pages the agent moves: no pages
 *	                         of guard regions of a process that had none: none
 *	pread(…, pagemap)        the same, for kernels without PAGEMAP_SCAN
 *	lseek(SEEK_DATA)         of shared memory that the agent moves: no data
 *
 * And CRIU waits (alarm, the last thing before it looks at the container) until the container is frozen: what it does
 * before that need not be in the freeze.
 *
 * Everything else, every process the agent does not track, and any doubt goes
 * to the kernel.  The files that they share are described in shim_text.h; the
 * environment names their directory.  CRIU is asked to look at one mapping at a
 * time (CRIU_PMC_OFF), so that a scan is of one mapping or none.
 *
 * Nothing here may change how CRIU fails: errno of the real call stays.
 */
#undef _FILE_OFFSET_BITS /* lseek and lseek64 are both defined here */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "criu/shim/priv.h"
#include "criu/shim/text.h"

#pragma GCC visibility push(default)
int __openat_2(int dirfd, const char *path, int flags);
int __openat64_2(int dirfd, const char *path, int flags);
#pragma GCC visibility pop

/* linux/fs.h of 6.7; the number is part of the kernel's interface. */
struct pm_scan {
	uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
	uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};
#define PM_SCAN	     _IOWR('f', 16, struct pm_scan)
#define PM_IS_GUARD  (1ull << 8)

enum { TEXT_MAX = 256 << 20 };

/* Of the process that CRIU looked at last: it dumps one after the other.  By address. */
struct hidden {
	uint64_t start, end;
	bool locked;
};

static struct hidden *hidden;
static size_t nr_hidden, cap_hidden;
static int hidden_pid;

int shim_dir(void)
{
	static int fd = -2;
	const char *path;

	if (fd == -2) {
		path = getenv("PMIGRATE_SHIM");
		fd = path ? (int)syscall(SYS_openat, AT_FDCWD, path,
					 O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0) : -1;
		if (fd >= 0) { /* away from the numbers that CRIU gives to others */
			int high = fcntl(fd, F_DUPFD_CLOEXEC, 900);

			if (high >= 0) {
				close(fd);
				fd = high;
			}
		}
	}
	return fd;
}

/* All of a file, NUL-terminated; NULL on any failure. */
static char *slurp(int fd)
{
	size_t have = 0, cap = 1 << 16;
	char *text = malloc(cap);

	while (text) {
		ssize_t n = read(fd, text + have, cap - have - 1);

		if (n < 0) {
			free(text);
			return NULL;
		}
		have += (size_t)n;
		text[have] = '\0';
		if (n == 0)
			return text;
		if (have + 1 == cap) {
			char *more = cap < TEXT_MAX ? realloc(text, cap * 2) : NULL;

			if (!more)
				free(text);
			text = more;
			cap *= 2;
		}
	}
	return NULL;
}

static char *slurp_at(int dirfd, const char *name)
{
	int fd = (int)syscall(SYS_openat, dirfd, name, O_RDONLY | O_CLOEXEC, 0);
	char *text;

	if (fd < 0)
		return NULL;
	text = slurp(fd);
	close(fd);
	return text;
}

/* What a descriptor is open on: false when that is not known. */
static bool path_of_fd(int fd, char *path, size_t size)
{
	char link[64];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, size - 1);
	path[n > 0 ? n : 0] = '\0';
	return n > 0;
}

/* The PID of "/proc/PID" or "/proc/PID/…" that a descriptor is. */
static int proc_pid(int fd)
{
	char path[64];
	int pid = 0;

	return path_of_fd(fd, path, sizeof(path)) && sscanf(path, "/proc/%d", &pid) == 1 ? pid : 0;
}

static void forget(int pid)
{
	hidden_pid = pid;
	nr_hidden = 0;
}

static bool hide(const struct shim_vma *v)
{
	if (nr_hidden == cap_hidden) {
		size_t cap = cap_hidden ? 2 * cap_hidden : 256;
		struct hidden *more = realloc(hidden, cap * sizeof(*hidden));

		if (!more)
			return false;
		hidden = more;
		cap_hidden = cap;
	}
	hidden[nr_hidden++] = (struct hidden){ v->start, v->end, shim_has_flag(v->flags, v->flags_len, "lo") };
	return true;
}

/* The first that ends behind `at`; NULL: none. */
static const struct hidden *hidden_from(int pid, uint64_t at)
{
	size_t lo = 0, hi = pid && pid == hidden_pid ? nr_hidden : 0, n = hi;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (hidden[mid].end <= at)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < n ? &hidden[lo] : NULL;
}

/* A list for the agent: NAME-PID; NULL: it cannot be made. */
static FILE *list_for(const char *what, int pid)
{
	char name[32];
	int fd;

	snprintf(name, sizeof(name), "%s-%d", what, pid);
	fd = (int)syscall(SYS_openat, shim_dir(), name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	return fd < 0 ? NULL : fdopen(fd, "w");
}

/* Tells the agent; what is not told is not hidden. */
static void publish(int pid)
{
	FILE *f = list_for("hidden", pid);

	if (!f) {
		forget(pid);
		return;
	}
	for (size_t i = 0; i < nr_hidden; i++)
		fprintf(f, "%llx-%llx%s\n", (unsigned long long)hidden[i].start, (unsigned long long)hidden[i].end,
			hidden[i].locked ? " lo" : "");
	if (ferror(f) | fclose(f))
		forget(pid);
}

/* What CRIU reads, and what is noted about it. */
struct answer {
	FILE *out;
	int pid;
	bool fit;
	FILE *noexec; /* opened when there is one */
	FILE *wiped;  /* where the agent wants to know what a child finds empty */
};

/* Adds a mapping to a list for the agent. */
static bool put_listed(FILE **list, const char *what, int pid, const struct shim_vma *v)
{
	*list = *list ? *list : list_for(what, pid);
	return *list && fprintf(*list, "%llx-%llx\n", (unsigned long long)v->start, (unsigned long long)v->end) > 0;
}

/* The lines of one mapping.  false: the agent could not be told. */
static bool put_mapping(struct answer *a, const struct shim_vma *v, const char *lines, size_t len)
{
	const char *perms = memchr(lines, ' ', len);
	const size_t x = perms ? (size_t)(perms - lines) + 3 : 0;

	if (a->wiped && v->flags && shim_has_flag(v->flags, v->flags_len, "wf") && !put_listed(&a->wiped, "wiped", a->pid, v))
		return false;
	if (!shim_unfit(v, &a->fit)) {
		fwrite(lines, 1, len, a->out);
		return true;
	}
	if (x >= len || !put_listed(&a->noexec, "noexec", a->pid, v))
		return false;
	fwrite(lines, 1, x, a->out);
	fputc('-', a->out);
	fwrite(lines + x + 1, 1, len - x - 1, a->out);
	return true;
}

/* maps with VmFlags lines, as a stream; false when a mapping has none in the cache. */
static bool merge(struct answer *a, const char *maps, const char *cache)
{
	const char *next = maps, *at = NULL;
	struct shim_vma v;

	for (const char *line = next; shim_next(&next, &v); line = next) {
		v.flags = shim_flags(&v, cache, &at, &v.flags_len);
		if (!v.flags)
			return false;
		if ((shim_hides(&v) && !hide(&v)) || !put_mapping(a, &v, line, (size_t)(next - line)))
			return false;
		fputs("VmFlags: ", a->out);
		fwrite(v.flags, 1, v.flags_len, a->out);
		fputc('\n', a->out);
	}
	return !*next;
}

/* The kernel's own smaps, looked through for what can be hidden, if anything may. */
static bool whole(struct answer *a, const char *smaps, bool may_hide)
{
	const char *next = smaps;
	struct shim_vma v;

	for (const char *lines = next; shim_next(&next, &v); lines = next) {
		if ((may_hide && shim_hides(&v) && !hide(&v)) || !put_mapping(a, &v, lines, (size_t)(next - lines)))
			return false;
	}
	return !*next;
}

/* Ends it: was all of it written? */
static bool answer_end(struct answer *a)
{
	bool good = !ferror(a->out);

	good &= fclose(a->out) == 0;
	if (a->noexec)
		good &= fclose(a->noexec) == 0;
	if (a->wiped)
		good &= fclose(a->wiped) == 0;
	return good;
}

static bool wants_wiped(void)
{
	return faccessat(shim_dir(), SHIM_WIPES, F_OK, 0) == 0;
}

/* A new answer into the same file, from the beginning. */
static bool answer_begin(struct answer *a, int fd, int pid)
{
	int own = ftruncate(fd, 0) == 0 && lseek(fd, 0, SEEK_SET) == 0 ? dup(fd) : -1;

	*a = (struct answer){ .pid = pid, .out = own < 0 ? NULL : fdopen(own, "w") };
	forget(pid);
	if (wants_wiped()) {
		a->wiped = list_for("wiped", pid);
		return a->out && a->wiped;
	}
	return a->out != NULL;
}

static bool has_unfit(const char *maps)
{
	struct shim_vma v;
	bool fit = false;

	while (shim_next(&maps, &v)) {
		if (shim_unfit(&v, &fit))
			return true;
	}
	return false;
}

static bool answer_smaps(int fd, int proc_dir, int pid, const char *maps, const char *cache)
{
	struct answer a;
	char *smaps;
	bool good = false;

	if (cache && answer_begin(&a, fd, pid)) {
		good = merge(&a, maps, cache);
		good &= answer_end(&a);
	}
	if (good || !answer_begin(&a, fd, pid))
		return good;
	smaps = slurp_at(proc_dir, "smaps");
	good = smaps && whole(&a, smaps, cache != NULL);
	free(smaps);
	return answer_end(&a) && good;
}

/* A memory file with the smaps of this process, or -1: let CRIU read the real one. */
static int smaps_for(int proc_dir)
{
	int pid = proc_pid(proc_dir), fd = -1;
	char name[32], *cache, *maps;

	if (pid <= 0 || shim_dir() < 0)
		return -1;
	snprintf(name, sizeof(name), "smaps-%d", pid);
	cache = slurp_at(shim_dir(), name);
	maps = slurp_at(proc_dir, "maps");
	forget(pid);
	if (maps && (cache || has_unfit(maps) || wants_wiped())) {
		fd = memfd_create("smaps", MFD_CLOEXEC);
		if (fd >= 0 && answer_smaps(fd, proc_dir, pid, maps, cache)) {
			lseek(fd, 0, SEEK_SET);
			publish(pid);
		} else {
			forget(pid);
			close(fd);
			fd = -1;
		}
	}
	free(cache);
	free(maps);
	return fd;
}

INSTEAD int openat64(int dirfd, const char *path, int flags, ...)
{
	mode_t mode;
	va_list ap;

	va_start(ap, flags);
	mode = va_arg(ap, mode_t);
	va_end(ap);
	if (strcmp(path, "smaps") == 0) {
		int saved = errno, fd = smaps_for(dirfd);

		errno = saved;
		if (fd >= 0)
			return fd;
	}
	shim_queues_opened(dirfd, path, flags);
	return (int)syscall(SYS_openat, dirfd, path, flags, mode);
}

INSTEAD int openat(int dirfd, const char *path, int flags, ...)
{
	mode_t mode;
	va_list ap;

	va_start(ap, flags);
	mode = va_arg(ap, mode_t);
	va_end(ap);
	return openat64(dirfd, path, flags, mode);
}

int __openat_2(int dirfd, const char *path, int flags)
{
	return openat64(dirfd, path, flags, 0);
}

int __openat64_2(int dirfd, const char *path, int flags)
{
	return openat64(dirfd, path, flags, 0);
}

static bool is_hidden(int pid, const struct pm_scan *s)
{
	const struct hidden *h = hidden_from(pid, s->start);

	return h && s->start >= h->start && s->end <= h->end;
}

/* CRIU walks the whole address space for guard regions. */
static bool has_no_guards(int pid)
{
	char name[32];

	snprintf(name, sizeof(name), "smaps-%d", pid);
	if (faccessat(shim_dir(), name, F_OK, 0) < 0)
		return false;
	snprintf(name, sizeof(name), "guards-%d", pid);
	return faccessat(shim_dir(), name, F_OK, 0) < 0 && errno == ENOENT;
}

INSTEAD int ioctl(int fd, unsigned long request, ...)
{
	struct pm_scan *s;
	void *arg;
	va_list ap;

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	if (request == PM_SCAN && shim_dir() >= 0 && arg) {
		int saved = errno, pid = proc_pid(fd);

		s = arg;
		if (s->return_mask == PM_IS_GUARD ? has_no_guards(pid) : is_hidden(pid, s)) {
			s->walk_end = s->end;
			errno = saved;
			return 0;
		}
		errno = saved;
	}
	return (int)syscall(SYS_ioctl, fd, request, arg);
}

/* The PID of "/proc/PID/pagemap", or 0. */
static int pagemap_pid(int fd)
{
	char path[64];
	int pid = 0, end = 0;

	return path_of_fd(fd, path, sizeof(path)) &&
			       sscanf(path, "/proc/%d/pagemap%n", &pid, &end) == 1 && end && !path[end]
		       ? pid
		       : 0;
}

/* [*from, *to) is wholly hidden, or wholly not; else *to is brought nearer. */
static bool hidden_until(int pid, uint64_t from, uint64_t *to)
{
	const struct hidden *h = hidden_from(pid, from);

	if (!h || h->start >= *to)
		return false;
	if (h->start > from) {
		*to = h->start;
		return false;
	}
	if (h->end < *to)
		*to = h->end;
	return true;
}

/* Eight bytes a page.  The kernel is not asked about what is hidden. */
static ssize_t pagemap_read(int fd, int pid, char *buf, size_t len, off_t offset)
{
	size_t done = 0;

	while (done < len) {
		uint64_t from = ((uint64_t)offset + done) / 8 << 12, to = from + ((len - done) / 8 << 12);
		size_t n;

		if (hidden_until(pid, from, &to)) {
			n = (to - from) >> 12 << 3;
			memset(buf + done, 0, n);
		} else {
			ssize_t got;

			n = (to - from) >> 12 << 3;
			got = syscall(SYS_pread64, fd, buf + done, n, offset + (off_t)done);
			if (got <= 0)
				return done ? (ssize_t)done : got;
			n = (size_t)got;
		}
		done += n;
	}
	return (ssize_t)done;
}

INSTEAD ssize_t pread64(int fd, void *buf, size_t len, off64_t offset)
{
	int saved = errno, pid = nr_hidden && len % 8 == 0 && offset % 8 == 0 ? pagemap_pid(fd) : 0;

	errno = saved;
	if (pid)
		return pagemap_read(fd, pid, buf, len, offset);
	return syscall(SYS_pread64, fd, buf, len, offset);
}

INSTEAD ssize_t pread(int fd, void *buf, size_t len, off_t offset)
{
	return pread64(fd, buf, len, offset);
}

/*
 * CRIU limits the time for seizing the processes, first of all.  From then on the agent's death must not be CRIU's: a
 * process that runs CRIU's code at that moment would die, and a TCP socket in repair mode stay so.
 */
INSTEAD unsigned alarm(unsigned seconds)
{
	static bool passed;
	struct itimerval now = { .it_value.tv_sec = seconds }, was = { 0 };

	if (seconds && !passed && shim_dir() >= 0) {
		int saved = errno, gate = (int)syscall(SYS_openat, shim_dir(), "gate", O_RDONLY | O_CLOEXEC, 0);

		passed = true;
		if (gate >= 0)
			close(gate);
		prctl(PR_SET_PDEATHSIG, 0);
		signal(SIGPIPE, SIG_IGN);
		errno = saved;
	}
	syscall(SYS_setitimer, ITIMER_REAL, &now, &was);
	return (unsigned)was.it_value.tv_sec + (was.it_value.tv_usec > 0);
}

/* Is it one of the agent's shared memory objects? */
static bool is_ours(int fd)
{
	static char *list;
	static bool loaded;
	char line[64];
	struct stat st;
	const char *at;

	if (!loaded) {
		list = shim_dir() >= 0 ? slurp_at(shim_dir(), "shm") : NULL;
		loaded = true;
	}
	if (!list || !*list || fstat(fd, &st) < 0)
		return false;
	snprintf(line, sizeof(line), "\n%llx %llu\n", (unsigned long long)st.st_dev,
		 (unsigned long long)st.st_ino);
	at = strstr(list, line);
	return at != NULL;
}

INSTEAD off_t lseek(int fd, off_t offset, int whence)
{
	if (whence == SEEK_DATA) {
		int saved = errno;
		bool ours = is_ours(fd);

		errno = saved;
		if (ours) {
			errno = ENXIO;
			return -1;
		}
	}
	return syscall(SYS_lseek, fd, offset, whence);
}

INSTEAD off64_t lseek64(int fd, off64_t offset, int whence)
{
	return lseek(fd, offset, whence);
}
