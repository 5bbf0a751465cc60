// SPDX-License-Identifier: MIT
/* Unit tests of commit/: every cell of the decision table; a journal's lines are whole or absent. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/own.h"
#include "base/path.h"
#include "commit/decide.h"
#include "commit/journal.h"

/* The rules, as one would say them; the table must agree in every cell. */
static enum decision by_the_rules(bool committed, enum answer a, enum word w)
{
	/* It has the container: ours is put away; but who says that it is lost there has to look again. */
	if (a == ANSWER_DONE)
		return committed && w == WORD_UNDO ? DECIDE_WAIT : DECIDE_RETIRE;
	if (!committed) {
		/* Ours was never given away.  It may run unless somebody starts the other. */
		if (a == ANSWER_COMMITTED || a == ANSWER_STUCK || w == WORD_COMMIT)
			return DECIDE_WAIT;
		return DECIDE_UNDO;
	}
	if (a == ANSWER_UNDONE) /* durably refused */
		return DECIDE_UNDO;
	if (a == ANSWER_COMMITTED && w != WORD_UNDO)
		return DECIDE_FOLLOW;
	if (a == ANSWER_NONE && w != WORD_NONE) /* evidence is lost, and a person says what is so */
		return w == WORD_UNDO ? DECIDE_UNDO : DECIDE_RETIRE;
	return DECIDE_WAIT;
}

static void test_every_cell(void **state)
{
	(void)state;
	for (int committed = 0; committed < 2; committed++) {
		for (enum answer a = ANSWER_SILENT; a <= ANSWER_UNDONE; a++) {
			for (enum word w = WORD_NONE; w <= WORD_COMMIT; w++) {
				if (decide(committed, a, w) != by_the_rules(committed, a, w))
					fail_msg("committed %d, answer %d, word %d: %d", committed, (int)a, (int)w,
						 (int)decide(committed, a, w));
			}
		}
	}
}

static void test_nobody_guesses(void **state)
{
	(void)state;
	/* Without a person, a committed copy runs again only if the other end has durably given it up. */
	for (enum answer a = ANSWER_SILENT; a <= ANSWER_UNDONE; a++)
		assert_int_equal(decide(true, a, WORD_NONE) == DECIDE_UNDO, a == ANSWER_UNDONE);
	/* And a copy is put away only when the other end has the container, or a person says so. */
	for (enum answer a = ANSWER_SILENT; a <= ANSWER_UNDONE; a++) {
		assert_int_equal(decide(true, a, WORD_NONE) == DECIDE_RETIRE, a == ANSWER_DONE);
		assert_int_equal(decide(false, a, WORD_UNDO) == DECIDE_RETIRE, a == ANSWER_DONE);
	}
}

static void test_answers(void **state)
{
	struct err fine = ERR_INIT, bad = ERR_INIT;

	(void)state;
	err_set(&bad, ERR_START, "it does not start");
	assert_int_equal(answer_of(JOURNAL_COMMITTED, &fine), ANSWER_COMMITTED);
	assert_int_equal(answer_of(JOURNAL_COMMITTED, &bad), ANSWER_STUCK);
	assert_int_equal(answer_of(JOURNAL_NONE, &fine), ANSWER_NONE);
	assert_int_equal(answer_of(JOURNAL_UNDONE, &bad), ANSWER_UNDONE);
}

static char state_dir[] = "/tmp/pmigrate-unit-XXXXXX";

static int make_state_dir(void **state)
{
	(void)state;
	return mkdtemp(state_dir) ? setenv("PMIGRATE_STATE_DIR", state_dir, 1) : -1;
}

static int remove_state_dir(void **state)
{
	(void)state;
	return path_remove_tree(AT_FDCWD, state_dir, NULL);
}

static char *text_of(const char *name)
{
	own_free char *path = xasprintf("%s/%s", state_dir, name);
	char *text = NULL;

	assert_int_equal(file_read(AT_FDCWD, path, 1 << 16, &text, NULL, NULL), 0);
	return text;
}

static void test_torn_line_is_cut_off(void **state)
{
	own_free char *path = xasprintf("%s/101-torn.source", state_dir);
	own_free char *text = NULL;
	struct journal *j = NULL;
	struct err e = ERR_INIT;
	FILE *f;

	(void)state;
	assert_int_equal(journal_create("101-torn", ROLE_SOURCE, &j, &e), 0);
	assert_int_equal(journal_set_state(j, JOURNAL_COMMITTED, &e), 0);
	journal_free(j);
	f = fopen(path, "a");
	assert_non_null(f);
	fputs("state don", f);
	fclose(f);

	assert_int_equal(journal_resume("101-torn", ROLE_SOURCE, &j, NULL, &e), 0);
	assert_int_equal(journal_get_state(j), JOURNAL_COMMITTED);
	assert_int_equal(journal_set_state(j, JOURNAL_DONE, &e), 0);
	journal_free(j);
	text = text_of("101-torn.source");
	assert_null(strstr(text, "state don\n"));
	assert_null(strstr(text, "state donp"));
	assert_non_null(strstr(text, "\nstate done\n"));
}

/* A write that fails, before or after the line is in the file, leaves nothing of it. */
static void test_failed_line_is_absent(void **state)
{
	static const char *const faults[] = { "source.journal.committed:fail", "source.journal.committed.written:fail",
					      "source.journal.committed.written:nospc" };

	(void)state;
	for (size_t i = 0; i < array_len(faults); i++) {
		own_free char *id = xasprintf("10%zu-fails", i), *name = xasprintf("%s.source", id);
		own_free char *before = NULL, *after = NULL;
		struct journal *j = NULL;
		struct err e = ERR_INIT;

		assert_int_equal(journal_create(id, ROLE_SOURCE, &j, &e), 0);
		before = text_of(name);
		setenv("PMIGRATE_FAULT", faults[i], 1);
		assert_int_equal(journal_set_state(j, JOURNAL_COMMITTED, &e), -1);
		unsetenv("PMIGRATE_FAULT");
		assert_int_equal(journal_get_state(j), JOURNAL_ACTIVE);
		after = text_of(name);
		assert_string_equal(before, after);
		/* It can still be undone. */
		assert_int_equal(journal_set_state(j, JOURNAL_UNDONE, &e), 0);
		journal_free(j);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_cell),
		cmocka_unit_test(test_nobody_guesses),
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_torn_line_is_cut_off),
		cmocka_unit_test(test_failed_line_is_absent),
	};

	return cmocka_run_group_tests(tests, make_state_dir, remove_state_dir);
}
