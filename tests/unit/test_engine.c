// SPDX-License-Identifier: MIT
/* Unit tests of engine/: configuration files, descriptions on the wire. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/file.h"
#include "base/own.h"
#include "engine/conf.h"

static void parse(struct conf *c, const char *text)
{
	assert_int_equal(conf_parse(c, text, strlen(text), "the test", NULL), 0);
}

static void assert_text(const struct conf *c, const char *want)
{
	own_free char *text = conf_text(c);

	assert_string_equal(text, want);
}

static void test_conf_values(void **state)
{
	static const struct {
		const char *line, *want;
	} cases[] = {
		{ "A=\"one two\"", "one two" },
		{ "A='one two'", "one two" },
		{ "A=one", "one" },
		{ "  A=one  ", "one" },
		{ "A=one # why", "one" },
		{ "A=\"one\" # why", "one" },
		{ "A=one#two", "one#two" },
		{ "A=\"a # b\"", "a # b" },
		{ "A=", "" },
		{ "A=\"\"", "" },
		{ "A=\"say \\\"hi\\\" \\\\ \\$5 \\n\"", "say \"hi\" \\ $5 \\n" },
		{ "A='\\n $x'", "\\n $x" },
		{ "A=\"open", "open" },
		{ "A=\"x\"y", "x\"y" },
		{ "A=\"one\"\r", "one" },
		{ "A=$(rm -rf /)", "$(rm -rf /)" },
		{ "A=`id`", "`id`" },
		{ "A=\"it's\"", "it's" },
	};

	(void)state;
	for (size_t i = 0; i < array_len(cases); i++) {
		own_conf struct conf c = CONF_INIT;

		parse(&c, cases[i].line);
		assert_non_null(conf_get(&c, "A"));
		assert_string_equal(conf_get(&c, "A"), cases[i].want);
		assert_text(&c, cases[i].line);
	}
}

static void test_conf_keeps_what_it_does_not_know(void **state)
{
	static const char text[] = "# head\n\n  odd line\nB = \"no assignment\"\nA=1\n"
				   "export C=3\nA='2' # last wins\n\tQ=\"x\"\nend";
	own_conf struct conf c = CONF_INIT;

	(void)state;
	parse(&c, text);
	assert_text(&c, text);
	assert_string_equal(conf_get(&c, "A"), "2");
	assert_null(conf_get(&c, "B"));
	assert_null(conf_get(&c, "C"));

	assert_int_equal(conf_set(&c, "A", "2", NULL), 0);
	assert_text(&c, text);
	assert_int_equal(conf_set(&c, "A", "new one", NULL), 0);
	assert_int_equal(conf_set(&c, "Z", "/vz/$VEID", NULL), 0);
	assert_text(&c, "# head\n\n  odd line\nB = \"no assignment\"\nA=1\n"
			"export C=3\nA=\"new one\"\n\tQ=\"x\"\nend\nZ=\"/vz/$VEID\"\n");
	conf_unset(&c, "A");
	assert_null(conf_get(&c, "A"));
	assert_int_equal(c.n, 8);
}

static void test_conf_set_round_trip(void **state)
{
	static const char *const values[] = { "",	 "a b",	    "\"", "\\",	 "'\"$`\\",
					      "$VEID",	 "${VEID}", "$x", "a\\", " blank ",
					      "# none",	 "tab\there" };

	(void)state;
	for (size_t i = 0; i < array_len(values); i++) {
		own_conf struct conf c = CONF_INIT, again = CONF_INIT;
		own_free char *text = NULL;

		assert_int_equal(conf_set(&c, "NAME_1", values[i], NULL), 0);
		text = conf_text(&c);
		parse(&again, text);
		assert_string_equal(conf_get(&again, "NAME_1"), values[i]);
	}
}

static void test_conf_refuses(void **state)
{
	own_conf struct conf c = CONF_INIT;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(conf_set(&c, "A B", "1", &e), -1);
	assert_int_equal(e.code, ERR_USAGE);
	assert_int_equal(conf_set(&c, "1A", "1", NULL), -1);
	assert_int_equal(conf_set(&c, "", "1", NULL), -1);
	assert_int_equal(conf_set(&c, "A", "1\nB=2", NULL), -1);
	assert_int_equal(c.n, 0);
	assert_int_equal(conf_parse(&c, "A=1\0B", 5, "it", &e), -1);
	assert_int_equal(e.code, ERR_BROKEN);
	assert_int_equal(conf_load(&c, "/nonexistent/101.conf", &e), -1);
	assert_int_equal(e.code, ERR_ABSENT);
}

static void test_conf_view(void **state)
{
	own_conf struct conf ct = CONF_INIT, global = CONF_INIT;
	struct conf_view v = { &ct, &global, "101" };

	(void)state;
	parse(&global, "VE_ROOT=/vz/root/$VEID\nVE_PRIVATE=\"/a/${VEID}x/$VEIDS/$VEID\"\n"
		       "QUOTA=Yes\n");
	parse(&ct, "VE_ROOT=\"/data/$VEID\"\nQUOTA=off\nODD=maybe\n");
	own_free char *root = conf_value(&v, "VE_ROOT", NULL);
	own_free char *area = conf_value(&v, "VE_PRIVATE", NULL);
	own_free char *lock = conf_value(&v, "LOCKDIR", "/vz/lock");

	assert_string_equal(root, "/data/101");
	assert_string_equal(area, "/a/101x/$VEIDS/101");
	assert_string_equal(lock, "/vz/lock");
	assert_null(conf_value(&v, "NONE", NULL));
	assert_false(conf_yes(&v, "QUOTA", true));
	assert_true(conf_yes(&v, "ODD", true));
	assert_false(conf_yes(&v, "NONE", false));
}

static void test_conf_pairs(void **state)
{
	struct conf_pair p;

	(void)state;
	assert_int_equal(conf_pair_parse("0:65536", "PHYSPAGES", CONF_PAGE, &p, NULL), 0);
	assert_int_equal(p.soft, 0);
	assert_int_equal(p.hard, 65536);
	assert_int_equal(conf_pair_parse("40", "NUMPROC", CONF_COUNT, &p, NULL), 0);
	assert_int_equal(p.soft, 40);
	assert_int_equal(p.hard, 40);
	assert_int_equal(conf_pair_parse("10:unlimited", "X", CONF_COUNT, &p, NULL), 0);
	assert_true(p.hard == CONF_UNLIMITED);
	assert_int_equal(conf_pair_parse("2147483647:9223372036854775807", "X", CONF_COUNT, &p, NULL), 0);
	assert_true(p.soft == CONF_UNLIMITED && p.hard == CONF_UNLIMITED);
	assert_int_equal(conf_pair_parse("", "X", CONF_COUNT, &p, NULL), -1);
	assert_int_equal(conf_pair_parse("1:", "X", CONF_COUNT, &p, NULL), -1);
	assert_int_equal(conf_pair_parse("1:2:3", "X", CONF_COUNT, &p, NULL), -1);
	assert_int_equal(conf_pair_parse("-1", "X", CONF_COUNT, &p, NULL), -1);
}

/* As vzctl(8) and Proxmox wrote them. */
static void test_conf_pairs_of_vzctl(void **state)
{
	static const struct {
		const char *text;
		unsigned unit;
		uint64_t soft, hard;
	} good[] = {
		{ "0:256M", CONF_PAGE, 0, 65536 },
		{ "0:65536P", CONF_PAGE, 0, 65536 },
		{ "0:65536p", CONF_PAGE, 0, 65536 },
		{ "0:0.5G", CONF_PAGE, 0, 131072 },
		{ "1g:2T", CONF_PAGE, 262144, 536870912 },
		{ "128M", CONF_PAGE, 32768, 32768 },
		{ "2G:2.2G", CONF_KIB, 2097152, 2306867 },
		{ "1G", CONF_KIB, 1048576, 1048576 },
		{ "1048576:1153434", CONF_KIB, 1048576, 1153434 },
		{ "262144P:1G", CONF_KIB, 1048576, 1048576 },
		{ "unlimited:UNLIMITED", CONF_KIB, CONF_UNLIMITED, CONF_UNLIMITED },
		{ "0:unlimited", CONF_PAGE, 0, CONF_UNLIMITED },
		{ "100K", CONF_COUNT, 102400, 102400 },
		{ "200000:220000", CONF_COUNT, 200000, 220000 },
		{ " 10:20 ", CONF_COUNT, 10, 20 },
		{ "9223372036854775807:9223372036854775807", CONF_PAGE, CONF_UNLIMITED, CONF_UNLIMITED },
	};
	static const char *const bad[] = { "0.5", "1:0.5", "M", "12Q", "1 M", ":1", "P", "0x10", "1M:", "unlimited2", "-1M" };
	struct conf_pair p;

	(void)state;
	for (size_t i = 0; i < array_len(good); i++) {
		if (conf_pair_parse(good[i].text, "X", good[i].unit, &p, NULL) < 0 || p.soft != good[i].soft ||
		    p.hard != good[i].hard)
			fail_msg("%s", good[i].text);
	}
	for (size_t i = 0; i < array_len(bad); i++) {
		struct err e = ERR_INIT;

		if (conf_pair_parse(bad[i], "X", CONF_PAGE, &p, &e) == 0)
			fail_msg("%s", bad[i]);
		assert_int_equal(e.code, ERR_USAGE);
	}
}

