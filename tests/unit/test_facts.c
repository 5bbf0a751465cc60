// SPDX-License-Identifier: MIT
/* What facts are made of: licences, technologies, rate classes, routes, CPU flags, room. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/own.h"
#include "host/machine.h"
#include "host/space.h"
#include "net/addresses.h"
#include "plan/licence.h"
#include "plan/tech.h"

static void test_licence(void **state)
{
	struct licence l;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(licence_parse("# ours\n ct_total=\"20\"\r\nexpiration='2027-12-31'\n"
				       "owner=\"A = B\"\n",
				       "x", &l, &e),
			 0);
	assert_int_equal(l.max, 20);
	assert_int_equal(l.until_s, 1830297600); /* 2028-01-01 */
	assert_int_equal(licence_parse("ct_total=unlimited\nexpiration=never", "x", &l, &e), 0);
	assert_true(l.max == UINT64_MAX && l.until_s == UINT64_MAX);
	assert_int_equal(licence_parse("ct_total=0", "x", &l, &e), 0);
	assert_int_equal(l.max, 0);
	static const char *const bad[] = { "",
					   "expiration=never",
					   "ct_total=",
					   "ct_total=-1",
					   "ct_total=20 30",
					   "ct_total=5\nexpiration=soon",
					   "ct_total=5\nexpiration=2027-13-01",
					   "ct_total=5\nexpiration=2027-1-1",
					   "ct_total=5\nnonsense" };

	for (size_t i = 0; i < array_len(bad); i++) {
		e.code = ERR_NONE;
		if (licence_parse(bad[i], "x", &l, &e) == 0)
			fail_msg("'%s' was taken", bad[i]);
		assert_int_equal(e.code, ERR_USAGE);
	}
}

static void test_technologies(void **state)
{
	own_strv struct strv fs = STRV_INIT, new = STRV_INIT, old = STRV_INIT;

	(void)state;
	strv_add(&fs, "ext4");
	tech_provided("x86_64", "6.12.1-amd64", &fs, &new);
	assert_true(strv_has(&new, "x86") && strv_has(&new, "x86_64") && strv_has(&new, "ext4"));
	assert_true(strv_has(&new, "nptl") && strv_has(&new, "cowdir"));
	assert_false(strv_has(&new, "nfs") || strv_has(&new, "ia64"));
	tech_provided("i686", "2.6.8", &fs, &old);
	assert_true(strv_has(&old, "x86") && strv_has(&old, "sysfs"));
	assert_false(strv_has(&old, "x86_64") || strv_has(&old, "ext4") ||
		     strv_has(&old, "mfiles"));
	assert_true(tech_known("i64"));
	assert_false(tech_known("wormhole"));
	assert_int_equal(tech_rate_classes("# all\n1 0.0.0.0/0\n  3  10.0.0.0/8 # ours\n"
					   "16 1.2.3.4/32\n2\n"),
			 1 << 1 | 1 << 3);
}

static void test_routes(void **state)
{
	static const char four[] =
		"Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\n"
		"eth0\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
		"venet0\t0500000A\t00000000\t0005\t0\t0\t0\tFFFFFFFF\t0\t0\t0\n"
		"eth0\t0600000A\t0100000A\t0007\t0\t0\t0\tFFFFFFFF\t0\t0\t0\n"
		"eth0\t0700000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n";
	static const char six[] =
		"20010db8000000000000000000000005 80 00000000000000000000000000000000 00 "
		"00000000000000000000000000000000 00000400 00000001 00000000 00000001 venet0\n"
		"20010db8000000000000000000000006 80 00000000000000000000000000000000 00 "
		"00000000000000000000000000000000 00000000 00000002 00000000 80200001       lo\n";

	(void)state;
	assert_true(addresses_routed4(four, "10.0.0.5"));
	assert_false(addresses_routed4(four, "10.0.0.6")); /* somewhere else */
	assert_false(addresses_routed4(four, "10.0.0.7"));
	assert_false(addresses_routed4(four, "not one"));
	assert_true(addresses_routed6(six, "2001:db8::5"));
	assert_false(addresses_routed6(six, "2001:db8::6"));
}

static void test_local_addresses(void **state)
{
	own_strv struct strv ask = STRV_INIT, used = STRV_INIT, interfaces = STRV_INIT;
	struct err e = ERR_INIT;

	(void)state;
	strv_add(&ask, "127.0.0.1");
	strv_add(&ask, "192.0.2.77");
	strv_add(&ask, "rubbish");
	assert_int_equal(addresses_used(&ask, &used, &e), 0);
	assert_int_equal(used.n, 1);
	assert_int_equal(addresses_interfaces(&interfaces, &e), 0);
	assert_true(strv_has(&interfaces, "lo"));
}

static void test_machine(void **state)
{
	own_strv struct strv flags = STRV_INIT, fs = STRV_INIT;
	struct machine m, again;

	(void)state;
	machine_cpu_flags("processor\t: 0\nflags\t\t: fpu sse2 avx\nprocessor\t: 1\nflags\t: x\n",
			  &flags);
	assert_int_equal(flags.n, 3);
	assert_string_equal(flags.item[2], "avx");
	machine_filesystems("nodev\tproc\n\text4\nnodev\tnfs\n", &fs);
	assert_int_equal(fs.n, 3);
	assert_string_equal(fs.item[1], "ext4");
	machine_look(&m);
	machine_look(&again);
	assert_string_equal(m.id, again.id);
	assert_true(m.cpus > 0 && m.memory > 0 && *m.kernel && *m.arch);
	machine_fini(&m);
	machine_fini(&again);
	assert_false(machine_has_module("no_such_module_at_all"));
}

static void touch(const char *dir, const char *name, size_t bytes)
{
	own_free char *path = xasprintf("%s/%s", dir, name);
	own_fd int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	own_free char *data = xcalloc(1, bytes + 1);

	memset(data, 'x', bytes);
	assert_int_equal(write(fd, data, bytes), (ssize_t)bytes);
}

static void test_space(void **state)
{
	char dir[] = "/tmp/test-facts-XXXXXX";
	uint64_t bytes, inodes;
	struct err e = ERR_INIT;

	(void)state;
	assert_non_null(mkdtemp(dir));
	own_free char *sub = xasprintf("%s/sub", dir);
	own_free char *a = xasprintf("%s/a", dir);
	own_free char *b = xasprintf("%s/sub/b", dir);
	own_free char *none = xasprintf("%s/not/there/yet", dir);

	mkdir(sub, 0700);
	touch(dir, "a", 100000);
	assert_int_equal(link(a, b), 0);
	assert_int_equal(space_used(dir, &bytes, &inodes, &e), 0);
	assert_int_equal(inodes, 3); /* dir, sub, a; b is a */
	assert_in_range(bytes, 100000, 200000);
	assert_int_equal(space_free(none, &bytes, &inodes, &e), 0);
	assert_true(bytes > 0);
	assert_int_equal(unlink(a) + unlink(b) + rmdir(sub) + rmdir(dir), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_licence),
		cmocka_unit_test(test_technologies),
		cmocka_unit_test(test_routes),
		cmocka_unit_test(test_local_addresses),
		cmocka_unit_test(test_machine),
		cmocka_unit_test(test_space),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
