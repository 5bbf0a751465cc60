// SPDX-License-Identifier: MIT
/* pmigrate/options: every spelling, every pair, every refusal; exit codes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <fcntl.h>

#include <cmocka.h>

#include "base/exit.h"
#include "base/file.h"
#include "base/own.h"
#include "plan/event.h"
#include "pmigrate/options.h"

enum { WORDS_MAX = 32 };

/* A command line written as one text; words are split at '|' when there is one, else at
 * blanks.  keep: the argv as it is afterwards. */
static int parse(const char *line, struct options *o, struct err *e, struct strv *keep)
{
	own_strv struct strv argv = STRV_INIT;
	int r;

	strv_add(&argv, "pmigrate");
	strv_split(&argv, line, strchr(line, '|') ? "|" : " ");
	options_init(o);
	r = options_parse((int)argv.n, argv.item, o, e);
	if (keep)
		strv_addv(keep, (const char *const *)argv.item);
	return r;
}

static void good(const char *line, struct options *o)
{
	struct err e = ERR_INIT;

	if (parse(line, o, &e, NULL) < 0)
		fail_msg("%s: %s", line, e.msg);
}

static void test_everything_cc(void **state)
{
	struct options o;
	struct job *j = &o.job;

	(void)state;
	good("-s c 101,web -r yes c --nodeps=rate,license root:pw@b:2222 -b --ssh=-oX=1 --keep-dst "
	     "-v --dry-run --limit 10M --streams 4 --report r.html --stats=s.json -t 60 "
	     "--no-progress",
	     &o);
	assert_int_equal(o.pair, PAIR_CC);
	assert_int_equal(o.names.n, 2);
	assert_string_equal(j->src.name, "101");
	assert_true(j->nostart && j->batch && j->keep_dst && j->verbose && j->dry_run);
	assert_true(j->no_progress);
	assert_int_equal(j->remove_area, YES);
	assert_int_equal(j->nodeps, NODEPS_RATE | NODEPS_LICENSE);
	assert_string_equal(j->dst.where.password, "pw");
	assert_int_equal(j->dst.where.port, 2222);
	assert_string_equal(j->link.ssh.item[0], "-oX=1");
	assert_int_equal(j->limit_bps, 10 << 20);
	assert_int_equal(j->streams, 4);
	assert_int_equal(j->link.timeout_ms, 60000);
	assert_string_equal(j->report, "r.html");
	assert_string_equal(j->stats, "s.json");
	own_free char *carried = strv_join(&o.carried, " ");

	assert_string_equal(carried, "--nostart --remove-area=yes --nodeps=rate,license "
				     "--ssh=-oX=1 --keep-dst --verbose --dry-run --limit=10M "
				     "--streams=4 --timeout=60");
	options_fini(&o);
}

static void test_spellings(void **state)
{
	struct options o;

	(void)state;
	good("c 101 c b -sbrno -f", &o);
	assert_true(o.job.nostart && o.job.batch);
	assert_int_equal(o.job.remove_area, NO);
	assert_int_equal(o.job.nodeps, NODEPS_ALL);
	options_fini(&o);
	good("c 101 c b --onl --la --remove no --nodeps --max-d=50ms", &o);
	assert_true(o.job.online && o.job.lazy);
	assert_int_equal(o.job.max_downtime_ms, 50);
	assert_int_equal(o.job.nodeps, NODEPS_ALL);
	options_fini(&o);
	good("c MyCT1 c --online destserver.com", &o);
	assert_string_equal(o.job.dst.where.host, "destserver.com");
	options_fini(&o);
	good("c 101 -- c b", &o);
	options_fini(&o);
	good("c 101 c b/102", &o);
	assert_string_equal(o.job.new_id, "102");
	options_fini(&o);
	good("c podman:web c b/podman:web2", &o);
	assert_string_equal(o.job.new_name, "web2");
	options_fini(&o);
	good("c 192.168.1.130/101 c localhost/102", &o);
	assert_string_equal(o.job.src.where.host, "192.168.1.130");
	assert_null(o.job.dst.where.host);
	options_fini(&o);
	good("c 101 c 102", &o);
	assert_true(job_is_local(&o.job));
	options_fini(&o);
	good("c 101 c localhost --new-private /srv/x", &o);
	options_fini(&o);
	good("c 101 c b --online --nostart", &o);
	assert_int_equal(o.warnings.n, 1);
	assert_false(o.job.nostart);
	options_fini(&o);
}

