// SPDX-License-Identifier: MIT
/* Unit tests of base/: numbers, bytes, paths, children. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/cancel.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mountinfo.h"
#include "base/own.h"
#include "base/parse.h"
#include "base/path.h"
#include "base/prio.h"
#include "base/spawn.h"
#include "base/strv.h"

static void test_parse_bytes(void **state)
{
	static const struct {
		const char *text;
		uint64_t want;
	} good[] = {
		{ "0", 0 },	{ "512", 512 },		   { "10K", 10240 },
		{ "1.5M", 1572864 }, { "2GiB", 2147483648u }, { "1tb", 1099511627776u },
	};
	static const char *const bad[] = { "", "K", "-1", "1X", "1.", "1KK", "0x10", "1e3", " 1" };
	uint64_t v;

	(void)state;
	for (size_t i = 0; i < array_len(good); i++) {
		assert_int_equal(parse_bytes(good[i].text, "the size", &v, NULL), 0);
		assert_int_equal(v, good[i].want);
	}
	for (size_t i = 0; i < array_len(bad); i++) {
		struct err e = ERR_INIT;

		assert_int_equal(parse_bytes(bad[i], "the size", &v, &e), -1);
		assert_int_equal(e.code, ERR_USAGE);
		assert_non_null(strstr(e.msg, bad[i]));
	}
}

static void test_parse_rate_and_time(void **state)
{
	uint64_t v;

	(void)state;
	assert_int_equal(parse_rate("100mbit", "r", &v, NULL), 0);
	assert_int_equal(v, 12500000);
	assert_int_equal(parse_rate("1gbit/s", "r", &v, NULL), 0);
	assert_int_equal(v, 125000000);
	assert_int_equal(parse_rate("10M/s", "r", &v, NULL), 0);
	assert_int_equal(v, 10485760);
	assert_int_equal(parse_rate("0", "r", &v, NULL), -1);
	assert_int_equal(parse_rate("fast", "r", &v, NULL), -1);
	assert_int_equal(parse_ms("50ms", "t", 1000, &v, NULL), 0);
	assert_int_equal(v, 50);
	assert_int_equal(parse_ms("1d2h30m40s", "t", 1000, &v, NULL), 0);
	assert_int_equal(v, 95440000);
	assert_int_equal(parse_ms("7", "t", 1000, &v, NULL), 0);
	assert_int_equal(v, 7000);
	assert_int_equal(parse_ms("1.5s", "t", 1000, &v, NULL), 0);
	assert_int_equal(v, 1500);
	assert_int_equal(parse_ms("5 s", "t", 1000, &v, NULL), -1);
	assert_int_equal(parse_ms("5s7", "t", 1000, &v, NULL), -1);
	assert_int_equal(parse_u64("18446744073709551616", "n", 0, UINT64_MAX, &v, NULL), -1);
	assert_int_equal(parse_u64("65536", "the port", 1, 65535, &v, NULL), -1);
}

static void test_reader_stops_at_its_end(void **state)
{
	own_buf struct buf b = BUF_INIT;

	(void)state;
	buf_put_u8(&b, 7);
	buf_put_u64(&b, 1234567890123u);
	buf_put_str(&b, "name");
	for (size_t cut = 0; cut <= b.len; cut++) {
		struct reader r = reader_of(b.data, cut);
		uint8_t a = get_u8(&r);
		uint64_t n = get_u64(&r);
		own_free char *s = get_str(&r, 100);

		assert_int_equal(reader_done(&r), cut == b.len);
		if (cut == b.len) {
			assert_int_equal(a, 7);
			assert_int_equal(n, 1234567890123u);
			assert_string_equal(s, "name");
		}
	}
}

static void test_reader_refuses_nul_and_long(void **state)
{
	own_buf struct buf b = BUF_INIT;
	struct reader r;

	(void)state;
	buf_put_bytes(&b, "a\0b", 3);
	r = reader_of(b.data, b.len);
	free(get_str(&r, 100));
	assert_true(r.bad);
	r = reader_of(b.data, b.len);
	free(get_str(&r, 2));
	assert_true(r.bad);
}

static void test_path_squeeze(void **state)
{
	static const char *const cases[][2] = {
		{ "/", "/" },
		{ "//", "/" },
		{ "/.", "/" },
		{ "//a", "/a" },
		{ "/vz//root/1", "/vz/root/1" },
		{ "/vz/root/1/", "/vz/root/1" },
		{ "/vz/./a//./b/.", "/vz/a/b" },
		{ "/a/..b/.c", "/a/..b/.c" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char path[32];

		strcpy(path, cases[i][0]);
		path_squeeze(path);
		assert_string_equal(path, cases[i][1]);
	}
}

static void test_path_is_clean(void **state)
{
	(void)state;
	assert_true(path_is_clean("a/b.c/...d"));
	assert_false(path_is_clean(""));
	assert_false(path_is_clean("/a"));
	assert_false(path_is_clean("a/"));
	assert_false(path_is_clean("a//b"));
	assert_false(path_is_clean("a/../b"));
	assert_false(path_is_clean("./a"));
	assert_false(path_is_clean(".."));
}

static void test_open_beneath_stays_beneath(void **state)
{
	char dir[] = "/tmp/pmigrate-unit-XXXXXX";
	own_fd int top = -1;

	(void)state;
	assert_non_null(mkdtemp(dir));
	top = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(symlinkat("/etc", top, "link"), 0);
	assert_int_equal(path_open_beneath(top, "link/passwd", O_RDONLY, 0), -1);
	assert_int_equal(path_open_beneath(top, "../../etc/passwd", O_RDONLY, 0), -1);
	assert_int_equal(path_open_beneath(top, "/etc/passwd", O_RDONLY, 0), -1);
	assert_int_equal(path_remove_tree(AT_FDCWD, dir, NULL), 0);
	assert_int_equal(access(dir, F_OK), -1);
}

static void test_remove_very_deep_tree(void **state)
{
	char dir[] = "/tmp/pmigrate-unit-XXXXXX";
	struct err e = ERR_INIT;
	int fd;

	(void)state;
	assert_non_null(mkdtemp(dir));
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; i < 1500; i++) {
		int next;

		assert_int_equal(mkdirat(fd, "deep-directory-name", 0700), 0);
		next = openat(fd, "deep-directory-name", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		close(fd);
		fd = next;
	}
	close(fd);
	if (path_remove_tree(AT_FDCWD, dir, &e) < 0)
		fail_msg("%s", e.msg);
	assert_int_equal(access(dir, F_OK), -1);
}

static void test_file_replace(void **state)
{
	char dir[] = "/tmp/pmigrate-unit-XXXXXX";
	own_free char *file = NULL;
	own_free char *got = NULL;
	struct stat st;

	(void)state;
	assert_non_null(mkdtemp(dir));
	file = xasprintf("%s/f", dir);
	assert_int_equal(file_replace(AT_FDCWD, file, "one", 3, 0600, NULL), 0);
	assert_int_equal(file_replace(AT_FDCWD, file, "two!", 4, 0640, NULL), 0);
	assert_int_equal(file_read(AT_FDCWD, file, 100, &got, NULL, NULL), 0);
	assert_string_equal(got, "two!");
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_int_equal(path_remove_tree(AT_FDCWD, dir, NULL), 0);
}

static void test_spawn_reads_and_fails(void **state)
{
	own_free char *out = NULL;
	struct err e = ERR_INIT;
	int code = -1;

	(void)state;
	assert_int_equal(spawn_read(spawn_argv("cat"), "hello", 100, 5000, &out, NULL, &e), 0);
	assert_string_equal(out, "hello");
	assert_int_equal(spawn_run(spawn_argv("sh", "-c", "echo why >&2; exit 3"), 5000, &e), -1);
	assert_int_equal(e.code, ERR_CHILD);
	assert_string_equal(e.msg, "sh failed (exit 3): why");
	assert_int_equal(spawn_read(spawn_argv("false"), NULL, 100, 5000, NULL, &code, &e), 0);
	assert_int_equal(code, 1);
	assert_int_equal(spawn_run(spawn_argv("no-such-program-here"), 5000, &e), -1);
	assert_int_equal(e.code, ERR_CHILD);
	assert_int_equal(e.sys, ENOENT);
	assert_non_null(strstr(e.hint, "apt-get install no-such-program-here"));
	assert_int_equal(spawn_run(spawn_argv("sleep", "100"), 50, &e), -1);
	assert_int_equal(e.code, ERR_TIMEOUT);
}

static void test_spawn_leaks_no_descriptor(void **state)
{
	own_free char *out = NULL;
	int leak = dup(0); /* without CLOEXEC, as a careless library would */

	(void)state;
	/* Its own look is the fourth.  (A shell's pipe may be counted, too, when it is slow.) */
	assert_int_equal(spawn_read(spawn_argv("ls", "/proc/self/fd"), NULL, 100, 5000, &out, NULL, NULL), 0);
	close(leak);
	assert_string_equal(out, "0\n1\n2\n3\n");
}

