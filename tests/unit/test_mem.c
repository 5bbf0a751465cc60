// SPDX-License-Identifier: MIT
/* Unit tests of mem/: page sets against a bitmap, maps texts, frames with every byte changed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <cmocka.h>

#include "base/own.h"
#include "mem/maps.h"
#include "mem/msg.h"
#include "mem/pageset.h"
#include "mem/store/pagebits.h"

enum { BITS = 300 };

static void same_as_bits(const struct pageset *s, const uint8_t *bits)
{
	uint64_t pages = 0;

	for (uint64_t i = 0; i < BITS; i++) {
		assert_int_equal(pageset_has(s, i << 12), bits[i]);
		pages += bits[i];
	}
	assert_int_equal(s->pages, pages);
	for (size_t i = 0; i < s->n; i++) {
		assert_true(s->v[i].pages > 0);
		if (i)
			assert_true(s->v[i].start > run_end(&s->v[i - 1]));
	}
	assert_int_equal(pageset_count(s, 0, (uint64_t)BITS << 12), pages);
}

static void random_set(struct pageset *s, uint8_t *bits)
{
	pageset_clear(s);
	memset(bits, 0, BITS);
	for (int i = rand() % 40; i > 0; i--) {
		unsigned at = (unsigned)rand() % BITS, n = (unsigned)rand() % 12;

		n = n > BITS - at ? BITS - at : n;
		if (rand() % 3) {
			pageset_add(s, (uint64_t)at << 12, n);
			memset(bits + at, 1, n);
		} else {
			pageset_remove(s, (uint64_t)at << 12, n);
			memset(bits + at, 0, n);
		}
		same_as_bits(s, bits);
	}
}

static void test_pageset_is_a_set(void **state)
{
	own_pageset struct pageset a = PAGESET_INIT, b = PAGESET_INIT;
	uint8_t abits[BITS], bbits[BITS];

	(void)state;
	srand(4711);
	for (int round = 0; round < 600; round++) {
		random_set(&a, abits);
		random_set(&b, bbits);
		if (round % 3 == 0)
			pageset_add_set(&a, &b);
		else if (round % 3 == 1)
			pageset_remove_set(&a, &b);
		else
			pageset_keep(&a, &b);
		for (int i = 0; i < BITS; i++)
			abits[i] = round % 3 == 0   ? abits[i] | bbits[i]
				   : round % 3 == 1 ? abits[i] & !bbits[i]
						    : abits[i] & bbits[i];
		same_as_bits(&a, abits);
	}
}

static int parse(struct maps *m, const char *text, struct err *e)
{
	return maps_parse(m, xstrdup(text), strlen(text), makedev(0, 1), e);
}

static const char typical[] =
	"555555554000-555555556000 r--p 00000000 fe:00 4711                       /usr/bin/a b\n"
	"555555556000-555555557000 rw-p 00002000 fe:00 4711                       /usr/bin/a b\n"
	"555555577000-555555598000 rw-p 00000000 00:00 0                          [heap]\n"
	"7ffff0000000-7ffff0021000 rw-s 00000000 00:01 12                         /memfd:x (deleted)\n"
	"7ffff1000000-7ffff1001000 rw-s 00001000 00:1f 77                         /dev/shm/y\n"
	"7ffff2000000-7ffff2001000 rw-s 00000000 00:13 88                         /[aio] (deleted)\n"
	"7ffff3000000-7ffff3200000 rw-p 00000000 00:0f 99                         /anon_hugepage (deleted)\n"
	"7ffff7fc1000-7ffff7fc5000 r--p 00000000 00:00 0                          [vvar]\n"
	"7ffff7fc5000-7ffff7fc7000 r-xp 00000000 00:00 0                          [vdso]\n"
	"7ffffffde000-7ffffffff000 rw-p 00000000 00:00 0                          [stack]\n"
	"ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]\n";

/* Random pages go and come back; every question is answered as by a plain array. */
static void test_pagebits_is_a_set(void **state)
{
	enum { PAGES = 4 * SLOT_PAGES };
	const uint64_t at = 100 * SLOT_SIZE + 300 * 4096;

	(void)state;
	for (unsigned seed = 0; seed < 20; seed++) {
		static uint8_t was[PAGES], in[PAGES];
		own_pageset struct pageset s = PAGESET_INIT, back = PAGESET_INIT;
		struct pagebits b = PAGEBITS_INIT, copy;
		uint64_t start = 0, pages = 0;

		srand(seed);
		for (unsigned i = 0; i < PAGES; i++) { /* with a slot that has none */
			was[i] = in[i] = (i < 700 || i >= 1300) && rand() % 4;
			if (in[i])
				pageset_add(&s, at + i * 4096ull, 1);
		}
		pagebits_init(&b, &s);
		assert_int_equal(b.pages, s.pages);
		for (unsigned step = 0; step < 300; step++) {
			unsigned from = (unsigned)rand() % PAGES, n = (unsigned)rand() % 600;
			uint64_t span = 0;

			n = n < PAGES - from ? n : PAGES - from;
			if (step % 3) {
				pagebits_remove(&b, at + from * 4096ull, n);
				for (unsigned i = from; i < from + n; i++)
					in[i] = 0;
			} else {
				for (unsigned i = from; i < from + n && was[i]; i++) {
					pagebits_add(&b, at + i * 4096ull, 1);
					in[i] = 1;
				}
			}
			from = (unsigned)rand() % PAGES;
			while (from + span < PAGES && span < 100 && in[from + span])
				span++;
			assert_int_equal(pagebits_span(&b, at + from * 4096ull, 100), span);
			while (from < PAGES && !in[from])
				from++;
			for (span = 0; from + span < PAGES && in[from + span];)
				span++;
			assert_int_equal(pagebits_next(&b, at + from * 4096ull, UINT64_MAX, &start), span);
			assert_true(!span || start == at + from * 4096ull);
		}
		pagebits_copy(&copy, &b);
		pagebits_runs(&copy, &back);
		for (unsigned i = 0; i < PAGES; i++) {
			assert_int_equal(pageset_has(&back, at + i * 4096ull), in[i]);
			pages += in[i];
		}
		assert_int_equal(back.pages, pages);
		assert_int_equal(b.pages, pages);
		pagebits_remove(&b, 0, UINT64_MAX >> 12);
		assert_int_equal(b.pages, 0);
		assert_int_equal(pagebits_next(&b, 0, 1, &start), 0);
		pagebits_fini(&b);
		pagebits_fini(&copy);
	}
}

