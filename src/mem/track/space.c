// SPDX-License-Identifier: MIT
#include "mem/track/space.h"

#include <elf.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <string.h>
#include <sys/syscall.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/own.h"
#include "mem/inject/inject.h"
#include "mem/track/soft.h"

enum { OPEN_TRIES = 20 };

/* No transfer is believed to take longer; it counts only where some are always under way. */
#define DOUBT_NS (UINT64_C(10) * 1000000000)

static int open_proc(pid_t pid, const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	return open(path, O_RDONLY | O_CLOEXEC);
}

static bool read_random(pid_t pid, uint64_t at, uint8_t out[static 16])
{
	/* Not by the descriptor that we have: that one stays with the memory, this asks the pid. */
	own_fd int mem = at ? open_proc(pid, "mem") : -1;

	return mem >= 0 && pread(mem, out, 16, (off_t)at) == 16;
}

/* AT_RANDOM of the auxiliary vector; 0: none (a 32-bit program, or it ended). */
static uint64_t random_of(pid_t pid)
{
	own_free char *text = NULL;
	char path[64];
	size_t len = 0;

	snprintf(path, sizeof(path), "/proc/%d/auxv", (int)pid);
	if (file_read(AT_FDCWD, path, 64 << 10, &text, &len, NULL) < 0)
		return 0;
	for (size_t i = 0; i + sizeof(Elf64_auxv_t) <= len; i += sizeof(Elf64_auxv_t)) {
		Elf64_auxv_t one;

		memcpy(&one, text + i, sizeof(one));
		if (one.a_type == AT_RANDOM)
			return one.a_un.a_val;
	}
	return 0;
}

int space_track(struct space *s, uint64_t *stopped_ns, struct err *e)
{
	struct err own = ERR_INIT;
	struct inject in;
	int ret;

	if (s->tracked)
		return 0;
	ret = inject_uffd(&in, s->pid, &own);
	if (in.call.nr)
		s->call = in.call;
	if (ret < 0) {
		if (in.again) {
			log_debug("%s: tracked later", own.msg);
			return 0;
		}
		if (e)
			*e = own;
		return -1;
	}
	*stopped_ns = in.stopped_ns > *stopped_ns ? in.stopped_ns : *stopped_ns;
	if (scan_handshake(in.uffd, e) < 0) {
		close(in.uffd);
		return -1;
	}
	/* It may have exec'ed between our opens and the stop. */
	if (!space_is_same(s)) {
		close(in.uffd);
		s->gone = true;
		return 0;
	}
	s->scan.uffd = in.uffd;
	s->tracked = true;
	return 0;
}

/* All of one program: an exec may come in between.  One that changes these bytes itself looks like it for ever, and is known by
 * its maps alone. */
static int open_files(struct space *s, struct err *e)
{
	for (int i = 0;; i++) {
		close_fd(&s->maps_fd);
		close_fd(&s->scan.pagemap);
		close_fd(&s->mem);
		s->random_at = random_of(s->pid);
		if (i == OPEN_TRIES || !read_random(s->pid, s->random_at, s->random))
			s->random_at = 0;
		s->maps_fd = open_proc(s->pid, "maps");
		s->scan.pagemap = open_proc(s->pid, "pagemap");
		s->mem = open_proc(s->pid, "mem");
		if (s->maps_fd < 0 || s->scan.pagemap < 0 || s->mem < 0)
			return err_sys(e, "cannot open the memory of process %d", (int)s->pid);
		if (space_is_same(s))
			return 0;
	}
}

int space_open(struct space **out, pid_t pid, pid_t vpid, enum space_how how,
	       uint64_t *stopped_ns, struct err *e)
{
	struct space *s = xcalloc(1, sizeof(*s));

	s->pid = pid;
	s->vpid = vpid;
	s->scan.guarded = &s->guarded;
	s->scan.uffd = s->maps_fd = s->scan.pagemap = s->mem = -1;
	if (open_files(s, e) < 0) {
		if (e && (e->sys == ENOENT || e->sys == ESRCH))
			e->code = ERR_ABSENT;
		goto fail;
	}
	if (how == SPACE_SOFT) {
		s->scan.soft = soft_new();
		s->tracked = true;
	} else if (how == SPACE_UFFD && space_track(s, stopped_ns, e) < 0) {
		goto fail;
	}
	*out = s;
	return 0;
fail:
	space_close(s);
	return -1;
}

/* The n oldest. */
static void drop_doubts(struct space *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		pageset_fini(&s->doubts[i].pages);
	s->nr_doubts -= n;
	if (n)
		memmove(s->doubts, s->doubts + n, s->nr_doubts * sizeof(*s->doubts));
}

void space_close(struct space *s)
{
	if (!s)
		return;
	close_fd(&s->scan.uffd);
	soft_free(s->scan.soft);
	close_fd(&s->scan.pagemap);
	close_fd(&s->mem);
	close_fd(&s->maps_fd);
	maps_fini(&s->maps);
	maps_fini(&s->smaps);
	pageset_fini(&s->dirty);
	pageset_fini(&s->present);
	pageset_fini(&s->fresh);
	pageset_fini(&s->shared);
	drop_doubts(s, s->nr_doubts);
	free(s->doubts);
	pageset_fini(&s->doubt);
	for (size_t i = 0; i < s->nr_views; i++)
		pageset_fini(&s->views[i].tables);
	free(s->views);
	for (size_t i = 0; i < s->nr_copies; i++)
		free(s->copies[i].hash);
	free(s->copies);
	free(s->sharers);
	free(s);
}