static void test_conf_save(void **state)
{
	char dir[] = "/tmp/pmigrate-test-XXXXXX";
	own_conf struct conf c = CONF_INIT;
	struct stat st;

	(void)state;
	assert_non_null(mkdtemp(dir));
	own_free char *file = xasprintf("%s/real", dir);
	own_free char *link = xasprintf("%s/101.conf", dir);

	parse(&c, "A=1\n");
	assert_int_equal(conf_save(&c, file, NULL), 0);
	assert_int_equal(chmod(file, 0600), 0);
	assert_int_equal(symlink("real", link), 0);
	assert_int_equal(conf_set(&c, "A", "2", NULL), 0);
	assert_int_equal(conf_save(&c, link, NULL), 0);
	assert_int_equal(lstat(link, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(stat(link, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(conf_load(&c, file, NULL), 0);
	assert_string_equal(conf_get(&c, "A"), "2");
	unlink(link);
	unlink(file);
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_conf_values),
		cmocka_unit_test(test_conf_keeps_what_it_does_not_know),
		cmocka_unit_test(test_conf_set_round_trip),
		cmocka_unit_test(test_conf_refuses),
		cmocka_unit_test(test_conf_view),
		cmocka_unit_test(test_conf_pairs),
		cmocka_unit_test(test_conf_pairs_of_vzctl),
		cmocka_unit_test(test_conf_save),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
