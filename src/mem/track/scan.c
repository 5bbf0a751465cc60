// SPDX-License-Identifier: MIT
#include "mem/track/scan.h"

#include <fcntl.h>
#include <stdio.h>
#include <linux/userfaultfd.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/utsname.h>

#include "base/clock.h"
#include "base/own.h"
#include "mem/track/soft.h"

/* linux/fs.h and userfaultfd.h of Linux 6.7; older headers lack them. */
struct page_region_ {
	uint64_t start, end, categories;
};

struct pm_scan_arg_ {
	uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
	uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};

#define IOC_PAGEMAP_SCAN _IOWR('f', 16, struct pm_scan_arg_)

enum {
	SCAN_WP_MATCHING = 1,
	SCAN_CHECK_WPASYNC = 2,
};

enum {
	IS_WRITTEN = 1 << 1,
	IS_FILE = 1 << 2,
	IS_PRESENT = 1 << 3,
	IS_SWAPPED = 1 << 4,
	IS_PFNZERO = 1 << 5,
};

#define PAGEMAP_GUARD (UINT64_C(1) << 58)

#define TASK_TOP     (UINT64_C(1) << 47)
#define AT_ONCE_MOST (UINT64_C(4) << 30)

enum {
	REGIONS = 4096,
	AT_ONCE = 16 << 20, /* bytes that one call looks at: some ten us */
	QUICK_NS = 5000,    /* a call that takes less found nothing to walk */
	SWAP_TYPE_MARKER = 31,
	MARKER_POISONED = 1 << (5 + 1), /* PTE_MARKER_POISONED, in the place of a swap offset */
	NEAR = 32 * MEM_PAGE, /* walking so much of clean pages costs what a call does */
};

#define FEATURE_WP_HUGETLBFS_SHMEM (UINT64_C(1) << 12)
#define FEATURE_WP_UNPOPULATED	   (UINT64_C(1) << 13)
#define FEATURE_WP_ASYNC	   (UINT64_C(1) << 15)

int scan_handshake(int uffd, struct err *e)
{
	struct uffdio_api api = {
		.api = UFFD_API,
		.features = FEATURE_WP_ASYNC | FEATURE_WP_UNPOPULATED | FEATURE_WP_HUGETLBFS_SHMEM,
	};

	if (ioctl(uffd, UFFDIO_API, &api) == 0)
		return 0;
	if (errno != EINVAL)
		return err_sys(e, "userfaultfd's handshake failed");
	err_set(e, ERR_UNSUPPORTED, "this kernel cannot track written pages by userfaultfd");
	return err_hint(e, "Linux 6.7 or newer is needed; without it the container is moved "
			   "without rounds (--noiter)");
}

