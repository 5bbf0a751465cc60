// SPDX-License-Identifier: MIT
/* Unit tests of move/: the step runner's promise, the journal, the messages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/cancel.h"
#include "base/own.h"
#include "base/path.h"
#include "commit/journal.h"
#include "move/msg.h"
#include "move/step.h"

/* --- steps: each writes its letter, undo the small one ------------------------------ */

struct trace {
	char text[64];
	char fail_at; /* the step that fails */
	enum err_code code;
};

static int mark(struct trace *t, char c, struct err *e)
{
	t->text[strlen(t->text)] = c;
	return c == t->fail_at ? err_set(e, t->code, "step %c failed", c) : 0;
}

#define STEP(letter, small)                                       \
	static int run_##small(void *ctx, struct err *e)          \
	{                                                         \
		return mark(ctx, letter, e);                      \
	}                                                         \
	__attribute__((unused)) static void undo_##small(void *ctx) \
	{                                                         \
		static const char c[] = { letter | 32, 0 };       \
		strcat(((struct trace *)ctx)->text, c);           \
	}

STEP('A', a)
STEP('B', b)
STEP('C', c)
STEP('D', d)
STEP('E', e)

static bool never(const void *ctx)
{
	(void)ctx;
	return false;
}

static const struct step list[] = {
	{ "a", 0, STEP_REVERSIBLE, NULL, run_a, undo_a },
	{ "skipped", 0, STEP_REVERSIBLE, never, run_b, undo_b },
	{ "b", 0, STEP_REVERSIBLE, NULL, run_b, undo_b },
	{ "c", 0, STEP_COMMIT, NULL, run_c, NULL },
	{ "d", 0, STEP_AFTER, NULL, run_d, NULL },
	{ "e", 0, STEP_AFTER, NULL, run_e, NULL },
	{ .name = NULL },
};

static void test_steps(void **state)
{
	static const struct {
		char fail_at;
		enum err_code code;
		enum step_outcome outcome;
		const char *trace;
	} cases[] = {
		{ 0, ERR_SYS, STEPS_DONE, "ABCDE" },
		{ 'A', ERR_SYS, STEPS_UNDONE, "Aa" },
		{ 'B', ERR_DISK, STEPS_UNDONE, "ABba" },
		{ 'C', ERR_START, STEPS_UNDONE, "ABCba" },	  /* refused: put back */
		{ 'C', ERR_RECOVER, STEPS_COMMITTED, "ABC" },	  /* not known: left alone */
		{ 'D', ERR_SYS, STEPS_COMMITTED, "ABCDE" },	  /* the rest is still done */
	};
	const struct step_hooks hooks = { .end = "test" };

	(void)state;
	for (size_t i = 0; i < array_len(cases); i++) {
		struct trace t = { .fail_at = cases[i].fail_at, .code = cases[i].code };
		struct err e = ERR_INIT;

		assert_int_equal(steps_run(list, &hooks, &t, &e), cases[i].outcome);
		assert_string_equal(t.text, cases[i].trace);
		if (cases[i].fail_at)
			assert_int_equal(e.code, cases[i].code);
		cancel_allow(true);
	}
}

static void test_steps_valid(void **state)
{
	static const struct step two_commits[] = {
		{ "c", 0, STEP_COMMIT, NULL, run_c, NULL },
		{ "d", 0, STEP_COMMIT, NULL, run_d, NULL },
		{ .name = NULL },
	};
	static const struct step after_first[] = {
		{ "d", 0, STEP_AFTER, NULL, run_d, NULL },
		{ "c", 0, STEP_COMMIT, NULL, run_c, NULL },
		{ .name = NULL },
	};

	(void)state;
	assert_true(steps_valid(list));
	assert_false(steps_valid(two_commits));
	assert_false(steps_valid(after_first));
}

/* --- the journal -------------------------------------------------------------------- */

static char state_dir[] = "/tmp/pmigrate-unit-XXXXXX";

static int make_state_dir(void **state)
{
	(void)state;
	if (!mkdtemp(state_dir))
		return -1;
	return setenv("PMIGRATE_STATE_DIR", state_dir, 1);
}

static int remove_state_dir(void **state)
{
	(void)state;
	return path_remove_tree(AT_FDCWD, state_dir, NULL);
}

static void test_journal_is_read_again(void **state)
{
	struct journal *j, *again;
	struct err e = ERR_INIT;
	pid_t owner = 0;
	bool live;

	(void)state;
	assert_int_equal(journal_create("101-x", ROLE_SOURCE, &j, &e), 0);
	assert_int_equal(journal_put(j, "private", "/vz/private/with blank", &e), 0);
	assert_int_equal(journal_put(j, "private", "/vz/private/101", &e), 0);
	assert_int_equal(journal_create("101-x", ROLE_SOURCE, &again, &e), -1);
	assert_int_equal(e.code, ERR_EXISTS);
	assert_int_equal(journal_resume("101-x", ROLE_SOURCE, &again, &owner, &e), -1);
	assert_int_equal(e.code, ERR_LOCKED);
	assert_int_equal(owner, getpid());
	assert_int_equal(journal_peek("101-x", ROLE_SOURCE, &again, &live, &e), 0);
	assert_true(live);
	journal_free(again);
	journal_set_state(j, JOURNAL_COMMITTED, &e);
	journal_free(j);

	assert_int_equal(journal_resume("101-x", ROLE_SOURCE, &again, &owner, &e), 0);
	assert_int_equal(journal_get_state(again), JOURNAL_COMMITTED);
	assert_string_equal(journal_get(again, "private"), "/vz/private/101");
	assert_null(journal_get(again, "priv"));
	journal_free(again);
	assert_int_equal(journal_resume("102-x", ROLE_SOURCE, &again, &owner, &e), -1);
	assert_int_equal(e.code, ERR_ABSENT);
}

