// SPDX-License-Identifier: MIT
#include "criu/shimdir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/own.h"
#include "config.h"
#include "criu/image/imgdir.h"

enum { HIDDEN_MAX = 16 << 20, GATE_MS = 60000 };

/* linux/fs.h of 6.7 and later. */
struct pm_scan {
	uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
	uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};
#define PM_SCAN	    _IOWR('f', 16, struct pm_scan)
#define PM_IS_GUARD (1ull << 8)

const char *shim_library(void)
{
	const char *named = getenv("PMIGRATE_SHIM_LIB");

	return named ? named : PMIGRATE_LIBEXECDIR "/criu-shim.so";
}

int shim_find(struct err *e)
{
	if (access(shim_library(), R_OK) == 0)
		return 0;
	err_sys(e, "the preload library %s cannot be used", shim_library());
	return err_hint(e, "install pmigrate as a whole (ninja install)");
}

int shimdir_open(struct strv *env, struct err *e)
{
	int dir = imgdir_open(e);

	if (dir < 0)
		return -1;
	strv_addf(env, "PMIGRATE_SHIM=/proc/%d/fd/%d", (int)getpid(), dir);
	strv_add(env, "CRIU_PMC_OFF=1");
	return dir;
}

static void putf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void putf(struct buf *b, const char *fmt, ...)
{
	own_free char *text = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	xmust(n < 0 ? NULL : text);
	buf_put(b, text, (size_t)n);
}

void shim_cache_text(struct buf *out, const struct maps *maps)
{
	for (size_t i = 0; i < maps->n; i++) {
		const struct map *m = &maps->v[i];

		if (!m->vmflags)
			continue;
		putf(out, "%llx-%llx %c%c%c%c %08llx %02x:%02x %llu %s\nVmFlags: %s\n",
		     (unsigned long long)m->start, (unsigned long long)m->end,
		     m->prot & MAP_READ ? 'r' : '-', m->prot & MAP_WRITE ? 'w' : '-',
		     m->prot & MAP_EXEC ? 'x' : '-', m->shared ? 's' : 'p',
		     (unsigned long long)m->offset, major(m->dev), minor(m->dev),
		     (unsigned long long)m->ino, m->name, m->vmflags);
	}
}

/* The address space is locked while the kernel looks at so much: two milliseconds. */
#define GUARDS_AT_ONCE (UINT64_C(1) << 30)

/* Where user memory ends for PAGEMAP_SCAN: an end beyond it is refused. */
static uint64_t top_of(const struct maps *maps)
{
	for (size_t i = maps->n; i-- > 0;) {
		if (maps->v[i].end >> 63 == 0) /* not [vsyscall] */
			return maps->v[i].end;
	}
	return 0;
}

/* -1: cannot tell, which counts as yes unless the kernel knows no guard regions. */
static int has_guards(pid_t pid, const struct maps *maps)
{
	own_free char *path = xasprintf("/proc/%d/pagemap", (int)pid);
	own_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	const uint64_t top = top_of(maps);
	uint64_t region[3];
	struct pm_scan s = { .size = sizeof(s), .vec = (uintptr_t)region, .vec_len = 1, .max_pages = 1,
			     .category_mask = PM_IS_GUARD, .return_mask = PM_IS_GUARD };
	int n = fd < 0 ? -1 : 0;

	for (size_t i = 0; i < maps->n && maps->v[i].end <= top; i++)
		for (s.start = maps->v[i].start; n == 0 && s.start < maps->v[i].end; s.start = s.end) {
			s.end = maps->v[i].end - s.start < GUARDS_AT_ONCE ? maps->v[i].end : s.start + GUARDS_AT_ONCE;
			n = ioctl(fd, PM_SCAN, &s);
		}
	if (n < 0 && fd >= 0 && errno == EINVAL)
		return 0; /* before 6.15 */
	return n < 0 ? -1 : n > 0;
}

int shimdir_put(int dir, pid_t pid, const struct maps *maps, bool guards, struct err *e)
{
	own_free char *name = xasprintf("smaps-%d", (int)pid);
	own_free char *note = xasprintf("guards-%d", (int)pid);
	own_buf struct buf text = BUF_INIT;

	if (guards) {
		if (has_guards(pid, maps) == 0)
			unlinkat(dir, note, 0);
		else if (imgdir_put(dir, note, "", 0, e) < 0)
			return -1;
	}
	shim_cache_text(&text, maps);
	return imgdir_put(dir, name, text.data, text.len, e);
}

bool shimdir_guards(int dir, pid_t pid)
{
	own_free char *note = xasprintf("guards-%d", (int)pid);

	return faccessat(dir, note, F_OK, 0) == 0;
}