int scan_usable(struct err *e)
{
	own_fd int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	struct page_region_ region;
	struct pm_scan_arg_ arg = { .size = sizeof(arg), .vec = (uintptr_t)&region, .vec_len = 1,
				    .category_mask = IS_PRESENT, .return_mask = IS_PRESENT };
	void *page = mmap(NULL, MEM_PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	int ret, saved;

	if (fd < 0 || page == MAP_FAILED)
		return err_sys(e, "cannot open /proc/self/pagemap");
	arg.start = (uintptr_t)page;
	arg.end = arg.start + MEM_PAGE;
	ret = ioctl(fd, IOC_PAGEMAP_SCAN, &arg);
	saved = errno;
	munmap(page, MEM_PAGE);
	if (ret == 1)
		return 0;
	errno = saved;
	if (ret < 0 && errno != ENOTTY && errno != EINVAL)
		return err_sys(e, "PAGEMAP_SCAN failed");
	err_set(e, ERR_UNSUPPORTED, "this kernel has no PAGEMAP_SCAN");
	return err_hint(e, "Linux 6.7 or newer is needed; without it the container is moved "
			   "without rounds (--noiter)");
}

/* Linux 6.13, and 6.12 from .11 on: mremap clears the bits of what it moves. */
static bool mremap_clears_bits(void)
{
	static _Atomic int answer;
	struct utsname u;
	int major = 0, minor = 0, patch = 0;

	if (!answer && uname(&u) == 0) {
		sscanf(u.release, "%d.%d.%d", &major, &minor, &patch);
		answer = major > 6 || (major == 6 && (minor > 12 || (minor == 12 && patch >= 11))) ? 1
												    : 2;
	}
	return answer == 1;
}

/* What the kernel does not let be registered, or what nobody wants to be. */
static bool is_obstacle(const struct map *m)
{
	switch (m->kind) {
	case MAP_KIND_ANON:
	case MAP_KIND_FILE:
		return m->vm & MAP_VM_DROPPABLE;
	case MAP_KIND_SHM:
		return !(m->prot & MAP_WRITE);
	case MAP_KIND_SHARED_FILE:
	case MAP_KIND_HUGETLB:
	case MAP_KIND_DEVICE:
	case MAP_KIND_KERNEL:
		break;
	}
	return true;
}

static int register_range(const struct scan_space *s, uint64_t start, uint64_t end)
{
	struct uffdio_register reg = {
		.range = { start, end - start },
		.mode = UFFDIO_REGISTER_MODE_WP,
	};

	return s->uffd < 0 ? -1 : ioctl(s->uffd, UFFDIO_REGISTER, &reg);
}

/* The mapping and all around it up to the next obstacle; else the mapping alone. */
static int register_map(const struct scan_space *s, const struct map *m)
{
	uint64_t start = m->start, end = m->end;
	size_t i = s->maps ? (size_t)(m - s->maps->v) : 0, k;

	if (!s->maps || i >= s->maps->n || !mremap_clears_bits())
		return register_range(s, start, end);
	for (k = i; k > 0 && !is_obstacle(&s->maps->v[k - 1]); k--)
		start = s->maps->v[k - 1].start;
	for (k = i + 1; k < s->maps->n && !is_obstacle(&s->maps->v[k]); k++)
		end = s->maps->v[k].end;
	if (k < s->maps->n && s->maps->v[k].start < TASK_TOP)
		end = s->maps->v[k].start; /* the hole too */
	if (register_range(s, start, end) == 0)
		return 0;
	return errno == ENOMEM || errno == ESRCH ? -1 : register_range(s, m->start, m->end);
}

/*
 * Goes on from arg->start, not beyond `end`; regions land in v.  Returns their number, -1 at an error.  A little at a
 * time, ending where a huge page does: the kernel holds the address space's lock for it, and the program, or CRIU in
 * its place, may want to map something.  *step (0 at first) grows where there is nothing to see, for some programs
 * reserve terabytes.
 */
static long scan_some(int fd, struct pm_scan_arg_ *arg, uint64_t end, uint64_t *step, struct page_region_ *v)
{
	uint64_t began = clock_ns();
	long n;

	*step = *step ? *step : AT_ONCE;
	arg->end = end - arg->start > *step ? (arg->start | (*step - 1)) + 1 : end;
	arg->vec = (uintptr_t)v;
	arg->vec_len = REGIONS;
	do
		n = ioctl(fd, IOC_PAGEMAP_SCAN, arg);
	while (n < 0 && errno == EINTR);
	if (n >= 0)
		arg->start = arg->walk_end > arg->start ? arg->walk_end : end;
	if (clock_ns() - began > QUICK_NS)
		*step = AT_ONCE;
	else if (*step < AT_ONCE_MOST)
		*step *= 2;
	return n;
}

/*
 * "Swapped" pages: which are really swapped (or being migrated), and which are only
 * markers, ours or of guard regions?  /proc/PID/pagemap tells the swap type (to CAP_SYS_ADMIN).
 */
static void add_swapped(const struct scan_space *s, const struct page_region_ *r,
			struct pageset *present, struct pageset *dirty)
{
	uint64_t entries[512];

	for (uint64_t at = r->start; at < r->end;) {
		uint64_t n = (r->end - at) >> MEM_PAGE_SHIFT;
		ssize_t got;

		n = n < array_len(entries) ? n : array_len(entries);
		got = pread(s->pagemap, entries, n * 8, (off_t)(at >> MEM_PAGE_SHIFT) * 8);
		if (got < 8) { /* not known: then it is there, and reading it fails */
			memset(entries, 0xff, n * 8);
			got = (ssize_t)n * 8;
		}
		n = (uint64_t)got / 8;
		for (uint64_t i = 0; i < n; i++, at += MEM_PAGE) {
			bool swap = entries[i] >> 62 & 1, there = entries[i] >> 63;

			if (!there && entries[i] & PAGEMAP_GUARD && s->guarded)
				*s->guarded = true;
			/* A poisoned page is there, too: it cannot be read, and is missed. */
			if (!there && (!swap || ((entries[i] & 31) == SWAP_TYPE_MARKER && !(entries[i] & MARKER_POISONED))))
				continue;
			if (present)
				pageset_add(present, at, 1);
			if (r->categories & IS_WRITTEN)
				pageset_add(dirty, at, 1);
		}
	}
}

static void add_private(const struct scan_space *s, const struct page_region_ *r, bool whole,
			struct pageset *present, struct pageset *dirty)
{
	struct page_region_ one = *r;
	uint64_t pages = (r->end - r->start) >> MEM_PAGE_SHIFT;

	if (whole)
		one.categories |= IS_WRITTEN;
	if (r->categories & IS_SWAPPED) {
		add_swapped(s, &one, present, dirty);
		return;
	}
	if (present)
		pageset_add(present, r->start, pages);
	if (one.categories & IS_WRITTEN)
		pageset_add(dirty, r->start, pages);
}

static enum scan_result walk_private(const struct scan_space *s, const struct map *m, bool arm,
				     bool whole, struct pageset *present, struct pageset *dirty)
{
	/* One vector a thread: the walk is deep inside others' loops. */
	static _Thread_local struct page_region_ v[REGIONS];
	/* Asking for IS_FILE makes the kernel look at every page's struct: 30 ms a GiB instead of
	 * 1 (dirty) or 4 (all). Anonymous mappings have no such pages. */
	uint64_t none_of = m->kind == MAP_KIND_FILE ? IS_FILE | IS_PFNZERO : IS_PFNZERO;
	struct pm_scan_arg_ arg = {
		.size = sizeof(arg),
		.flags = whole ? 0 : SCAN_CHECK_WPASYNC,
		.start = m->start,
		.category_inverted = none_of,
		.category_mask = none_of,
		.category_anyof_mask = IS_PRESENT | IS_SWAPPED,
		.return_mask = IS_WRITTEN | IS_SWAPPED,
	};
	uint64_t step = 0;

	if (arm && !whole) {
		arg.flags |= SCAN_WP_MATCHING;
		/* Those that are clean need no look, unless they are asked for. */
		if (!present)
			arg.category_mask |= IS_WRITTEN;
	} else if (!present && !whole) {
		arg.category_mask |= IS_WRITTEN;
	}
	while (arg.start < m->end) {
		long n = scan_some(s->pagemap, &arg, m->end, &step, v);

		if (n < 0)
			return errno == EPERM ? SCAN_WHOLE : SCAN_GONE;
		for (long i = 0; i < n; i++)
			add_private(s, &v[i], whole, present, dirty);
	}
	return SCAN_TRACKED;
}

/* Offsets of the object for a stretch of the mapping. */
static void add_offsets(struct pageset *dirty, const struct map *m, uint64_t start, uint64_t end)
{
	if (start < end)
		pageset_add(dirty, start - m->start + m->offset, (end - start) >> MEM_PAGE_SHIFT);
}

/* All that the masks select, in offsets of the object. */
static enum scan_result collect(const struct scan_space *s, const struct map *m,
				struct pm_scan_arg_ *arg, struct pageset *out)
{
	static _Thread_local struct page_region_ v[REGIONS];
	uint64_t step = 0;

	arg->size = sizeof(*arg);
	arg->start = m->start;
	while (arg->start < m->end) {
		long n = scan_some(s->pagemap, arg, m->end, &step, v);

		if (n < 0)
			return errno == EPERM ? SCAN_WHOLE : SCAN_GONE;
		for (long i = 0; i < n; i++)
			add_offsets(out, m, v[i].start, v[i].end);
	}
	return SCAN_TRACKED;
}

/* The same, in addresses. */
static enum scan_result collect_addresses(const struct scan_space *s, const struct map *m,
					  struct pm_scan_arg_ *arg, struct pageset *out)
{
	struct map as_is = *m;

	as_is.offset = m->start;
	return collect(s, &as_is, arg, out);
}

/* What was written, or is not there: everything else was armed when it was there, and is. */
static enum scan_result walk_uncertain(const struct scan_space *s, const struct map *m,
				       struct pageset *out)
{
	struct pm_scan_arg_ arg = {
		.flags = SCAN_CHECK_WPASYNC,
		.category_inverted = IS_PRESENT,
		.category_anyof_mask = IS_WRITTEN | IS_PRESENT,
		.return_mask = IS_WRITTEN,
	};

	return collect_addresses(s, m, &arg, out);
}

/*
 * walk_private of an anonymous mapping without arming, four times as fast where most is clean: only around what
 * is uncertain the kernel is asked for everything.
 */
static enum scan_result walk_tracked(const struct scan_space *s, const struct map *m,
				     struct pageset *present, struct pageset *dirty)
{
	own_pageset struct pageset look = PAGESET_INIT;
	enum scan_result r = walk_uncertain(s, m, &look);
	struct map part = *m;
	uint64_t at = m->start;

	for (size_t i = 0; i < look.n && r == SCAN_TRACKED; i++) {
		part.start = look.v[i].start;
		while (i + 1 < look.n && look.v[i + 1].start - run_end(&look.v[i]) < NEAR)
			i++;
		part.end = run_end(&look.v[i]);
		pageset_add(present, at, (part.start - at) >> MEM_PAGE_SHIFT);
		r = walk_private(s, &part, false, false, present, dirty);
		at = part.end;
	}
	if (r == SCAN_TRACKED)
		pageset_add(present, at, (m->end - at) >> MEM_PAGE_SHIFT);
	return r;
}

enum scan_result scan_arm(const struct scan_space *s, const struct map *m, uint64_t from, uint64_t to,
			  bool whole, struct pageset *dirty)
{
	own_pageset struct pageset ignored = PAGESET_INIT;
	struct map part = *m;
	enum scan_result r = SCAN_WHOLE;

	part.start = from;
	part.end = to;
	if (!whole && s->uffd >= 0)
		r = walk_private(s, &part, true, false, NULL, dirty);
	if (r != SCAN_WHOLE)
		return r;
	/* Armed first, then taken whole: what is written in between is found again. */
	if (!whole && register_map(s, m) < 0) {
		r = SCAN_UNTRACKED;
	} else if (walk_private(s, &part, true, false, NULL, &ignored) == SCAN_GONE) {
		return SCAN_GONE;
	}
	return walk_private(s, &part, false, true, NULL, dirty) == SCAN_GONE ? SCAN_GONE : r;
}

enum scan_result scan_private(const struct scan_space *s, const struct map *m, struct pageset *present,
			      struct pageset *dirty)
{
	enum scan_result r;

	if (s->soft)
		return soft_private(s->soft, s->pagemap, m, present, dirty, NULL) ? SCAN_TRACKED
											    : SCAN_GONE;
	/* Copies of a file's pages that look clean may not be (scan.h). */
	if (s->uffd < 0 || m->kind == MAP_KIND_FILE)
		r = SCAN_WHOLE;
	else if (present && m->kind == MAP_KIND_ANON)
		r = walk_tracked(s, m, present, dirty);
	else
		r = walk_private(s, m, false, false, present, dirty);
	if (r == SCAN_WHOLE && walk_private(s, m, false, true, present, dirty) == SCAN_GONE)
		return SCAN_GONE;
	return r;
}

/* The exact shape of masks that counts missing entries as written, see scan.h. */
static enum scan_result walk_written(const struct scan_space *s, const struct map *m, bool arm,
				     struct pageset *dirty)
{
	struct pm_scan_arg_ arg = {
		.flags = SCAN_CHECK_WPASYNC | (arm ? SCAN_WP_MATCHING : 0),
		.category_mask = IS_WRITTEN,
		.return_mask = IS_WRITTEN,
	};

	return collect(s, m, &arg, dirty);
}

/* Where page tables are: after arming every entry in one is a page or a marker. */
static void walk_tables(const struct scan_space *s, const struct map *m, struct pageset *tables)
{
	struct pm_scan_arg_ arg = {
		.category_anyof_mask = IS_PRESENT | IS_SWAPPED,
		.return_mask = IS_PRESENT,
	};

	collect_addresses(s, m, &arg, tables);
}

enum scan_result scan_shared(const struct scan_space *s, const struct map *m, bool arm,
			     struct pageset *tables, struct pageset *dirty)
{
	own_pageset struct pageset now = PAGESET_INIT, went = PAGESET_INIT;
	enum scan_result r;

	if (s->soft)
		return soft_shared(s->pagemap, m, dirty) ? SCAN_TRACKED : SCAN_GONE;
	r = s->uffd < 0 ? SCAN_WHOLE : walk_written(s, m, arm, dirty);
	if (r == SCAN_GONE)
		return r;
	if (r == SCAN_WHOLE) {
		add_offsets(dirty, m, m->start, m->end);
		if (arm && register_map(s, m) < 0)
			return SCAN_UNTRACKED;
		if (arm) {
			own_pageset struct pageset ignored = PAGESET_INIT;

			walk_written(s, m, true, &ignored);
		}
	}
	if (!tables || !arm)
		return r;
	walk_tables(s, m, &now);
	pageset_move(&went, tables);
	pageset_remove_set(&went, &now);
	for (size_t i = 0; r == SCAN_TRACKED && i < went.n; i++)
		add_offsets(dirty, m, went.v[i].start, run_end(&went.v[i]));
	pageset_move(tables, &now);
	return r;
}
