// SPDX-License-Identifier: MIT
/* Unit tests of mem/store/store: random frames against a plain model; hostile frames; shared objects. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include <zstd.h>

#include "base/own.h"
#include "mem/maps.h"
#include "mem/store/store.h"

enum { PAGES = 1500, BASE = 0x40000000 }; /* three slots */

static int frame(struct store *s, uint8_t type, struct buf *b, struct err *e)
{
	struct frame f = { .type = type, .len = (uint32_t)b->len, .data = b->data };

	return store_frame(s, NULL, &f, e);
}

static int put_object(struct store *s, uint32_t nr, enum memobj_kind kind, uint64_t size)
{
	own_buf struct buf b = BUF_INIT;
	struct memobj o = { .nr = nr, .kind = kind, .id = nr, .dev = kind == MEMOBJ_SHARED,
			    .size = size, .name = "/memfd:test" };

	memmsg_put_object(&b, &o);
	return frame(s, MEMMSG_OBJECT, &b, NULL);
}

/* Pages filled with `fill`, or a list. */
static int put(struct store *s, uint8_t type, uint32_t nr, uint64_t start, uint64_t pages, bool flag,
	       uint8_t fill)
{
	own_buf struct buf b = BUF_INIT;
	struct run r = { start, pages };

	memmsg_put_runs(&b, nr, flag, &r, pages ? 1 : 0);
	if (type == MEMMSG_PAGES) {
		memset(buf_reserve(&b, pages << 12), fill, pages << 12);
		b.len += pages << 12;
	}
	return frame(s, type, &b, NULL);
}

static void same_as_model(struct store *s, uint32_t nr, uint64_t base, const int *model)
{
	static uint8_t page[MEM_PAGE], want[MEM_PAGE];
	uint64_t data = 0, zero = 0;

	for (uint64_t i = 0; i < PAGES; i++) {
		int ret = store_read(s, nr, base + (i << 12), 1, page, NULL);

		assert_int_equal(ret, model[i] < 0 ? -1 : 0);
		data += model[i] > 0;
		zero += model[i] == 0;
		if (model[i] < 0)
			continue;
		memset(want, model[i], sizeof(want));
		assert_memory_equal(page, want, sizeof(want));
	}
	assert_int_equal(store_stats(s).data_pages, data);
	assert_int_equal(store_stats(s).zero_pages, zero);
}

/* -1 absent, 0 zero, else the byte of the data. */
static void random_frames(enum memobj_kind kind)
{
	static const struct store_opts opts = { .max_pages = PAGES };
	struct store *s = store_new(&opts);
	uint64_t base = kind == MEMOBJ_SHARED ? 0 : BASE;
	int model[PAGES];

	srand(7);
	memset(model, -1, sizeof(model));
	assert_int_equal(put_object(s, 1, kind, PAGES << 12), 0);
	for (int round = 0; round < 400; round++) {
		uint64_t at = (uint64_t)rand() % PAGES, n = (uint64_t)rand() % 240 + 1;
		int what = rand() % 4, fill = rand() % 255 + 1;

		n = n < PAGES - at ? n : PAGES - at;
		if (what < 2)
			assert_int_equal(put(s, MEMMSG_PAGES, 1, base + (at << 12), n, rand() % 2,
					     (uint8_t)fill), 0);
		else
			assert_int_equal(put(s, what == 2 ? MEMMSG_ZERO : MEMMSG_DROP, 1,
					     base + (at << 12), n, false, 0), 0);
		for (uint64_t i = at; i < at + n; i++)
			model[i] = what < 2 ? fill : what == 2 ? 0 : -1;
		if (round % 20 == 0)
			same_as_model(s, 1, base, model);
	}
	/* A list: what it does not name goes, what it names and is not here is missing. */
	assert_int_equal(put(s, MEMMSG_PRESENT, 1, base + (100 << 12), 700, true, 0), 0);
	for (int i = 0; i < PAGES; i++)
		if (i < 100 || i >= 800)
			model[i] = -1;
	same_as_model(s, 1, base, model);
	{
		own_pageset struct pageset missing = PAGESET_INIT;

		assert_int_equal(store_missing(s, 1, &missing, NULL), 0);
		for (uint64_t i = 0; i < PAGES; i++)
			assert_int_equal(pageset_has(&missing, base + (i << 12)),
					 i >= 100 && i < 800 && model[i] < 0);
	}
	/* Released pages cost nothing and are not given twice. */
	if (kind == MEMOBJ_SPACE) {
		store_release(s, 1, base, PAGES);
		assert_int_equal(store_stats(s).data_pages, 0);
	}
	store_free(s);
}

