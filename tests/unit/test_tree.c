// SPDX-License-Identifier: MIT
/*
 * Pure parts of tree/: what travels, the order of paths, exclude rules,
 * unpacking.  Every truncation and every bit flip of a valid batch must be
 * decoded without harm: to a record that keeps its promises, or to an error.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/own.h"
#include "tree/changes/held.h"
#include "tree/exclude.h"
#include "tree/known.h"
#include "tree/leases.h"
#include "tree/links.h"
#include "tree/msg.h"
#include "tree/pack.h"
#include "tree/spill.h"
#include "tree/zip.h"
#include "wire/proto.h"

static struct meta some_meta(struct buf *xattrs, uint32_t mode)
{
	struct meta m = { .mode = mode, .uid = 4000000000u, .gid = 70000, .atime_s = -5,
			  .mtime_s = 1 << 30, .mtime_ns = 999999999 };

	if (!xattrs->len) {
		xattr_put(xattrs, "user.a", "value", 5);
		xattr_put(xattrs, "trusted.empty", NULL, 0);
	}
	m.xattrs = xattrs->data;
	m.xattrs_len = (uint32_t)xattrs->len;
	return m;
}

static void put_one_of_each(struct buf *b)
{
	own_buf struct buf x = BUF_INIT;
	struct meta m = some_meta(&x, S_IFREG | 04755);
	size_t at;

	rec_put_cd(b, "a/b\n/\xff", 6);
	at = rec_put_file(b, "file", &m);
	buf_put(b, "contents", 8);
	rec_put_end(b, at);
	at = rec_put_chunk(b, "big", 1u << 31);
	buf_put(b, "chunk", 5);
	rec_put_end(b, at);
	rec_put_range(b, REC_ZERO, "big", 0, 65536);
	rec_put_range(b, REC_HOLE, "big", 65536, 65536);
	rec_put_final(b, "big", &m, UINT64_C(1) << 40);
	m.mode = S_IFLNK | 0777;
	rec_put_symlink(b, "link", &m, "../../etc");
	m.mode = S_IFBLK | 0660;
	rec_put_node(b, "disk", &m, UINT64_C(259) << 32 | 70000);
	rec_put_link(b, "again", "a/file", 6);
	m.mode = S_IFDIR | 01777;
	rec_put_dir(b, &m);
	rec_put_remove(b, "gone");
	m.mode = S_IFIFO | 0600;
	rec_put_meta(b, "fifo", &m);
	rec_put_flags(b, "", TREE_IMMUTABLE);
	rec_put_cd(b, "", 0);
}

/* Whatever the bytes were: names that came out are single components. */
static void check_promises(const struct rec *rec)
{
	if (rec->name && (*rec->name || rec->kind != REC_FLAGS))
		assert_true(tree_name_ok(rec->name, strlen(rec->name)));
	if (rec->path) {
		assert_int_equal(strlen(rec->path), rec->path_len);
		assert_true(rec->path_len <= TREE_MAX_PATH);
		assert_false(rec->path[0] == '/' || strstr(rec->path, "//"));
		assert_false(!strcmp(rec->path, "..") || !strncmp(rec->path, "../", 3) ||
			     strstr(rec->path, "/../"));
	}
	assert_true(rec->offset <= TREE_MAX_SIZE && rec->len <= TREE_MAX_SIZE);
}

static int decode(const void *data, size_t len, unsigned *n)
{
	struct reader r = reader_of(data, len);
	struct err e = ERR_INIT;
	struct rec rec;
	int more;

	*n = 0;
	while ((more = rec_get(&r, &rec, &e)) > 0) {
		check_promises(&rec);
		(*n)++;
	}
	assert_true(more == 0 ? e.code == ERR_NONE : e.code == ERR_PROTO);
	return more;
}

static void test_records_come_back(void **state)
{
	own_buf struct buf b = BUF_INIT;
	struct err e = ERR_INIT;
	struct reader r;
	struct rec rec;
	unsigned n;

	(void)state;
	put_one_of_each(&b);
	assert_int_equal(decode(b.data, b.len, &n), 0);
	assert_int_equal(n, 14);
	r = reader_of(b.data, b.len);
	assert_int_equal(rec_get(&r, &rec, &e), 1);
	assert_string_equal(rec.path, "a/b\n/\xff");
	assert_int_equal(rec_get(&r, &rec, &e), 1);
	assert_string_equal(rec.name, "file");
	assert_int_equal(rec.meta.mode, S_IFREG | 04755);
	assert_true(rec.meta.uid == 4000000000u && rec.meta.atime_s == -5);
	assert_int_equal(rec.data_len, 8);
	assert_memory_equal(rec.data, "contents", 8);
}

