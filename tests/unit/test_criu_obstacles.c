// SPDX-License-Identifier: MIT
/* What stands in CRIU's way: the rules; and the walk, on ourselves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/own.h"
#include "criu/obstacles.h"

static void links(void **state)
{
	(void)state;
	assert_null(obstacle_of_link("/etc/passwd"));
	assert_null(obstacle_of_link("anon_inode:[eventpoll]"));
	assert_null(obstacle_of_link("anon_inode:inotify"));
	assert_null(obstacle_of_link("pipe:[12]"));
	assert_true(obstacle_of_link("anon_inode:[io_uring]")->blocks);
	assert_true(obstacle_of_link("anon_inode:[landlock-ruleset]")->blocks);
	assert_non_null(obstacle_of_link("/sys/fs/cgroup/memory.pressure"));
	assert_non_null(obstacle_of_link("/proc/pressure/cpu"));
}

static void sockets(void **state)
{
	(void)state;
	assert_null(obstacle_of_socket("TCP"));
	assert_null(obstacle_of_socket("UNIX-STREAM"));
	assert_non_null(strstr(obstacle_of_socket("MPTCP")->remedy, "multipathtcp"));
	assert_true(obstacle_of_socket("SCTP")->blocks);
	assert_true(obstacle_of_socket("AF_VSOCK")->blocks);
}

static void others(void **state)
{
	(void)state;
	assert_non_null(strstr(obstacle_of_namespace("uts")->why, "ProtectHostname"));
	assert_null(obstacle_of_fs("tmpfs"));
	assert_null(obstacle_of_fs("ext4"));
	assert_null(obstacle_of_fs("ramfs"));
	assert_false(obstacle_of_fs("hugetlbfs")->blocks);
	assert_true(obstacle_of_fs("fuse.sshfs")->blocks);
}

static void units(void **state)
{
	own_free char *a = obstacle_unit("6:freezer:/vz/1\n0::/vz/1/system.slice/nginx.service\n");
	own_free char *b = obstacle_unit("0::/user.slice/user@0.service/app.slice/x.service/y\n");
	own_free char *c = obstacle_unit("0::/vz/1\n");
	own_free char *d = obstacle_unit("0::/init.scope");

	(void)state;
	assert_string_equal(a, "nginx.service");
	assert_string_equal(b, "x.service");
	assert_null(c);
	assert_string_equal(d, "init.scope");
	assert_null(obstacle_unit(""));
}

static void we_have_one(void **state)
{
	own_obstacles struct obstacles o = OBSTACLES_INIT;
	int sk = socket(AF_INET, SOCK_STREAM, 262 /* MPTCP */);
	struct err e = ERR_INIT;
	bool seen = false;

	(void)state;
	assert_int_equal(obstacles_find(&o, getpid(), "/nowhere", &e), 0);
	assert_int_equal(o.nr_tasks, 1);
	for (size_t i = 0; i < o.n; i++) {
		own_free char *text = obstacle_text(&o.v[i]);

		assert_non_null(text);
		seen = seen || strstr(text, "MPTCP");
	}
	assert_int_equal(seen, sk >= 0);
	if (sk >= 0)
		close(sk);
	assert_int_equal(obstacles_find(&o, 999999999, "/nowhere", &e), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(links),  cmocka_unit_test(sockets), cmocka_unit_test(others),
		cmocka_unit_test(units), cmocka_unit_test(we_have_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