static void test_space_against_a_model(void **state)
{
	(void)state;
	random_frames(MEMOBJ_SPACE);
}

static void test_shared_against_a_model(void **state)
{
	(void)state;
	random_frames(MEMOBJ_SHARED);
}

static void test_refuses(void **state)
{
	static const struct store_opts opts = { .max_pages = 1000, .max_objects = 3 };
	struct store *s = store_new(&opts);
	own_buf struct buf b = BUF_INIT;

	(void)state;
	assert_int_equal(put(s, MEMMSG_ZERO, 1, BASE, 1, false, 0), -1);   /* no object */
	assert_int_equal(put_object(s, 0, MEMOBJ_SPACE, 0), -1);
	assert_int_equal(put_object(s, 2, MEMOBJ_SPACE, 0), 0);	   /* 1 was left out */
	assert_int_equal(put_object(s, 1, MEMOBJ_SPACE, 0), 0);
	assert_int_equal(put_object(s, 2, MEMOBJ_SHARED, 5000), 0);
	assert_int_equal(put_object(s, 3, MEMOBJ_SPACE, 0), 0);
	assert_int_equal(put_object(s, 4, MEMOBJ_SPACE, 0), -1);	   /* too many */
	assert_int_equal(put(s, MEMMSG_PAGES, 2, 8192, 1, false, 1), -1);  /* behind its end */
	assert_int_equal(put(s, MEMMSG_PAGES, 2, 4096, 1, false, 1), 0);
	assert_int_equal(put(s, MEMMSG_ZERO, 1, BASE, 1u << 30, false, 0), -1); /* too much */
	assert_int_equal(put(s, MEMMSG_ZERO, 1, BASE, 900, false, 0), 0);
	assert_int_equal(put(s, MEMMSG_ZERO, 1, 2 * (uint64_t)BASE, 900, false, 0), -1);
	assert_true(store_stats(s).zero_pages <= 1000 + 512);
	/* Compressed bytes that are none. */
	memmsg_put_runs(&b, 3, false, &(struct run){ BASE, 2 }, 1);
	buf_put(&b, "garbage", 7);
	assert_int_equal(frame(s, MEMMSG_ZPAGES, &b, NULL), -1);
	/* Lists out of order, and one that never ends. */
	assert_int_equal(put(s, MEMMSG_PRESENT, 3, BASE + 8192, 1, false, 0), 0);
	assert_int_equal(put(s, MEMMSG_PRESENT, 3, BASE, 1, false, 0), -1);
	assert_int_equal(put(s, MEMMSG_PRESENT, 3, BASE + (8 << 20), 2000, false, 0), -1);
	store_free(s);
}

static void test_shared_has_its_exact_size(void **state)
{
	static const struct store_opts opts = { 0 };
	struct store *s = store_new(&opts);
	struct stat st;

	(void)state;
	assert_int_equal(put_object(s, 1, MEMOBJ_SHARED, 5000), 0);
	assert_int_equal(put(s, MEMMSG_PAGES, 1, 0, 2, false, 9), 0);
	assert_int_equal(fstat(store_shared_fd(s, 1), &st), 0);
	assert_int_equal(st.st_size, 5000);
	/* Cut and grown: what was behind is zero, not what it had been. */
	assert_int_equal(put_object(s, 1, MEMOBJ_SHARED, 4096), 0);
	assert_int_equal(put_object(s, 1, MEMOBJ_SHARED, 8192), 0);
	{
		uint8_t byte = 1;

		assert_int_equal(pread(store_shared_fd(s, 1), &byte, 1, 4097), 1);
		assert_int_equal(byte, 0);
		assert_int_equal(pread(store_shared_fd(s, 1), &byte, 1, 0), 1);
		assert_int_equal(byte, 9);
	}
	store_free(s);
}