void shimdir_drop(int dir, pid_t pid)
{
	own_free char *name = xasprintf("smaps-%d", (int)pid);

	unlinkat(dir, name, 0);
}

int shimdir_put_shm(int dir, const struct shim_object *objects, size_t n, struct err *e)
{
	own_buf struct buf text = BUF_INIT;

	/* Each stands between newlines, which it may share. */
	putf(&text, "\n");
	for (size_t i = 0; i < n; i++)
		putf(&text, "%llx %llu\n", (unsigned long long)objects[i].dev,
		     (unsigned long long)objects[i].ino);
	return imgdir_put(dir, "shm", text.data, text.len, e);
}

int shimdir_make_gate(int dir, struct err *e)
{
	return mkfifoat(dir, "gate", 0600) < 0 ? err_sys(e, "cannot make a gate for the dump") : 0;
}

int shimdir_open_gate(int dir, shim_ended_fn *ended, void *arg, struct err *e)
{
	const uint64_t deadline = clock_deadline(GATE_MS);
	int fd;

	/* Without a reader this fails: it is on its way there, or has gone past. */
	while ((fd = openat(dir, "gate", O_WRONLY | O_NONBLOCK | O_CLOEXEC)) < 0 && errno == ENXIO) {
		if (ended(arg))
			return err_set(e, ERR_UNSUPPORTED, "CRIU did not wait");
		if (clock_left_ms(deadline) == 0)
			return err_set(e, ERR_TIMEOUT, "CRIU does not come to where its dump begins");
		nanosleep(&(struct timespec){ .tv_nsec = 100000 }, NULL);
	}
	return fd < 0 ? err_sys(e, "cannot open the dump's gate") : fd;
}

int shim_hidden_parse(const char *text, struct pageset *out, struct pageset *locked, struct err *e)
{
	while (*text) {
		unsigned long start, end;
		int at = 0;

		bool is_locked;

		if (sscanf(text, "%lx-%lx%n", &start, &end, &at) != 2)
			break;
		is_locked = strncmp(text + at, " lo", 3) == 0;
		at += is_locked ? 3 : 0;
		if (text[at] != '\n' || start >= end || start % MEM_PAGE || end % MEM_PAGE)
			break;
		pageset_add(out, start, (end - start) / MEM_PAGE);
		if (is_locked)
			pageset_add(locked, start, (end - start) / MEM_PAGE);
		text += at + 1;
	}
	if (!*text)
		return 0;
	pageset_clear(out);
	pageset_clear(locked);
	return err_set(e, ERR_PROTO, "the preload library's list is broken");
}

static int list_of(int dir, const char *what, pid_t pid, struct pageset *out, struct pageset *locked, struct err *e)
{
	own_free char *name = xasprintf("%s-%d", what, (int)pid);
	own_free char *text = NULL;

	if (faccessat(dir, name, F_OK, 0) < 0)
		return 0;
	if (file_read(dir, name, HIDDEN_MAX, &text, NULL, e) < 0)
		return -1;
	return shim_hidden_parse(text, out, locked, e);
}

int shimdir_hidden(int dir, pid_t pid, struct pageset *out, struct pageset *locked, struct err *e)
{
	return list_of(dir, "hidden", pid, out, locked, e);
}

int shimdir_noexec(int dir, pid_t pid, struct pageset *out, struct err *e)
{
	own_pageset struct pageset none = PAGESET_INIT;

	return list_of(dir, "noexec", pid, out, &none, e);
}

int shimdir_want_wiped(int dir, struct err *e)
{
	return file_replace(dir, SHIM_WIPES, "", 0, 0600, e);
}

int shimdir_wiped(int dir, pid_t pid, struct pageset *out, struct err *e)
{
	own_pageset struct pageset none = PAGESET_INIT;
	own_free char *name = xasprintf("wiped-%d", (int)pid);

	if (faccessat(dir, name, F_OK, 0) < 0)
		return err_set(e, ERR_PROTO, "the preload library has not told what a child of process %d finds empty", (int)pid);
	return list_of(dir, "wiped", pid, out, &none, e);
}

int shimdir_signals(int dir, struct shim_signal **out, size_t *n, struct err *e)
{
	char *data = NULL;
	size_t len = 0;

	*out = NULL;
	*n = 0;
	if (faccessat(dir, SHIM_SIGNALS, F_OK, 0) < 0)
		return 0;
	if (file_read(dir, SHIM_SIGNALS, HIDDEN_MAX, &data, &len, e) < 0)
		return -1;
	*out = (struct shim_signal *)(void *)data; /* malloc'ed: aligned */
	*n = len / sizeof(**out);
	return 0;
}
