// SPDX-License-Identifier: MIT
/* What every task is, before and after a live move. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/own.h"
#include "criu/carry/tasks.h"

static const char nginx[] = "Name\tnginx\nGroups\t\nNoNewPrivs\t1\nMax open files\t1024 4096\nns mnt\t1\ndescriptors\t0c 1p 2p\n";

static struct tasks one(pid_t vpid, const char *text)
{
	struct tasks t = { xcalloc(1, sizeof(*t.v)), 1 };

	t.v[0] = (struct task){ .tid = 4711, .vpid = vpid, .vtid = vpid, .text = xstrdup(text) };
	return t;
}

static char *replaced(const char *text, const char *old, const char *new)
{
	const char *at = strstr(text, old);

	assert_non_null(at);
	return xasprintf("%.*s%s%s", (int)(at - text), text, new, at + strlen(old));
}

static void every_difference_is_told(void **state)
{
	static const struct {
		const char *old, *new, *told;
	} cases[] = {
		{ "Groups\t\n", "Groups\t0\n", "nginx (pid 7): Groups was none, and is 0 after the restore" },
		{ "NoNewPrivs\t1", "NoNewPrivs\t0", "nginx (pid 7): NoNewPrivs was 1, and is 0 after the restore" },
		{ "1024 4096", "1024 1024", "Max open files was 1024 4096, and is 1024 1024" },
		{ "ns mnt\t1", "ns mnt\t7", "ns mnt was 1, and is 7" },
		{ " 2p", "", "descriptors was 0c 1p 2p, and is 0c 1p after" },
		{ "ns mnt\t1\n", "", "ns mnt was 1, and is none" },
		{ "ns mnt\t1\n", "ns mnt\t1\nmount /x\tro\n", "mount /x was none, and is ro" },
	};
	own_tasks struct tasks saved = one(7, nginx);

	(void)state;
	for (size_t i = 0; i < array_len(cases); i++) {
		own_free char *text = replaced(nginx, cases[i].old, cases[i].new);
		own_tasks struct tasks now = one(7, text);
		struct err e = ERR_INIT;

		assert_int_equal(tasks_settle(&saved, &now, NULL, &e), -1);
		assert_non_null(strstr(e.msg, cases[i].told));
	}
}

static void the_same_is_the_same(void **state)
{
	own_tasks struct tasks saved = one(7, nginx), now = one(7, nginx), none = TASKS_INIT, other = one(8, nginx);
	own_free char *older = replaced(nginx, "NoNewPrivs\t1\n", ""); /* its kernel does not tell */
	own_tasks struct tasks old = one(7, older);
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(tasks_settle(&saved, &now, NULL, &e), 0);
	assert_int_equal(tasks_settle(&saved, &old, NULL, &e), 0);
	assert_int_equal(tasks_settle(&old, &saved, NULL, &e), 0);
	assert_int_equal(tasks_settle(&saved, &none, NULL, &e), -1);
	assert_string_equal(e.msg, "nginx (pid 7): it was not restored");
	e = (struct err)ERR_INIT;
	assert_int_equal(tasks_settle(&none, &saved, NULL, &e), -1);
	assert_string_equal(e.msg, "nginx (pid 7): it was not there before the restore");
	e = (struct err)ERR_INIT;
	assert_int_equal(tasks_settle(&saved, &other, NULL, &e), -1);
}

static int give(pid_t tid, const char *key, const char *value, bool *done, struct err *e)
{
	(void)e;
	assert_int_equal(tid, 4711);
	*done = strcmp(key, "Groups") == 0 && strcmp(value, "") == 0;
	return 0;
}

static void what_can_be_given_is_given(void **state)
{
	own_free char *text = replaced(nginx, "Groups\t\n", "Groups\t0\n");
	own_free char *more = replaced(text, "mnt\t1", "mnt\t2");
	own_tasks struct tasks saved = one(7, nginx), now = one(7, text), worse = one(7, more);
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(tasks_settle(&saved, &now, give, &e), 0);
	assert_int_equal(tasks_settle(&saved, &worse, give, &e), -1);
	assert_non_null(strstr(e.msg, "ns mnt"));
}

static void they_travel(void **state)
{
	own_tasks struct tasks saved = one(7, nginx), got = TASKS_INIT;
	own_buf struct buf b = BUF_INIT;
	struct err e = ERR_INIT;

	(void)state;
	tasks_put(&b, &saved);
	assert_int_equal(tasks_get(&got, b.data, b.len, &e), 0);
	assert_int_equal(got.n, 1);
	assert_string_equal(got.v[0].text, nginx);
	for (size_t len = 0; len < b.len; len++) {
		own_tasks struct tasks part = TASKS_INIT;

		assert_int_equal(tasks_get(&part, b.data, len, NULL), -1);
	}
}

/* A child that differs from us in one thing. */
static void what_the_kernel_says(void **state)
{
	own_tasks struct tasks us = TASKS_INIT, again = TASKS_INIT, child = TASKS_INIT;
	struct proc p = { .pid = getpid(), .vpid = getpid(), .pidfd = -1 };
	struct err e = ERR_INIT;
	int ready[2];
	pid_t pid;
	char c;

	(void)state;
	assert_int_equal(pipe(ready), 0);
	assert_int_equal(tasks_read(&us, &p, 1, &e), 0);
	assert_int_equal(us.n, 1);
	assert_non_null(strstr(us.v[0].text, "\ndescriptors\t0"));
	assert_non_null(strstr(us.v[0].text, "\nMax open files\t"));
	assert_non_null(strstr(us.v[0].text, "\nmount /proc\t"));
	assert_int_equal(tasks_read(&again, &p, 1, &e), 0);
	assert_int_equal(tasks_settle(&us, &again, NULL, &e), 0);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		if (write(ready[1], "", 1) != 1)
			_exit(1);
		pause();
	}
	assert_int_equal(read(ready[0], &c, 1), 1);
	p.pid = pid; /* in our place, so that it is compared with us */
	assert_int_equal(tasks_read(&child, &p, 1, &e), 0);
	child.v[0].vpid = us.v[0].vpid;
	child.v[0].vtid = us.v[0].vtid;
	assert_int_equal(tasks_settle(&us, &child, NULL, &e), -1);
	assert_non_null(strstr(e.msg, "NoNewPrivs was 0, and is 1"));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_difference_is_told),
		cmocka_unit_test(the_same_is_the_same),
		cmocka_unit_test(what_can_be_given_is_given),
		cmocka_unit_test(they_travel),
		cmocka_unit_test(what_the_kernel_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