/* -s, -d and -c are the pair's own. */
static void test_into_and_vv(void **state)
{
	struct options o;

	(void)state;
	good("-c hw.conf h root:pw@10.0.0.1 c MyCT1 -q /home --exclude /tmp --exclude=/mnt/* -S a,b "
	     "-Sc -d debian -z debian-13",
	     &o);
	assert_int_equal(o.pair, PAIR_INTO);
	assert_string_equal(o.job.hw_config, "hw.conf");
	assert_string_equal(o.job.quota_part, "/home");
	assert_int_equal(o.job.excludes.n, 2);
	assert_int_equal(o.job.srvstop.n, 3);
	assert_string_equal(o.job.dist, "debian");
	assert_string_equal(o.job.dst.name, "MyCT1");
	assert_string_equal(o.carried.item[0], "-c");
	options_fini(&o);
	good("v b/MyVM c 105", &o);
	assert_int_equal(o.pair, PAIR_INTO);
	options_fini(&o);
	good("v MyVM v root@kvm2/Other --keep-src --dst /srv/vm", &o);
	assert_int_equal(o.pair, PAIR_VV);
	assert_string_equal(o.job.new_id, "Other");
	assert_null(o.job.new_name);
	assert_true(o.job.keep_src);
	options_fini(&o);
}

static const struct {
	const char *line;
	enum err_code code;
	const char *says;
} bads[] = {
	{ "", ERR_USAGE, "nothing to do" },
	{ "c 101", ERR_USAGE, "are needed" },
	{ "c 101 c", ERR_USAGE, "address is missing" },
	{ "c 101 c b x", ERR_USAGE, "too many" },
	{ "c 101 b", ERR_USAGE, "'b' is no type" },
	{ "c 101 h b", ERR_USAGE, "to a physical server" },
	{ "v x h b", ERR_USAGE, "to a physical server" },
	{ "h a h b", ERR_USAGE, "to a physical server" },
	{ "c 101 v b", ERR_USAGE, "c -> v is not possible" },
	{ "h a v b", ERR_USAGE, "h -> v is not possible" },
	{ "x a c b", ERR_USAGE, "'x' is no type" },
	{ "101 b", ERR_USAGE, "are needed" },
	{ "one two three four", ERR_USAGE, "'one' is no type" },
	{ "c 101 c b --noiter", ERR_USAGE, "--noiter: it needs --online" },
	{ "c 101 c b --lazy", ERR_USAGE, "--lazy: it needs --online" },
	{ "c 101 c b --require-realtime", ERR_USAGE, "--require-realtime: it needs --online" },
	{ "c 101 c b --max-downtime 5ms", ERR_USAGE, "--max-downtime: it needs --online" },
	{ "c 101 c b --online --noiter --require-realtime", ERR_USAGE, "noiter forbids" },
	{ "c 101 c b --online --readonly", ERR_USAGE, "--online with --readonly" },
	{ "c 101 c b --readonly -r yes", ERR_USAGE, "--readonly with" },
	{ "c 101 c b -r", ERR_USAGE, "-r needs a value" },
	{ "c 101 c b -r -s", ERR_USAGE, "-r needs a value" },
	{ "c 101 c b -r maybe", ERR_USAGE, "yes or no" },
	{ "c 101 c b --remove-area --online", ERR_USAGE, "needs a value" },
	{ "c 101 c b --nodeps=all,bogus", ERR_USAGE, "does not know 'bogus'" },
	{ "c 101 c b --nodeps=", ERR_USAGE, "without a word" },
	{ "c 101 c b --re", ERR_USAGE, "may be several" },
	{ "c 101 c b --nothing", ERR_USAGE, "no option --nothing" },
	{ "c 101 c b --nostart=yes", ERR_USAGE, "takes no value" },
	{ "c 101 c b -x", ERR_USAGE, "no option -x" },
	{ "c 101 c b -c hw", ERR_USAGE, "it is one of h -> c" },
	{ "c 101 c b --exclude=x", ERR_USAGE, "it is one of h -> c" },
	{ "h a c 7 --online", ERR_USAGE, "it is one of c -> c" },
	{ "v a v b -r yes --keep-src", ERR_USAGE, "one leaves everything here" },
	{ "c 101 c b --ssh=otherhost", ERR_USAGE, "taken as the host" },
	{ "c 101 c b --limit=fast", ERR_USAGE, "not a rate" },
	{ "c 101 c b --streams=17", ERR_USAGE, "not between" },
	{ "c 101 c b -t 0", ERR_USAGE, "not between" },
	{ "c 101,102 c b/103", ERR_USAGE, "only one" },
	{ "c 101,102 c b --new-name x", ERR_USAGE, "only one" },
	{ "c 101 c b/102 --new-id 103", ERR_USAGE, "says 102" },
	{ "c 101 c b --new-id web", ERR_USAGE, "no CTID" },
	{ "c 101 c b --new-private srv/x", ERR_USAGE, "not an absolute path" },
	{ "c 101 c localhost", ERR_SAME, "the same" },
	{ "c 101 c 101", ERR_SAME, "the same" },
	{ "c 101 c 102 -r no", ERR_USAGE, "local move" },
	{ "c 101 c 102 -f", ERR_USAGE, "no other server" },
	{ "c 101 c 102 --online", ERR_USAGE, "always cold" },
	{ "h a c 105 --take-addresses -s", ERR_USAGE, "nobody would have the addresses" },
	{ "c 101 c b --take-addresses", ERR_USAGE, "it is one of h -> c" },
	{ "h a c b.example", ERR_USAGE, NULL }, /* taken as a name: see below */
	{ "h a c root@b", ERR_USAGE, "names no Container" },
	{ "h localhost c 7", ERR_USAGE, "of itself" },
	{ "v x v localhost", ERR_SAME, "the same" },
};