bool space_is_same(const struct space *s)
{
	uint8_t now[16];

	if (!s->random_at) /* then only the empty maps tell */
		return true;
	return read_random(s->pid, s->random_at, now) && !memcmp(now, s->random, 16);
}

bool space_shared_with(const struct space *s, pid_t pid)
{
	return syscall(SYS_kcmp, s->pid, pid, KCMP_VM, 0, 0) == 0;
}

int space_look(struct space *s, struct maps *was, struct err *e)
{
	struct maps now;

	*was = (struct maps)MAPS_INIT;
	if (maps_read(&now, s->maps_fd, e) < 0)
		return err_wrap(e, "process %d", (int)s->pid);
	maps_inherit_vm(&now, &s->smaps);
	*was = s->maps;
	s->maps = now;
	s->scan.maps = &s->maps;
	return 0;
}

static bool has_copies(const struct space *s, const struct map *m)
{
	return !s->scan.soft && m->kind == MAP_KIND_FILE && space_covers(m);
}

void space_renew_copies(struct space *s)
{
	struct copies *old = s->copies;
	size_t n_old = s->nr_copies, k = 0;

	s->copies = xcalloc(s->maps.n + 1, sizeof(*s->copies));
	s->nr_copies = 0;
	for (size_t i = 0; i < s->maps.n; i++) {
		const struct map *m = &s->maps.v[i];
		struct copies *c = &s->copies[s->nr_copies];

		if (!has_copies(s, m))
			continue;
		*c = (struct copies){ m->start, m->end, m->offset, m->dev, m->ino, NULL };
		while (k < n_old && old[k].start < m->start)
			k++;
		if (k < n_old && old[k].start == c->start && old[k].end == c->end && old[k].offset == c->offset &&
		    old[k].dev == c->dev && old[k].ino == c->ino)
			c->hash = take_ptr(&old[k].hash);
		else
			c->hash = calloc(map_pages(m), sizeof(*c->hash));
		s->nr_copies++;
	}
	for (size_t i = 0; i < n_old; i++)
		free(old[i].hash);
	free(old);
}

void space_forget_copies(struct space *s)
{
	for (size_t i = 0; i < s->nr_copies; i++) {
		struct copies *c = &s->copies[i];

		free(c->hash);
		c->hash = calloc((c->end - c->start) >> MEM_PAGE_SHIFT, sizeof(*c->hash));
	}
}

const struct copies *space_find_copies(const struct space *s, const struct map *m)
{
	size_t lo = 0, hi = s->nr_copies;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (s->copies[mid].end <= m->start)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < s->nr_copies && s->copies[lo].start <= m->start && s->copies[lo].end >= m->end ? &s->copies[lo]
												    : NULL;
}

void space_add_doubts(const struct space *s, struct pageset *to)
{
	for (size_t i = 0; i < s->nr_doubts; i++)
		pageset_add_set(to, &s->doubts[i].pages);
}

void space_doubt(struct space *s, bool flying)
{
	struct doubt new = { clock_ns(), PAGESET_INIT };
	size_t old = 0;

	if (!s->direct)
		return;
	pageset_add_set(&new.pages, &s->dirty);
	if (!flying) { /* all that was is over, and is sent for the last time */
		space_add_doubts(s, &s->dirty);
		old = s->nr_doubts;
	} else if (s->nr_doubts) {
		pageset_add_set(&s->dirty, &s->doubts[s->nr_doubts - 1].pages);
		while (old < s->nr_doubts && new.found_ns - s->doubts[old].found_ns > DOUBT_NS)
			old++;
	}
	drop_doubts(s, old);
	s->doubts = xrealloc(s->doubts, (s->nr_doubts + 1) * sizeof(*s->doubts));
	s->doubts[s->nr_doubts++] = new;
}

enum scan_result space_scan(const struct space *s, const struct map *m, struct pageset *present,
			    struct pageset *dirty)
{
	own_pageset struct pageset there = PAGESET_INIT, fresh = PAGESET_INIT;
	enum scan_result r;

	if (!pageset_count(&s->fresh, m->start, m->end))
		return scan_private(&s->scan, m, present, dirty);
	r = scan_private(&s->scan, m, &there, dirty);
	pageset_add_set(present, &there);
	pageset_add_set(&fresh, &s->fresh);
	pageset_keep(&fresh, &there);
	pageset_add_set(dirty, &fresh);
	return r;
}

bool space_covers(const struct map *m)
{
	if (m->vm & (MAP_VM_DROPPABLE | MAP_VM_SHADOW_STACK | MAP_VM_GROWSDOWN))
		return false;
	if (m->kind == MAP_KIND_ANON)
		return true;
	/* Not of programs' text: CRIU pokes its system calls into it while dumping. */
	return m->kind == MAP_KIND_FILE && !(m->prot & MAP_EXEC);
}