/* A crash in the middle of a line: that line was never written. */
static void test_journal_torn_line(void **state)
{
	own_free char *path = xasprintf("%s/torn.dest", state_dir);
	own_fd int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	static const char text[] = "pid 1\nstate active\nstate ready\nstate commit";
	struct journal *j;
	bool live;

	(void)state;
	assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
	assert_int_equal(journal_peek("torn", ROLE_DEST, &j, &live, NULL), 0);
	assert_int_equal(journal_get_state(j), JOURNAL_READY);
	assert_false(live);
	journal_free(j);
}

static void test_journal_ids(void **state)
{
	char id[JOURNAL_ID_MAX];

	(void)state;
	journal_make_id(id, "weird/../name with blanks and much too long to be kept whole");
	assert_true(journal_id_ok(id));
	assert_false(journal_id_ok("../x"));
	assert_false(journal_id_ok("a/b"));
	assert_false(journal_id_ok(""));
	assert_false(journal_id_ok(".hidden"));
}

/* --- messages: every truncation and bit flip is refused or harmless ------------------- */

static struct frame frame_of(const struct buf *b)
{
	return (struct frame){ .data = b->data, .len = (uint32_t)b->len };
}

static void test_ask_and_answers(void **state)
{
	own_buf struct buf b = BUF_INIT;
	struct msg_ask ask = { .id = "101-abc", .verdict = VERDICT_COMMIT }, got;
	struct msg_asked answer = { .state = JOURNAL_READY, .why = ERR_INIT }, seen;
	struct frame f;

	(void)state;
	msg_ask_put(&b, &ask);
	f = frame_of(&b);
	assert_int_equal(msg_ask_get(&f, &got, NULL), 0);
	assert_string_equal(got.id, "101-abc");
	assert_int_equal(got.verdict, VERDICT_COMMIT);
	for (f.len = 0; f.len < b.len; f.len++)
		assert_int_equal(msg_ask_get(&f, &got, NULL), -1);

	buf_clear(&b);
	err_set(&answer.why, ERR_DISK, "full");
	msg_asked_put(&b, &answer);
	f = frame_of(&b);
	assert_int_equal(msg_asked_get(&f, &seen, NULL), 0);
	assert_int_equal(seen.state, JOURNAL_READY);
	assert_int_equal(seen.why.code, ERR_DISK);
	for (f.len = 0; f.len < b.len; f.len++)
		assert_int_equal(msg_asked_get(&f, &seen, NULL), -1);
	f.len = (uint32_t)b.len;
	for (size_t bit = 0; bit < b.len * 8; bit++) {
		b.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
		(void)msg_asked_get(&f, &seen, NULL); /* must not crash */
		b.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
}

static void test_pass_and_hello(void **state)
{
	own_buf struct buf b = BUF_INIT;
	struct msg_pass p = { .kind = PASS_LAST, .n_streams = 3 }, got;
	struct msg_hello h = { 1, 7, 60000, (char *)(uintptr_t) "a", (char *)(uintptr_t) "0.1" };
	struct msg_hello seen;
	struct frame f;

	(void)state;
	msg_pass_put(&b, &p);
	f = frame_of(&b);
	assert_int_equal(msg_pass_get(&f, &got, NULL), 0);
	assert_int_equal(got.n_streams, 3);
	b.data[0] = 9;
	assert_int_equal(msg_pass_get(&f, &got, NULL), -1);

	buf_clear(&b);
	msg_hello_put(&b, &h);
	f = frame_of(&b);
	for (size_t bit = 0; bit < b.len * 8; bit++) {
		b.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
		if (msg_hello_get(&f, &seen, NULL) == 0)
			msg_hello_fini(&seen);
		b.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	assert_int_equal(msg_hello_get(&f, &seen, NULL), 0);
	assert_int_equal(seen.silence_ms, 60000);
	msg_hello_fini(&seen);
	for (f.len = 0; f.len < b.len; f.len++)
		assert_int_equal(msg_hello_get(&f, &seen, NULL), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_steps),
		cmocka_unit_test(test_steps_valid),
		cmocka_unit_test(test_journal_is_read_again),
		cmocka_unit_test(test_journal_torn_line),
		cmocka_unit_test(test_journal_ids),
		cmocka_unit_test(test_ask_and_answers),
		cmocka_unit_test(test_pass_and_hello),
	};

	return cmocka_run_group_tests(tests, make_state_dir, remove_state_dir);
}