static void test_refusals(void **state)
{
	(void)state;
	for (size_t i = 0; i < array_len(bads); i++) {
		struct options o;
		struct err e = ERR_INIT;
		int r = parse(bads[i].line, &o, &e, NULL);

		options_fini(&o);
		if (!bads[i].says) {
			assert_int_equal(r, 0);
			continue;
		}
		if (r == 0)
			fail_msg("'%s' was taken", bads[i].line);
		assert_int_equal(e.code, bads[i].code);
		assert_null(strchr(e.msg, '\n'));
		if (!strstr(e.msg, bads[i].says))
			fail_msg("'%s': '%s' does not say '%s'", bads[i].line, e.msg,
				 bads[i].says);
	}
}

/* However the line is wrong: the password is in no word and no message. */
static void test_no_password_left(void **state)
{
	static const char *const lines[] = {
		"c 101 c root:sEcret@b",
		"c 101 c root:sEcret@b --bogus",
		"root:sEcret@b c 101 c",
		"c 101 c -r root:sEcret@b",
		"c 101 c b root:sEcret@b",
		"c root:sEcret@b/101 h root:sEcret@c",
		"c 101 c root:sEc/r@t@b:x --limit root:sEcret@b",
	};

	(void)state;
	for (size_t i = 0; i < array_len(lines); i++) {
		struct options o;
		struct err e = ERR_INIT;
		own_strv struct strv argv = STRV_INIT;

		parse(lines[i], &o, &e, &argv);
		for (size_t k = 0; k < argv.n; k++)
			assert_null(strstr(argv.item[k], "sEc"));
		if (strstr(e.msg, "sEc") || strstr(e.hint, "sEc"))
			fail_msg("'%s': %s (%s)", lines[i], e.msg, e.hint);
		options_fini(&o);
	}
}

static void test_help_and_version(void **state)
{
	struct options o;

	(void)state;
	good("--help", &o);
	assert_int_equal(o.mode, OPTIONS_HELP);
	assert_false(o.pair_known);
	options_fini(&o);
	good("h a c b -h", &o);
	assert_int_equal(o.mode, OPTIONS_HELP);
	assert_int_equal(o.pair, PAIR_INTO);
	options_fini(&o);
	good("--version", &o);
	assert_int_equal(o.mode, OPTIONS_VERSION);
	options_fini(&o);
}

/* Every option of every pair stands in its --help. */
static void test_help_is_whole(void **state)
{
	(void)state;
	for (int p = 0; p < PAIR_MAX; p++) {
		struct options o = { .pair = (enum pair)p, .pair_known = true };
		const struct option_row *row;
		char *text = NULL;
		size_t len;
		FILE *f = open_memstream(&text, &len);

		options_help(f, &o);
		fclose(f);
		for (size_t i = 0; (row = options_row((enum pair)p, i)); i++) {
			char word[64];

			if (row->name)
				snprintf(word, sizeof(word), "--%s", row->name);
			else
				snprintf(word, sizeof(word), "-%c", row->letter);
			if (!strstr(text, word) || !strstr(text, row->help))
				fail_msg("%s is not in --help of %s", word,
					 options_pair_text((enum pair)p));
		}
		free(text);
	}
}