static void test_every_truncation_and_bit_flip(void **state)
{
	own_buf struct buf b = BUF_INIT;
	unsigned n;

	(void)state;
	put_one_of_each(&b);
	for (size_t len = 0; len < b.len; len++) {
		/* An own allocation: a read past the end is seen by valgrind and ASan. */
		own_free uint8_t *copy = xmalloc(len + 1);

		memcpy(copy, b.data, len);
		decode(copy, len, &n);
		assert_true(n < 14);
	}
	for (size_t bit = 0; bit < b.len * 8; bit++) {
		b.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		decode(b.data, b.len, &n);
		b.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}

static void refuse(const struct buf *b)
{
	unsigned n;

	assert_int_equal(decode(b->data, b->len, &n), -1);
}

static void test_names_that_lead_elsewhere_are_refused(void **state)
{
	static const char *const bad[] = { "", ".", "..", "a/b", "/" };
	static const char *const bad_paths[] = { "/", "/etc", "..", "a/..", "a//b", "a/",
						 "./a", "../x" };

	(void)state;
	for (size_t i = 0; i < array_len(bad); i++) {
		own_buf struct buf b = BUF_INIT;

		rec_put_remove(&b, bad[i]);
		refuse(&b);
	}
	for (size_t i = 0; i < array_len(bad_paths); i++) {
		own_buf struct buf b = BUF_INIT, c = BUF_INIT;

		rec_put_cd(&b, bad_paths[i], strlen(bad_paths[i]));
		refuse(&b);
		rec_put_link(&c, "x", bad_paths[i], strlen(bad_paths[i]));
		refuse(&c);
	}
}

static void test_lists_and_questions(void **state)
{
	own_buf struct buf b = BUF_INIT, q = BUF_INIT, s = BUF_INIT;
	struct list_entry in = { .mode = S_IFREG | 0644, .size = 77, .ino = 5, .nlink = 2,
				 .mtime_s = -1, .digest = UINT64_MAX };
	struct sums_ask ask = { .id = 9, .path = "a/b", .path_len = 3, .size = 1 << 20 };
	struct sums_msg sums = { .id = 9, .last = true, .offset = 0,
				 .sums = (const uint8_t *)"0123456789abcdef", .n_sums = 1 };
	struct list_rec out;
	struct err e = ERR_INIT;
	struct reader r;

	(void)state;
	list_put_dir(&b, "dir", 3);
	list_put_entry(&b, "name", &in);
	r = reader_of(b.data, b.len);
	assert_int_equal(list_get(&r, &out, &e), 1);
	assert_string_equal(out.path, "dir");
	assert_int_equal(list_get(&r, &out, &e), 1);
	assert_memory_equal(&out.entry, &in, sizeof(in));
	assert_int_equal(list_get(&r, &out, &e), 0);
	for (size_t bit = 0; bit < b.len * 8; bit++) {
		b.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		r = reader_of(b.data, b.len);
		while (list_get(&r, &out, &e) > 0)
			;
		b.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	sums_ask_put(&q, &ask);
	assert_int_equal(sums_ask_get(q.data, q.len, &ask, &e), 0);
	assert_string_equal(ask.path, "a/b");
	for (size_t len = 0; len < q.len; len++)
		assert_int_equal(sums_ask_get(q.data, len, &ask, NULL), -1);
	sums_put(&s, &sums);
	assert_int_equal(sums_get(s.data, s.len, &sums, &e), 0);
	assert_int_equal(sums.n_sums, 1);
	for (size_t len = 0; len < s.len; len++)
		if (len != 13) /* without any hash it is whole, too */
			assert_int_equal(sums_get(s.data, len, &sums, NULL), -1);
}

static void test_paths_sort_as_the_walk_goes(void **state)
{
	static const char *const sorted[] = { "", "a", "a/b", "a/b/c", "a/b!", "a!", "a!/b", "b" };

	(void)state;
	for (size_t i = 0; i < array_len(sorted); i++)
		for (size_t k = 0; k < array_len(sorted); k++) {
			int order = tree_path_order(sorted[i], sorted[k]);

			assert_true(i < k ? order < 0 : i > k ? order > 0 : order == 0);
		}
}

static void test_excludes(void **state)
{
	static const struct {
		const char *rules[3];
		const char *path;
		bool is_dir, out;
	} t[] = {
		{ { "*.o" }, "a/b/x.o", false, true },
		{ { "*.o" }, "a/b/x.oo", false, false },
		{ { "- *.o" }, "x.o", false, true },
		{ { "/proc" }, "proc", true, true },
		{ { "/proc" }, "a/proc", true, false },
		{ { "proc" }, "a/proc", true, true },
		{ { "tmp/" }, "a/tmp", true, true },
		{ { "tmp/" }, "a/tmp", false, false },
		{ { "a/b" }, "x/a/b", false, true },
		{ { "a/b" }, "xa/b", false, false },
		{ { "a/*/c" }, "a/b/c", false, true },
		{ { "a/*/c" }, "a/b/b/c", false, false },
		{ { "a/**/c" }, "a/b/b/c", false, true },
		{ { "/a/**" }, "a/b/b", false, true },
		{ { "/a/**" }, "a", true, false },
		{ { "/a/***" }, "a", true, true },
		{ { "/a/***" }, "a/b/c", false, true },
		{ { "/a/***" }, "ab", true, false },
		{ { "?" }, "x", false, true },
		{ { "?" }, "xy", false, false },
		{ { "[a-c]x" }, "bx", false, true },
		{ { "[!a-c]x" }, "bx", false, false },
		{ { "[]]" }, "]", false, true },
		{ { "[x" }, "[x", false, true },
		{ { "\\*" }, "*", false, true },
		{ { "\\*" }, "a", false, false },
		{ { "+ keep.o", "*.o" }, "keep.o", false, false },
		{ { "+ keep.o", "*.o" }, "other.o", false, true },
		{ { "*.o", "+ keep.o" }, "keep.o", false, true },
		{ { "a*b**c" }, "aXb/d/c", false, true },
		{ { "**x*y" }, "a/x/xzy", false, true },
		{ { "/var/lib/*/tmp" }, "var/lib/q/tmp", true, true },
	};

	(void)state;
	for (size_t i = 0; i < array_len(t); i++) {
		struct exclude *x = exclude_new();
		struct err e = ERR_INIT;

		for (size_t k = 0; k < 3 && t[i].rules[k]; k++)
			assert_int_equal(exclude_add(x, t[i].rules[k], &e), 0);
		if (exclude_match(x, t[i].path, t[i].is_dir) != t[i].out)
			fail_msg("rule %s, path %s", t[i].rules[0], t[i].path);
		exclude_free(x);
	}
}

static void test_exclude_rules_that_are_none(void **state)
{
	struct exclude *x = exclude_new();
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(exclude_add(x, "", &e), -1);
	assert_int_equal(exclude_add(x, "- ", &e), -1);
	assert_int_equal(exclude_add(x, "/", &e), -1);
	assert_int_equal(e.code, ERR_USAGE);
	/* A pattern made to take for ever does not. */
	assert_int_equal(exclude_add(x, "*a*a*a*a*a*a*a*a*a*a*b**a**a**a**c", &e), 0);
	assert_false(exclude_match(x, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false));
	exclude_free(x);
}

static void test_zipped_batches(void **state)
{
	own_buf struct buf out = BUF_INIT;
	struct zip *z = zip_new(TREE_ZIP_ON);
	own_free uint8_t *data = xcalloc(1, 100000), *back = NULL;
	struct err e = ERR_INIT;
	size_t len;

	(void)state;
	assert_true(zip_try(z, data, 100000, &out));
	assert_int_equal(pack_unzip(out.data, out.len, &back, &len, &e), 0);
	assert_int_equal(len, 100000);
	assert_memory_equal(back, data, len);
	for (size_t bit = 0; bit < out.len * 8; bit++) {
		own_free uint8_t *bad = NULL;

		out.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		if (pack_unzip(out.data, out.len, &bad, &len, NULL) == 0)
			assert_true(len <= PROTO_MAX_FRAME);
		out.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	for (size_t n = 0; n < out.len; n++) {
		own_free uint8_t *cut = NULL;

		assert_int_equal(pack_unzip(out.data, n, &cut, &len, &e), -1);
	}
	zip_free(z);
}

static void test_links_remember_their_names(void **state)
{
	struct links *l = links_new();
	own_buf struct buf primary = BUF_INIT;
	struct err e = ERR_INIT;
	bool first;

	(void)state;
	for (uint64_t ino = 1; ino < 5000; ino++) {
		own_free char *a = xasprintf("dir/a%d", (int)ino), *b = xasprintf("b%d", (int)ino);
		struct inode id = { 8, ino };

		assert_int_equal(links_add(l, id, a, strlen(a), &first, &primary, &e), 0);
		assert_true(first);
		assert_int_equal(links_add(l, id, b, strlen(b), &first, &primary, &e), 0);
		assert_false(first);
		assert_int_equal(primary.len, strlen(a));
		assert_memory_equal(primary.data, a, primary.len);
	}
	links_forget(l, (struct inode){ 8, 7 });
	assert_int_equal(links_add(l, (struct inode){ 8, 7 }, "n", 1, &first, &primary, &e), 0);
	assert_true(first);
	assert_true(links_pair(l, 70, (struct inode){ 8, 1 }));
	assert_true(links_pair(l, 70, (struct inode){ 8, 1 }));
	assert_false(links_pair(l, 70, (struct inode){ 8, 2 }));
	links_free(l);
}

static void assert_sum(struct known *k, uint64_t offset, const void *block, size_t len)
{
	uint8_t want[TREE_SUM], got[TREE_SUM];

	known_hash(block, len, want);
	assert_true(known_get(k, 7, offset, &got, 1));
	assert_memory_equal(got, want, TREE_SUM);
}

static void test_known_blocks(void **state)
{
	uint8_t many[4][TREE_SUM];
	const uint64_t at = KNOWN_FROM + (UINT64_C(5) << 30);
	static const uint8_t hole[TREE_SUM], zeros[TREE_BLOCK];
	own_free uint8_t *data = xmalloc(4 * TREE_BLOCK);
	struct stat st = { .st_ino = 7, .st_size = 100, .st_nlink = 1, .st_ctim = { 5, 6 } };
	struct known *k = known_new();
	uint8_t sum[TREE_SUM];

	(void)state;
	for (size_t i = 0; i < 4 * (size_t)TREE_BLOCK; i++)
		data[i] = (uint8_t)(i * 31 >> 3);
	/* Too near the beginning, a part of a block, whole ones, a part at the end. */
	known_data(k, 7, true, data, 4 * TREE_BLOCK, KNOWN_FROM - 2 * TREE_BLOCK);
	assert_false(known_get(k, 7, KNOWN_FROM - TREE_BLOCK, &sum, 1));
	assert_sum(k, KNOWN_FROM, data + 2 * (size_t)TREE_BLOCK, TREE_BLOCK);
	known_data(k, 7, true, data + 100, 2 * TREE_BLOCK, at + 100);
	assert_false(known_get(k, 7, at, &sum, 1));
	assert_sum(k, at + TREE_BLOCK, data + TREE_BLOCK, TREE_BLOCK);
	assert_sum(k, at + 2 * TREE_BLOCK, data + 2 * (size_t)TREE_BLOCK, 100);
	assert_int_equal(known_get(k, 7, at + TREE_BLOCK, many, 4), 4);
	assert_memory_equal(many[2], hole, TREE_SUM);
	assert_int_equal(known_get(k, 7, at, many, 4), 0);
	/* What was never written of a fresh file is a hole, on pages that were begun. */
	assert_true(known_get(k, 7, at + 3 * TREE_BLOCK, &sum, 1));
	assert_memory_equal(sum, hole, TREE_SUM);
	assert_false(known_get(k, 7, at + (UINT64_C(1) << 30), &sum, 1));
	known_zeros(k, 7, true, false, 2 * TREE_BLOCK, at + TREE_BLOCK);
	assert_sum(k, at + 2 * TREE_BLOCK, zeros, TREE_BLOCK);
	known_zeros(k, 7, true, true, TREE_BLOCK, at + TREE_BLOCK);
	assert_true(known_get(k, 7, at + TREE_BLOCK, &sum, 1));
	assert_memory_equal(sum, hole, TREE_SUM);
	/* An overwritten part. */
	known_data(k, 7, true, data, 10, at + 2 * TREE_BLOCK + 5);
	assert_false(known_get(k, 7, at + 2 * TREE_BLOCK, &sum, 1));
	/* Only what was sealed, and is as it was. */
	assert_false(known_open(k, &st));
	known_seal(k, &st);
	assert_true(known_open(k, &st));
	st.st_ctim.tv_nsec++;
	assert_false(known_open(k, &st));
	known_forget(k, 7);
	assert_false(known_get(k, 7, KNOWN_FROM, &sum, 1));
	/* In a file that was there before, nothing is taken for a hole. */
	known_sum(k, 8, hole, KNOWN_FROM);
	assert_true(known_get(k, 8, KNOWN_FROM, &sum, 1));
	assert_false(known_get(k, 8, KNOWN_FROM + TREE_BLOCK, &sum, 1));
	known_free(k);
}

static void test_overlays_that_no_event_tells_of(void **state)
{
	char lower[] = "36 35 0:98 / /m ro - overlay overlay ro,lowerdir=/a:/b\n"
			    "37 35 8:1 / /upperdir=/x rw - ext4 /dev/sda1 rw\n";
	char none[] = "", upper[] = "38 35 0:99 / /m rw - overlay overlay rw,lowerdir=/a,upperdir=/u,workdir=/w\n";

	(void)state;
	assert_false(held_overlays_are_seen("6.1.0-38-amd64"));
	assert_false(held_overlays_are_seen("6.4.16"));
	assert_true(held_overlays_are_seen("6.5.0"));
	assert_true(held_overlays_are_seen("6.12.48+deb13-amd64"));
	assert_true(held_overlays_are_seen("7.0.0-rc1"));
	assert_false(held_overlays_are_seen("what?"));
	assert_false(held_has_overlay(none));
	assert_false(held_has_overlay(lower));
	assert_true(held_has_overlay(upper));
}

static void test_lines_of_locks(void **state)
{
	struct lease l;

	(void)state;
	assert_int_equal(lease_parse("3: LEASE  ACTIVE    WRITE 4711 08:01:131 0 EOF", &l), 0);
	assert_int_equal(l.pid, 4711);
	assert_int_equal(l.ino, 131);
	assert_int_equal(lease_parse("3: LEASE  BREAKING  WRITE 1 fe:1f:18446744073709551615 0 EOF", &l), 0);
	assert_true(l.breaking);
	assert_int_equal(lease_parse("3: LEASE  BREAKING  READ  1 fe:1f:5 0 EOF", &l), 0);
	assert_int_equal(lease_parse("3: LEASE  BREAKING  UNLCK 1 fe:1f:5 0 EOF", &l), 0);
	assert_int_equal(lease_parse("3: LEASE  ACTIVE    READ  4711 08:01:131 0 EOF", &l), -1);
	assert_int_equal(lease_parse("1: POSIX  ADVISORY  WRITE 4711 08:01:131 0 EOF", &l), -1);
	assert_int_equal(lease_parse("1: -> LEASE  BREAKER   WRITE 4711 08:01:131 0 EOF", &l), -1);
	assert_int_equal(lease_parse("3: LEASE  ACTIVE    WRITE 0 08:01:131 0 EOF", &l), -1);
	assert_int_equal(lease_parse("", &l), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines_of_locks),
		cmocka_unit_test(test_overlays_that_no_event_tells_of),
		cmocka_unit_test(test_known_blocks),
		cmocka_unit_test(test_records_come_back),
		cmocka_unit_test(test_every_truncation_and_bit_flip),
		cmocka_unit_test(test_names_that_lead_elsewhere_are_refused),
		cmocka_unit_test(test_lists_and_questions),
		cmocka_unit_test(test_paths_sort_as_the_walk_goes),
		cmocka_unit_test(test_excludes),
		cmocka_unit_test(test_exclude_rules_that_are_none),
		cmocka_unit_test(test_zipped_batches),
		cmocka_unit_test(test_links_remember_their_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