static void test_strv(void **state)
{
	own_strv struct strv v = STRV_INIT;
	own_free char *joined = NULL;

	(void)state;
	strv_split(&v, " a, b,,c ", ", ");
	assert_int_equal(v.n, 3);
	joined = strv_join(&v, "|");
	assert_string_equal(joined, "a|b|c");
	assert_true(strv_has(&v, "b"));
	assert_false(strv_has(&v, ""));
}

/* A long sleep ends with the signal. */
static void test_sleep_is_cancelled(void **state)
{
	uint64_t begun = clock_ns();
	struct err e = ERR_INIT;

	(void)state;
	cancel_install();
	assert_int_equal(cancel_sleep_ms(2, &e), 0);
	assert_true(clock_ns() - begun >= 2000000);
	assert_int_equal(raise(SIGINT), 0);
	assert_int_equal(cancel_sleep_ms(60000, &e), -1);
	assert_int_equal(e.code, ERR_CANCELLED);
	cancel_allow(false);
	assert_int_equal(cancel_sleep_ms(2, &e), 0);
	assert_true(clock_ns() - begun < UINT64_C(50000000000));
}

/* Whoever cannot come back does not go. */
static void test_prio(void **state)
{
	int usual = prio_get(), gentle = prio_gentle();

	(void)state;
	assert_int_equal(prio_get(), usual);
	assert_true(gentle >= usual);
	prio_set(getpid(), gentle);
	assert_int_equal(prio_get(), gentle);
	prio_set(getpid(), usual);
	assert_int_equal(prio_get(), usual);
	prio_set(0, 19); /* no process: nothing happens */
	assert_int_equal(prio_get(), usual);
}

