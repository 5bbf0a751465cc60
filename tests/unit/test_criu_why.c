// SPDX-License-Identifier: MIT
/* criu/: texts of others: CRIU's log, mountinfo, /proc/PID/cgroup. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/own.h"
#include "criu/cgroups.h"
#include "criu/mounts.h"
#include "criu/runcstate.h"
#include "criu/why.h"

static void known_lines_have_remedies(void **state)
{
	static const struct {
		const char *log, *cause, *hint;
	} cases[] = {
		{ "(00.1) Warn  (criu/x.c:1): nothing\n"
		  "(00.2) Error (criu/namespaces.c:1): Can't dump nested uts namespace for 17\n",
		  "ProtectHostname=", "live-ready" },
		{ "(00.2) Error (criu/sk-inet.c:1): Unsupported proto 262 for socket 1\n", "MPTCP",
		  "multipathtcp" },
		{ "(1) Error (a.c:1): first, unknown\n"
		  "(1) Error (b.c:2): Can't dump ghost file /x of 2097152 size, increase limit\n",
		  "deleted file", "restart" },
		{ "(1) Error (criu/files-reg.c:1): File /bin/x has bad size 1 (expect 2)\n"
		  "(1) Error (criu/files-reg.c:1): File /bin/x has bad build-ID\n",
		  "differs", "" },
	};

	(void)state;
	for (size_t i = 0; i < array_len(cases); i++) {
		struct err e = ERR_INIT;

		assert_int_equal(why_set(&e, "no", cases[i].log, NULL), -1);
		assert_int_equal(e.code, ERR_UNSUPPORTED);
		assert_non_null(strstr(e.msg, cases[i].cause));
		assert_non_null(strstr(e.hint, cases[i].hint));
	}
}

static void unknown_lines_are_quoted(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	why_set(&e, "it failed", "(00.2) Error (criu/a.c:9):   odd thing 5\n(1) Error (b.c:1): later",
		"rpc says");
	assert_string_equal(e.msg, "it failed: odd thing 5");
	assert_int_equal(e.code, ERR_CHILD);
	e = (struct err)ERR_INIT;
	why_set(&e, "it failed", "", "rpc says");
	assert_string_equal(e.msg, "it failed: rpc says; its log is empty");
	e = (struct err)ERR_INIT;
	why_set(&e, "it failed", "(0.1) Warn  (criu/a.c:9): one\n(0.2)  7: Warn  (criu/b.c:9): two\n\n", "rpc says");
	assert_string_equal(e.msg, "it failed: rpc says; the last line of its log is: two");
	e = (struct err)ERR_INIT;
	why_set(&e, "it failed", "Error (", NULL);
	assert_string_equal(e.msg, "it failed: CRIU gave no reason; the last line of its log is: Error (");
}

static const char mountinfo[] =
	"140 97 0:54 /opt/redis / rw,relatime - overlay overlay rw\n"
	"142 140 0:111 / /dev rw,nosuid shared:3 master:1 - tmpfs tmpfs rw,size=65536k,mode=755\n"
	"144 142 0:113 / /a\\040b rw - tmpfs shm rw,size=1k,inode64\n"
	"148 147 0:29 /pmigrate/ct1 /sys/fs/cgroup/cpu ro - cgroup cgroup rw,cpu,cpuacct\n"
	"147 148 0:37 /x /sys/fs/cgroup/systemd ro - cgroup cgroup rw,xattr,name=systemd\n"
	"103 141 0:111 /null /proc/keys rw,nosuid - tmpfs tmpfs rw,size=65536k,mode=755\n"
	"104 141 0:6 /null /proc/timer_list rw - devtmpfs devtmpfs rw\n"
	"105 141 0:7 / /proc rw - proc proc rw\n";

static void external_mounts_are_found(void **state)
{
	own_ext_mounts struct ext_mounts l = EXT_MOUNTS_INIT;
	own_ext_mounts struct ext_mounts back = EXT_MOUNTS_INIT;
	own_buf struct buf b = BUF_INIT;
	struct err e = ERR_INIT;
	struct reader r;

	(void)state;
	assert_int_equal(ext_mounts_read(&l, mountinfo, &e), 0);
	assert_int_equal(l.n, 7);
	assert_int_equal(l.m[6].kind, MOUNT_OTHER);
	assert_null(ext_mount_inside(&l.m[0], "/dev"));
	assert_string_equal(ext_mount_inside(&l.m[2], "/sys"), "fs/cgroup/cpu");
	assert_string_equal(l.m[0].at, "/dev");
	assert_string_equal(l.m[0].options, "size=65536k,mode=755");
	assert_int_equal(l.m[0].kind, MOUNT_MEMORY);
	assert_string_equal(l.m[1].at, "/a b");
	assert_string_equal(l.m[1].options, "size=1k");
	assert_int_equal(l.m[2].kind, MOUNT_CGROUP);
	assert_string_equal(l.m[2].options, "cpuacct");
	assert_string_equal(l.m[3].options, "name=systemd");
	assert_true(l.m[4].nested);
	assert_int_equal(l.m[4].kind, MOUNT_MEMORY);
	assert_int_equal(l.m[5].kind, MOUNT_SERVER);
	assert_false(l.m[5].nested);

	ext_mounts_put(&b, &l);
	r = reader_of(b.data, b.len);
	assert_int_equal(ext_mounts_get(&r, &back, &e), 0);
	assert_true(reader_done(&r));
	assert_int_equal(back.n, l.n);
	assert_string_equal(back.m[1].at, "/a b");
	assert_int_equal(back.m[4].dev, l.m[0].dev);
	for (size_t i = 0; i < b.len; i++) {
		own_ext_mounts struct ext_mounts cut = EXT_MOUNTS_INIT;

		r = reader_of(b.data, i);
		assert_int_equal(ext_mounts_get(&r, &cut, NULL), -1);
	}
}

static void broken_mountinfo_is_refused(void **state)
{
	static const char *const bad[] = { "x\n", "1 2 3 / / rw - tmpfs tmpfs rw\n",
					   "1 2 0:3 / /a rw\n", "1 2 0:3 / /a rw - tmpfs\n" };

	(void)state;
	for (size_t i = 0; i < array_len(bad); i++) {
		own_ext_mounts struct ext_mounts l = EXT_MOUNTS_INIT;

		assert_int_equal(ext_mounts_read(&l, bad[i], NULL), -1);
	}
}

static void cgroup_lines(void **state)
{
	static const char text[] = "9:name=systemd:/s\n6:freezer:/pm/ct1\n2:cpu,cpuacct:/c\n0::/u\n";
	size_t len = 0;

	(void)state;
	assert_memory_equal(cgroup_line_path(text, "freezer", &len), "/pm/ct1", 7);
	assert_int_equal(len, 7);
	assert_memory_equal(cgroup_line_path(text, "cpuacct", &len), "/c", 2);
	assert_memory_equal(cgroup_line_path(text, NULL, &len), "/u", 2);
	assert_int_equal(len, 2);
	assert_null(cgroup_line_path(text, "memory", &len));
	assert_null(cgroup_line_path("", NULL, &len));
	assert_null(cgroup_line_path("7\n8:\n", "memory", &len));
}

static void runc_gets_the_new_process(void **state)
{
	static const char old[] =
		"{\"id\":\"c\",\"init_process_pid\":221,\"init_process_start\":277897,\"x\":"
		"18446744073709551615,\"p\":{\"NEWPID\":\"/proc/221/ns/pid\",\"N\":\"/run/netns/221\"}}";
	static const char new[] =
		"{\"id\":\"c\",\"init_process_pid\":7,\"init_process_start\":99,\"x\":"
		"18446744073709551615,\"p\":{\"NEWPID\":\"/proc/7/ns/pid\",\"N\":\"/run/netns/221\"}}";
	own_free char *text = runcstate_text(old, 7, 99, NULL);
	struct err e = ERR_INIT;

	(void)state;
	assert_string_equal(text, new);
	assert_null(runcstate_text("{}", 7, 99, &e));
	assert_int_equal(e.code, ERR_UNSUPPORTED);
	assert_int_equal(stat_start_ticks("7 (a) b) c) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 "
					  "18 4711 20"),
			 4711);
	assert_int_equal(stat_start_ticks("7 (a"), 0);
	assert_int_equal(stat_start_ticks(""), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_lines_have_remedies),
		cmocka_unit_test(unknown_lines_are_quoted),
		cmocka_unit_test(external_mounts_are_found),
		cmocka_unit_test(broken_mountinfo_is_refused),
		cmocka_unit_test(cgroup_lines),
		cmocka_unit_test(runc_gets_the_new_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