static void test_maps_kinds(void **state)
{
	static const enum map_kind kinds[] = {
		MAP_KIND_FILE,	 MAP_KIND_FILE,	   MAP_KIND_ANON,   MAP_KIND_SHM,
		MAP_KIND_SHARED_FILE, MAP_KIND_KERNEL, MAP_KIND_HUGETLB, MAP_KIND_KERNEL,
		MAP_KIND_KERNEL, MAP_KIND_ANON,	   MAP_KIND_KERNEL,
	};
	own_maps struct maps m = MAPS_INIT;

	(void)state;
	assert_int_equal(parse(&m, typical, NULL), 0);
	assert_int_equal(m.n, array_len(kinds));
	for (size_t i = 0; i < m.n; i++)
		assert_int_equal(m.v[i].kind, kinds[i]);
	assert_string_equal(m.v[0].name, "/usr/bin/a b");
	assert_int_equal(m.v[3].ino, 12);
	assert_int_equal(m.v[1].offset, 0x2000);
	assert_ptr_equal(maps_find(&m, 0x555555597fff), &m.v[2]);
	assert_null(maps_find(&m, 0x555555598000));
	assert_true(map_can_be_lazy(&m.v[2]));
	assert_false(map_can_be_lazy(&m.v[1]));
}

static void test_maps_smaps(void **state)
{
	own_maps struct maps m = MAPS_INIT, n = MAPS_INIT;

	(void)state;
	assert_int_equal(parse(&m,
			       "1000-3000 rw-p 00000000 00:00 0 \n"
			       "Size:                  8 kB\n"
			       "VmFlags: rd wr mr mw me lo ac sd \n"
			       "4000-5000 rw-s 00000000 00:05 3 /dev/mem\n"
			       "VmFlags: rd wr sh mr mw me ms pf io de dd \n",
			       NULL),
			 0);
	assert_int_equal(m.v[0].vm, MAP_VM_KNOWN | MAP_VM_LOCKED);
	assert_int_equal(m.v[1].kind, MAP_KIND_DEVICE);
	assert_string_equal(m.v[0].name, "");
	assert_false(map_can_be_lazy(&m.v[0]));
	assert_int_equal(parse(&n, "1000-3000 rw-p 00000000 00:00 0\n"
				   "4000-5000 rw-s 00000000 00:05 3 /dev/mem\n"
				   "6000-7000 rw-p 00000000 00:00 0\n", NULL), 0);
	assert_int_equal(maps_inherit_vm(&n, &m), 1);
	assert_int_equal(n.v[0].vm & MAP_VM_LOCKED, MAP_VM_LOCKED);
	assert_int_equal(n.v[1].kind, MAP_KIND_DEVICE);
}