static void test_the_newest_of_a_pid(void **state)
{
	static const struct store_opts opts = { 0 };
	struct store *s = store_new(&opts);
	own_buf struct buf b = BUF_INIT;
	struct memobj o = { .kind = MEMOBJ_SPACE, .id = 42 };

	(void)state;
	for (o.nr = 1; o.nr < 3; o.nr++) {
		buf_clear(&b);
		memmsg_put_object(&b, &o);
		assert_int_equal(frame(s, MEMMSG_OBJECT, &b, NULL), 0);
	}
	assert_int_equal(store_find_space(s, 42), 2);
	buf_clear(&b);
	buf_put_u32(&b, 2);
	assert_int_equal(frame(s, MEMMSG_GONE, &b, NULL), 0);
	assert_int_equal(store_find_space(s, 42), 1);
	assert_int_equal(store_find_space(s, 43), 0);
	store_free(s);
}

/* Processes come and go for hours: only those that live at once count. */
static void test_numbers_rise_for_ever(void **state)
{
	static const struct store_opts opts = { .max_objects = 10 };
	struct store *s = store_new(&opts);
	own_buf struct buf b = BUF_INIT;
	uint32_t first = INT32_MAX - 200000;
	struct memobj o;

	(void)state;
	for (uint32_t nr = first; nr < first + 200000; nr++) {
		assert_int_equal(put_object(s, nr, nr % 3 ? MEMOBJ_SPACE : MEMOBJ_SHARED, nr % 3 ? 0 : 4096), 0);
		assert_int_equal(put(s, MEMMSG_ZERO, nr, 0, 1, false, 0), 0);
		if (nr < first + 9)
			continue;
		assert_true(store_get(s, nr - 9, &o));
		assert_int_equal(o.nr, nr - 9);
		buf_clear(&b);
		buf_put_u32(&b, nr - 9);
		assert_int_equal(frame(s, MEMMSG_GONE, &b, NULL), 0);
		assert_int_equal(frame(s, MEMMSG_GONE, &b, NULL), -1);
		assert_false(store_get(s, nr - 9, &o));
		assert_int_equal(put(s, MEMMSG_ZERO, nr - 9, 0, 1, false, 0), -1);
	}
	assert_int_equal(store_stats(s).zero_pages, 9);
	assert_int_equal(put_object(s, 1, MEMOBJ_SPACE, 0), 0);
	assert_int_equal(put_object(s, 2, MEMOBJ_SPACE, 0), -1);
	store_free(s);
}

static void test_compressed(void **state)
{
	static const struct store_opts opts = { 0 };
	struct store *s = store_new(&opts);
	own_buf struct buf b = BUF_INIT;
	static uint8_t pages[3 << 12], back[3 << 12];
	size_t n;

	(void)state;
	assert_int_equal(put_object(s, 1, MEMOBJ_SPACE, 0), 0);
	for (size_t i = 0; i < sizeof(pages); i++)
		pages[i] = (uint8_t)(i / 100);
	memmsg_put_runs(&b, 1, false, (struct run[]){ { BASE, 1 }, { BASE + 0x5000, 2 } }, 2);
	n = ZSTD_compress(buf_reserve(&b, 10000), 10000, pages, sizeof(pages), 1);
	assert_false(ZSTD_isError(n));
	b.len += n;
	assert_int_equal(frame(s, MEMMSG_ZPAGES, &b, NULL), 0);
	assert_int_equal(store_read(s, 1, BASE, 1, back, NULL), 0);
	assert_int_equal(store_read(s, 1, BASE + 0x5000, 2, back + 4096, NULL), 0);
	assert_memory_equal(pages, back, sizeof(pages));
	store_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_space_against_a_model),
		cmocka_unit_test(test_shared_against_a_model),
		cmocka_unit_test(test_refuses),
		cmocka_unit_test(test_shared_has_its_exact_size),
		cmocka_unit_test(test_the_newest_of_a_pid),
		cmocka_unit_test(test_numbers_rise_for_ever),
		cmocka_unit_test(test_compressed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