/* The manual, without the backslashes before its dashes. */
static char *manual(void)
{
	char *text = NULL, *to;
	struct err e = ERR_INIT;

	if (file_read(AT_FDCWD, DOC_DIR "/pmigrate.1", 1 << 20, &text, NULL, &e) < 0)
		fail_msg("%s", e.msg);
	to = text;
	for (const char *p = text; *p; p++) {
		if (p[0] != '\\' || p[1] != '-')
			*to++ = *p;
	}
	*to = '\0';
	return text;
}

/* It names every option, every word of -f, every exit code and every phase. */
static void test_manual_is_whole(void **state)
{
	own_free char *text = manual();
	const struct option_row *row;

	(void)state;
	for (int p = 0; p < PAIR_MAX; p++) {
		for (size_t i = 0; (row = options_row((enum pair)p, i)); i++) {
			char word[64];

			if (row->name)
				snprintf(word, sizeof(word), "--%s", row->name);
			else
				snprintf(word, sizeof(word), "-%c", row->letter);
			if (!strstr(text, word))
				fail_msg("the manual does not name %s", word);
		}
	}
	for (const struct nodeps_word *w = nodeps_words; w->word; w++) {
		if (!strstr(text, w->word))
			fail_msg("the manual does not name the word %s", w->word);
	}
	for (int c = ERR_NONE; c < ERR_CODE_MAX; c++) {
		char line[32];

		snprintf(line, sizeof(line), "\n%d|", exit_code_of((enum err_code)c));
		if (!strstr(text, line))
			fail_msg("the manual does not name exit code%s", line);
	}
	for (int p = 0; p < PHASE_MAX; p++)
		assert_non_null(strstr(text, phase_word((enum phase)p)));
}

/* No letter and no name twice in one table. */
static void test_tables_are_unique(void **state)
{
	const struct option_row *a, *b;

	(void)state;
	for (int p = 0; p < PAIR_MAX; p++) {
		for (size_t i = 0; (a = options_row((enum pair)p, i)); i++) {
			for (size_t k = i + 1; (b = options_row((enum pair)p, k)); k++) {
				assert_false(a->letter && a->letter == b->letter);
				assert_false(a->name && b->name && !strcmp(a->name, b->name));
			}
		}
	}
}

static void test_vzp2v(void **state)
{
	char *argv[] = { xstrdup("vzp2v"), xstrdup("-c"),     xstrdup("hw.conf"),
			 xstrdup("--ctid"), xstrdup("107"),   xstrdup("root:sEcret@old"),
			 xstrdup("-d"),	   xstrdup("debian"), NULL };
	struct options o;
	struct err e = ERR_INIT;

	(void)state;
	options_init(&o);
	if (options_parse_vzp2v(8, argv, &o, &e) < 0)
		fail_msg("%s", e.msg);
	assert_string_equal(o.job.dst.name, "107");
	assert_string_equal(o.job.src.where.host, "old");
	assert_string_equal(o.job.hw_config, "hw.conf");
	assert_null(strstr(argv[5], "sEcret"));
	options_fini(&o);
	options_init(&o);
	assert_int_equal(options_parse_vzp2v(3, argv, &o, &e), -1);
	assert_non_null(strstr(e.msg, "--ctid is missing"));
	options_fini(&o);
	for (size_t i = 0; i < 8; i++)
		free(argv[i]);
}

/* Every code has its own exit, the numbers of the manual. */
static void test_exit_codes(void **state)
{
	(void)state;
	for (int c = ERR_NONE; c < ERR_CODE_MAX; c++) {
		enum exit_code x = exit_code_of((enum err_code)c);

		assert_non_null(exit_code_text((int)x));
		for (int d = ERR_NONE; d < c; d++)
			assert_true(exit_code_of((enum err_code)d) != x);
	}
	assert_int_equal(exit_code_of(ERR_CANCELLED), 25);
	assert_int_equal(exit_code_of(ERR_TECH), 32);
	assert_int_equal(exit_code_of(ERR_NAME_USED), 45);
	assert_int_equal(exit_code_of(ERR_CPU), 56);
	assert_null(exit_code_text(99));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_everything_cc),
		cmocka_unit_test(test_spellings),
		cmocka_unit_test(test_into_and_vv),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_no_password_left),
		cmocka_unit_test(test_help_and_version),
		cmocka_unit_test(test_help_is_whole),
		cmocka_unit_test(test_manual_is_whole),
		cmocka_unit_test(test_tables_are_unique),
		cmocka_unit_test(test_vzp2v),
		cmocka_unit_test(test_exit_codes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