static void test_maps_refuses(void **state)
{
	static const char *const bad[] = {
		"1000-1000 rw-p 00000000 00:00 0\n",
		"1000-1800 rw-p 00000000 00:00 0\n",
		"3000-2000 rw-p 00000000 00:00 0\n",
		"1000-2000 rw-p 00000000 00:00\n",
		"1000-2000 rwzp 00000000 00:00 0\n",
		"1000-2000 rw\n",
		"1000-2000 rw-p 00000000 00:00 x\n",
		"1000-11111111111111111 rw-p 00000000 00:00 0\n",
		"1000-3000 rw-p 00000000 00:00 0\n2000-4000 rw-p 00000000 00:00 0\n",
		"\n", "-", "1000-",
	};
	struct maps m;

	(void)state;
	for (size_t i = 0; i < array_len(bad); i++) {
		struct err e = ERR_INIT;

		assert_int_equal(parse(&m, bad[i], &e), -1);
		assert_int_equal(e.code, ERR_UNSUPPORTED);
		assert_null(m.v);
	}
	assert_int_equal(parse(&m, "", NULL), 0);
	assert_int_equal(m.n, 0);
	maps_fini(&m);
}

struct both {
	struct pageset gone, fresh;
};

static void add_gone(void *arg, const struct map *m, uint64_t start, uint64_t end)
{
	assert_true(m->start <= start && end <= m->end && start < end);
	pageset_add(&((struct both *)arg)->gone, start, (end - start) >> 12);
}

static void add_fresh(void *arg, const struct map *m, uint64_t start, uint64_t end)
{
	assert_true(m->start <= start && end <= m->end && start < end);
	pageset_add(&((struct both *)arg)->fresh, start, (end - start) >> 12);
}

static void test_maps_compare(void **state)
{
	own_maps struct maps was = MAPS_INIT, is = MAPS_INIT;
	struct both b = { PAGESET_INIT, PAGESET_INIT };

	(void)state;
	parse(&was, "1000-9000 rw-p 00000000 00:00 0\n"	  /* split by mprotect, hole, grown */
		    "a000-c000 rw-s 00003000 00:01 5\n"	  /* another window */
		    "d000-f000 rw-s 00001000 00:01 6\n", NULL);
	parse(&is, "1000-4000 rw-p 00000000 00:00 0\n4000-5000 r--p 00000000 00:00 0\n"
		   "6000-a000 rw-p 00000000 00:00 0\n"
		   "a000-c000 rw-s 00004000 00:01 5\n"
		   "c000-e000 rw-s 00000000 00:01 6\n", NULL);
	maps_compare(&was, &is, add_gone, add_fresh, &b);
	for (uint64_t p = 0; p < 16; p++) {
		assert_int_equal(pageset_has(&b.gone, p << 12), p == 5 || p == 0xa || p == 0xb || p == 0xe);
		assert_int_equal(pageset_has(&b.fresh, p << 12), p == 9 || p == 0xa || p == 0xb || p == 0xc);
	}
	pageset_fini(&b.gone);
	pageset_fini(&b.fresh);
}

