// SPDX-License-Identifier: MIT
/* Soft-dirty bits (mem/track/soft.h): the text of smaps; on kernels that have the bits, ourselves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/own.h"
#include "mem/track/soft.h"

static void empty_mappings(void **state)
{
	static const char text[] =
		"10000-20000 rw-p 00000000 00:00 0 \n"
		"Size:                 64 kB\n"
		"Rss:                   0 kB\n"
		"Swap:                  0 kB\n"
		"SwapPss:               0 kB\n"
		"20000-30000 rw-p 00000000 00:00 0                  [heap]\n"
		"Rss:                  12 kB\n"
		"Swap:                  0 kB\n"
		"30000-40000 ---p 00000000 00:00 0 \n"
		"Rss:                   0 kB\n"
		"Swap:                  4 kB\n"
		"40000-7f0000040000 ---p 00000000 00:00 0                  Rss: 0 kB\n"
		"Rss:                   0 kB\n"
		"Swap:                  0 kB\n"
		"7f0000040000-7f0000050000 r--p 00000000 00:00 0 \n"
		"Rss:                   0 kB";
	own_pageset struct pageset got = PAGESET_INIT;

	(void)state;
	soft_empty(text, &got);
	assert_int_equal(got.n, 2);
	assert_int_equal(got.v[0].start, 0x10000);
	assert_int_equal(got.v[0].pages, 16);
	assert_int_equal(got.v[1].start, 0x40000);
	assert_true(run_end(&got.v[1]) == 0x7f0000040000);
	pageset_clear(&got);
	soft_empty("", &got);
	soft_empty("Rss: 0 kB\nSwap: 0 kB\n", &got);
	soft_empty("5000-4000 rw-p\nRss: 0 kB\nSwap: 0 kB", &got);
	assert_int_equal(got.n, 0);
}

enum { PAGES = 1536, LEN = PAGES * 4096 };

struct own {
	char *p;
	struct map map;
	struct soft *soft;
	int pagemap;
};

/* From a page table's first page on. */
static char *some_memory(void)
{
	size_t huge = 2 << 20;
	char *p = mmap(NULL, LEN + huge, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_true(p != MAP_FAILED);
	madvise(p, LEN + huge, MADV_NOHUGEPAGE);
	return (char *)(((uintptr_t)p + huge - 1) & ~(uintptr_t)(huge - 1));
}

static void look(struct own *o, bool record, struct pageset *present, struct pageset *dirty)
{
	pageset_clear(present);
	pageset_clear(dirty);
	soft_begin(o->soft, getpid(), &(struct maps)MAPS_INIT);
	for (uint64_t at = o->map.start; at < o->map.end; at += 5 * 4096 * 37) { /* parts that share slots */
		struct soft_record seen = { .n = 0 };
		struct map part = o->map;

		part.start = at;
		part.end = o->map.end - at < 5 * 4096 * 37 ? o->map.end : at + 5 * 4096 * 37;
		assert_true(soft_private(o->soft, o->pagemap, &part, present, dirty, record ? &seen : NULL));
		soft_take(o->soft, &seen);
	}
	if (record)
		assert_int_equal(soft_clear(o->soft, getpid(), NULL), 0);
}

static void a_page_is_written(struct own *o)
{
	own_pageset struct pageset present = PAGESET_INIT, dirty = PAGESET_INIT;

	o->p[0] = o->p[4096 * 700] = 1;
	(void)*(volatile char *)(o->p + 4096 * 3); /* the zero page */
	look(o, true, &present, &dirty);
	assert_int_equal(present.pages, 2);
	assert_int_equal(dirty.pages, 2);
	look(o, false, &present, &dirty);
	assert_int_equal(present.pages, 2);
	assert_int_equal(dirty.pages, 0);
	o->p[4096 * 700] = 2;
	o->p[4096 * 701] = 2;
	look(o, false, &present, &dirty);
	assert_int_equal(present.pages, 3);
	assert_int_equal(dirty.pages, 2);
	assert_true(pageset_has(&dirty, (uintptr_t)o->p + 4096 * 700));
}

/* Moved there as a whole page table, without the bits: another frame. */
static void memory_is_moved(struct own *o)
{
	own_pageset struct pageset present = PAGESET_INIT, dirty = PAGESET_INIT;
	char *other = some_memory();

	memset(o->p, 1, LEN);
	memset(other, 2, LEN);
	look(o, true, &present, &dirty);
	look(o, true, &present, &dirty);
	assert_int_equal(dirty.pages, 0);
	assert_ptr_equal(mremap(other, LEN, LEN, MREMAP_MAYMOVE | MREMAP_FIXED, o->p), o->p);
	look(o, false, &present, &dirty);
	assert_int_equal(dirty.pages, PAGES);
}

static void what_is_forgotten(struct own *o)
{
	own_pageset struct pageset present = PAGESET_INIT, dirty = PAGESET_INIT, gone = PAGESET_INIT;

	memset(o->p, 3, LEN);
	look(o, true, &present, &dirty);
	pageset_add(&gone, (uintptr_t)o->p + 4096 * 5, 600);
	soft_forget(o->soft, &gone);
	look(o, false, &present, &dirty);
	assert_int_equal(dirty.pages, 600);
	assert_true(pageset_has(&dirty, (uintptr_t)o->p + 4096 * 5));
	assert_false(pageset_has(&dirty, (uintptr_t)o->p + 4096 * 605));
	soft_forget(o->soft, NULL);
	look(o, false, &present, &dirty);
	assert_int_equal(dirty.pages, PAGES);
}

static void ourselves(void **state)
{
	struct own o;

	(void)state;
	if (soft_usable(NULL) < 0)
		skip();
	o.p = some_memory();
	o.map = (struct map){ .start = (uintptr_t)o.p, .end = (uintptr_t)o.p + LEN,
			      .kind = MAP_KIND_ANON };
	o.pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	o.soft = soft_new();
	assert_true(o.pagemap >= 0);
	a_page_is_written(&o);
	memory_is_moved(&o);
	what_is_forgotten(&o);
	soft_free(o.soft);
	close(o.pagemap);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty_mappings),
		cmocka_unit_test(ourselves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