static void test_mountinfo(void **state)
{
	char text[] = "140 97 0:54 /opt\\040x / rw,relatime - overlay overlay rw\n"
		      "142 140 0:111 /run/a//deleted /a\\011b\\134c\\043d ro,nosuid,idmapped shared:3 master:1 - tmpfs  rw,size=1k\n"
		      "143 140 8:1 / /-\\040-\\040x rw - ext4 /dev/sda1 rw\n";
	static const char *const bad[] = { "x\n", "1 2 3 / / rw - tmpfs tmpfs rw\n", "1 2 0:3 / /a rw\n",
					   "1 2 0:3 / /a rw - tmpfs\n", "1 2 0:3 / /a rw shared:1 tmpfs tmpfs rw\n" };
	struct mountinfo m;
	char *rest = text;

	(void)state;
	assert_int_equal(mountinfo_next(&rest, &m, NULL), 1);
	assert_string_equal(m.root, "/opt x");
	assert_string_equal(m.tags, "");
	assert_int_equal(m.parent, 97);
	assert_int_equal(mountinfo_next(&rest, &m, NULL), 1);
	assert_string_equal(m.root, "/run/a");
	assert_true(m.deleted);
	assert_string_equal(m.at, "/a\tb\\c#d");
	assert_string_equal(m.tags, "shared:3 master:1");
	assert_string_equal(m.source, "");
	assert_string_equal(m.super, "rw,size=1k");
	assert_true(mountinfo_has(m.options, "nosuid"));
	assert_true(mountinfo_has(m.options, "idmapped"));
	assert_false(mountinfo_has(m.options, "suid"));
	assert_int_equal(mountinfo_next(&rest, &m, NULL), 1);
	assert_string_equal(m.at, "/- - x");
	assert_int_equal(mountinfo_next(&rest, &m, NULL), 0);
	for (size_t i = 0; i < array_len(bad); i++) {
		char copy[64];

		strcpy(copy, bad[i]);
		rest = copy;
		assert_int_equal(mountinfo_next(&rest, &m, NULL), -1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse_bytes),
		cmocka_unit_test(test_parse_rate_and_time),
		cmocka_unit_test(test_reader_stops_at_its_end),
		cmocka_unit_test(test_reader_refuses_nul_and_long),
		cmocka_unit_test(test_path_squeeze),
		cmocka_unit_test(test_path_is_clean),
		cmocka_unit_test(test_open_beneath_stays_beneath),
		cmocka_unit_test(test_remove_very_deep_tree),
		cmocka_unit_test(test_file_replace),
		cmocka_unit_test(test_spawn_reads_and_fails),
		cmocka_unit_test(test_spawn_leaks_no_descriptor),
		cmocka_unit_test(test_strv),
		cmocka_unit_test(test_mountinfo),
		cmocka_unit_test(test_prio),
		cmocka_unit_test(test_sleep_is_cancelled), /* the last: the signal stays seen */
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