static struct frame frame_of(uint8_t type, struct buf *b)
{
	return (struct frame){ .type = type, .len = (uint32_t)b->len, .data = b->data };
}

static void test_msg_roundtrip(void **state)
{
	own_buf struct buf b = BUF_INIT, c = BUF_INIT;
	struct memobj o = { .nr = 7, .kind = MEMOBJ_SHARED, .id = 12, .dev = 1, .size = 1 << 20,
			    .name = "/memfd:x" }, back;
	struct run v[3] = { { 0x1000, 1 }, { 0x5000, 2 }, { 0x7000, 1 } }, got[MEMMSG_MAX_RUNS];
	struct memmsg_runs m;
	struct frame f;

	(void)state;
	memmsg_put_object(&b, &o);
	f = frame_of(MEMMSG_OBJECT, &b);
	assert_int_equal(memmsg_get_object(&f, &back, NULL), 0);
	assert_int_equal(back.nr, 7);
	assert_int_equal(back.size, 1 << 20);
	assert_string_equal(back.name, "/memfd:x");
	for (uint32_t cut = 0; cut < b.len; cut++) {
		f.len = cut;
		assert_int_equal(memmsg_get_object(&f, &back, NULL), -1);
	}

	memmsg_put_runs(&c, 9, true, v, 3);
	f = frame_of(MEMMSG_ZERO, &c);
	assert_int_equal(memmsg_get_runs(&f, &m, got, NULL), 0);
	assert_int_equal(m.pages, 4);
	assert_int_equal(m.n, 3);
	assert_true(m.dense);
	assert_memory_equal(got, v, sizeof(v));
	f.type = MEMMSG_PAGES; /* the data is missing */
	assert_int_equal(memmsg_get_runs(&f, &m, got, NULL), -1);
	memset(buf_reserve(&c, 4 << 12), 1, 4 << 12);
	c.len += 4 << 12;
	f = frame_of(MEMMSG_PAGES, &c);
	assert_int_equal(memmsg_get_runs(&f, &m, got, NULL), 0);
	assert_int_equal(m.data_len, 4 << 12);
	f.len--;
	assert_int_equal(memmsg_get_runs(&f, &m, got, NULL), -1);
}

static void refused(const struct run *v, uint32_t n)
{
	own_buf struct buf b = BUF_INIT;
	struct run got[MEMMSG_MAX_RUNS];
	struct memmsg_runs m;
	struct frame f;

	memmsg_put_runs(&b, 1, false, v, n);
	f = frame_of(MEMMSG_ZERO, &b);
	assert_int_equal(memmsg_get_runs(&f, &m, got, NULL), -1);
}

static void test_msg_refuses_bad_runs(void **state)
{
	(void)state;
	refused((struct run[]){ { 0x1000, 0 } }, 1);
	refused((struct run[]){ { 0x1001, 1 } }, 1);
	refused((struct run[]){ { 0x2000, 1 }, { 0x1000, 1 } }, 2);
	refused((struct run[]){ { 0x1000, 2 }, { 0x2000, 1 } }, 2);
	refused((struct run[]){ { UINT64_MAX & ~0xfffull, 1 } }, 1);
	refused((struct run[]){ { 0x1000, UINT64_MAX } }, 1);
	refused((struct run[]){ { 0x1000, (UINT64_C(1) << 52) + 1 } }, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pageset_is_a_set),
		cmocka_unit_test(test_pagebits_is_a_set),
		cmocka_unit_test(test_maps_kinds),
		cmocka_unit_test(test_maps_smaps),
		cmocka_unit_test(test_maps_refuses),
		cmocka_unit_test(test_maps_compare),
		cmocka_unit_test(test_msg_roundtrip),
		cmocka_unit_test(test_msg_refuses_bad_runs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
