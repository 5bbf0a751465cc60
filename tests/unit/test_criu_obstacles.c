// SPDX-License-Identifier: MIT
/* What stands in CRIU's way: the rules; and the walk, on ourselves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/packet_diag.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/own.h"
#include "criu/carry/groups.h"
#include "criu/check/obstacles.h"
#include "criu/version.h"

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
	assert_non_null(obstacle_of_link("/home/u/Maildir/dovecot.index.log"));
	assert_false(obstacle_of_link("/home/u/Maildir/.Sent/dovecot.list.index.log")->blocks);
	assert_null(obstacle_of_link("/home/u/Maildir/dovecot.index.cache"));
	assert_null(obstacle_of_link("socket:[7]"));
}

static void sockets(void **state)
{
	(void)state;
	assert_null(obstacle_of_socket("TCP", 0));
	assert_null(obstacle_of_socket("UNIX-STREAM", 0));
	assert_non_null(strstr(obstacle_of_socket("MPTCP", 0)->remedy, "multipathtcp"));
	assert_true(obstacle_of_socket("SCTP", 0)->blocks);
	assert_true(obstacle_of_socket("AF_VSOCK", 0)->blocks);
	assert_null(obstacle_of_socket("PING", 0));
	assert_null(obstacle_of_socket("PINGv6", CRIU_LACKS_WIPE));
	assert_true(obstacle_of_socket("PING", CRIU_LACKS_PING)->blocks);
	assert_true(obstacle_of_socket("PINGv6", CRIU_LACKS_PING | CRIU_LACKS_WIPE)->blocks);
	assert_null(obstacle_of_socket("UDP", CRIU_LACKS_PING));
}

static void members(void **state)
{
	const uint32_t low[] = { 1, 0 }, beyond[] = { 0, 4 }, wide[] = { 1, 0, 0, 0 };
	struct packet_diag_mclist m[] = { { .pdmc_count = 1 }, { .pdmc_count = 2 } };

	(void)state;
	assert_null(obstacle_of_netlink(0, NULL, 0));
	assert_null(obstacle_of_netlink(7, low, sizeof(low)));
	assert_null(obstacle_of_netlink(7, low, 4));
	assert_true(obstacle_of_netlink(0, low, sizeof(low))->blocks);
	assert_true(obstacle_of_netlink(7, beyond, sizeof(beyond))->blocks);
	assert_true(obstacle_of_netlink(7, wide, sizeof(wide))->blocks);
	assert_null(obstacle_of_packet(NULL, 0));
	assert_null(obstacle_of_packet(m, sizeof(m[0])));
	assert_null(obstacle_of_packet(m, sizeof(m) - 1));
	assert_true(obstacle_of_packet(m, sizeof(m))->blocks);
}

static void others(void **state)
{
	(void)state;
	assert_non_null(strstr(obstacle_of_namespace("uts")->why, "ProtectHostname"));
	assert_true(obstacle_of_mapping("/anon_hugepage (deleted)", false)->blocks);
	assert_true(obstacle_of_mapping("/memfd:pool (deleted)", true)->blocks);
	assert_null(obstacle_of_mapping("/memfd:pool (deleted)", false));
	assert_null(obstacle_of_mapping("/SYSV00000000 (deleted)", false));
	assert_null(obstacle_of_fs("tmpfs"));
	assert_null(obstacle_of_fs("ext4"));
	assert_null(obstacle_of_fs("ramfs"));
	assert_false(obstacle_of_fs("hugetlbfs")->blocks);
	assert_true(obstacle_of_fs("fuse.sshfs")->blocks);
}

static void modes(void **state)
{
	(void)state;
	assert_non_null(obstacle_of_fdinfo("pipe:[7]", "pos:\t0\nflags:\t040001\nmnt_id:\t15\n"));
	assert_null(obstacle_of_fdinfo("pipe:[7]", "pos:\t0\nflags:\t04001\n"));
	assert_non_null(obstacle_of_fdinfo("anon_inode:[eventfd]",
					   "flags:\t02\neventfd-count: 3\neventfd-semaphore: 1\n"));
	assert_null(obstacle_of_fdinfo("anon_inode:[eventfd]",
				       "flags:\t040002\neventfd-count: 3\neventfd-semaphore: 0\n"));
	assert_null(obstacle_of_fdinfo("anon_inode:[eventfd]", ""));
	assert_non_null(obstacle_of_fdinfo("anon_inode:[pidfd]", "pos:\t0\nflags:\t02000202\nPid:\t7\n"));
	assert_null(obstacle_of_fdinfo("anon_inode:[pidfd]", "pos:\t0\nflags:\t02000002\nPid:\t7\n"));
	assert_true(obstacle_leases_unread("pos:\t0\nflags:\t0100001\nmnt_id:\t3\nlock:\t1: LEASE  ACTIVE    WRITE 4711 08:01:131 0 EOF\n"));
	assert_false(obstacle_leases_unread("pos:\t0\nflags:\t0100002\nlock:\t1: LEASE  ACTIVE    WRITE 4711 08:01:131 0 EOF\n"));
	assert_false(obstacle_leases_unread("pos:\t0\nflags:\t0100001\nlock:\t1: FLOCK  ADVISORY  WRITE 4711 08:01:131 0 EOF\n"));
	assert_false(obstacle_leases_unread(""));
}

static void groups(void **state)
{
	static const char *const of_kernel[] = {
		"", "Idx\tDevice    : Count Querier\tGroup    Users Timer\tReporter",
		"1\tlo        :     1      V3", "\t\t\t\t010000E0     1 0:00000000\t\t0",
		"1    lo              ff020000000000000000000000000001     1 0000000C 0",
		"4    eth0            ff0200000000000000000001ff000002     1 00000004 0",
		"4    eth0            ff02", "4    eth0            x     1",
	};
	own_free char *four = groups_of_line("\t\t\t\t550700E0     1 0:00000000\t\t0");
	own_free char *six =
		groups_of_line("1    lo              ff050000000000000000000000000055     1 00000004 0");

	(void)state;
	assert_string_equal(four, "224.0.7.85");
	assert_string_equal(six, "ff05::55");
	for (size_t i = 0; i < array_len(of_kernel); i++)
		assert_null(groups_of_line(of_kernel[i]));
}

static void timers(void **state)
{
	const char *at = "ID: 0\nsignal: 34/0000000000000000\nnotify: signal/pid.7\nClockID: 1\n"
			 "ID: 3\nsignal: 34/0000000000000000\nnotify: signal/tid.152\nClockID: 1\n"
			 "ID: 4\nsignal: 0/0000000000000000\nnotify: none/tid.8\nClockID: -6\n";
	pid_t tid = 0;
	int id = -1;

	(void)state;
	assert_true(obstacle_next_timer(&at, &id, &tid));
	assert_int_equal(id, 3);
	assert_int_equal(tid, 152);
	assert_true(obstacle_next_timer(&at, &id, &tid));
	assert_int_equal(id, 4);
	assert_int_equal(tid, 8);
	assert_false(obstacle_next_timer(&at, &id, &tid));
	at = "ID: 9\nsignal: 1/0";
	assert_false(obstacle_next_timer(&at, &id, &tid));
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
	assert_int_equal(obstacles_find(&o, getpid(), "/nowhere", 0, &e), 0);
	assert_int_equal(o.nr_tasks, 1);
	for (size_t i = 0; i < o.n; i++) {
		own_free char *text = obstacle_text(&o.v[i]);

		assert_non_null(text);
		seen = seen || strstr(text, "MPTCP");
	}
	assert_int_equal(seen, sk >= 0);
	if (sk >= 0)
		close(sk);
	assert_int_equal(obstacles_find(&o, 999999999, "/nowhere", 0, &e), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(links),  cmocka_unit_test(sockets), cmocka_unit_test(others),
		cmocka_unit_test(units), cmocka_unit_test(modes), cmocka_unit_test(timers), cmocka_unit_test(members),
		cmocka_unit_test(groups), cmocka_unit_test(we_have_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
