// SPDX-License-Identifier: MIT
/* Unit tests of the native engine: descriptions on the wire, ids and names, networks from
 * configs, seccomp; and, as root in a mount namespace of its own, its files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/file.h"
#include "base/own.h"
#include "base/path.h"
#include "engine/vz/run/boot.h"
#include "engine/vz/run/grants.h"
#include "engine/vz/run/run.h"
#include "engine/vz/run/seccomp.h"

static void fill(struct ct_desc *d)
{
	memset(d, 0, sizeof(*d));
	d->engine = xstrdup("vz");
	d->id = xstrdup("101");
	d->name = xstrdup("first one");
	d->root = xstrdup("/vz/root/101");
	d->config = xstrdup("A=\"1\"\n# x\n");
	d->script = xcalloc(2, sizeof(*d->script));
	d->n_scripts = 2;
	d->script[0] = (struct ct_script){ xstrdup("mount"), 0755, xstrdup("#!/bin/sh\n") };
	d->script[1] = (struct ct_script){ xstrdup("stop"), 0644, xstrdup("") };
	strv_add(&d->addresses, "10.0.0.1");
	strv_add(&d->addresses, "fd00::1");
}

static void test_desc_round_trip(void **state)
{
	own_buf struct buf b = BUF_INIT;
	struct ct_desc d, got;
	struct reader r;

	(void)state;
	fill(&d);
	ct_desc_put(&b, &d);
	r = reader_of(b.data, b.len);
	assert_int_equal(ct_desc_get(&r, &got, NULL), 0);
	assert_true(reader_done(&r));
	assert_string_equal(got.name, "first one");
	assert_null(got.private_area);
	assert_string_equal(got.config, d.config);
	assert_int_equal(got.n_scripts, 2);
	assert_string_equal(got.script[0].name, "mount");
	assert_int_equal(got.script[1].mode, 0644);
	assert_string_equal(got.addresses.item[1], "fd00::1");
	ct_desc_fini(&got);
	ct_desc_fini(&d);
}

/* Every bit flipped, every cut: refused, or a description that is still clean. */
static void test_desc_hostile(void **state)
{
	own_buf struct buf b = BUF_INIT;
	struct ct_desc d, got;

	(void)state;
	fill(&d);
	ct_desc_put(&b, &d);
	ct_desc_fini(&d);
	for (size_t bit = 0; bit < b.len * 8; bit++) {
		struct reader r = reader_of(b.data, b.len);

		b.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
		if (ct_desc_get(&r, &got, NULL) == 0) {
			assert_null(strchr(got.id, '/'));
			for (size_t i = 0; i < got.n_scripts; i++)
				assert_null(strchr(got.script[i].name, '/'));
			assert_true(!got.root || got.root[0] == '/');
			ct_desc_fini(&got);
		}
		b.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	for (size_t n = 0; n < b.len; n++) {
		struct reader r = reader_of(b.data, n);
		struct err e = ERR_INIT;

		assert_int_equal(ct_desc_get(&r, &got, &e), -1);
		assert_int_equal(e.code, ERR_PROTO);
	}
}

static void test_desc_paths(void **state)
{
	static const char *const bad[] = { "relative", "/a/../b", "/a//b", "/", "/a/" };

	(void)state;
	for (size_t i = 0; i < array_len(bad); i++) {
		own_buf struct buf b = BUF_INIT;
		struct ct_desc d, got;
		struct reader r;

		fill(&d);
		free(d.root);
		d.root = xstrdup(bad[i]);
		ct_desc_put(&b, &d);
		r = reader_of(b.data, b.len);
		assert_int_equal(ct_desc_get(&r, &got, NULL), -1);
		ct_desc_fini(&d);
	}
}

static void test_ids_and_names(void **state)
{
	(void)state;
	assert_true(vz_id_ok("1"));
	assert_true(vz_id_ok("2147483644"));
	assert_true(vz_id_ok("0a1b2c3d-0000-4000-8000-0123456789ab"));
	assert_false(vz_id_ok("0"));
	assert_false(vz_id_ok("007"));
	assert_false(vz_id_ok("2147483645"));
	assert_false(vz_id_ok("../1"));
	assert_false(vz_id_ok(""));
	assert_int_equal(vz_name_check("web server-1_a.b", NULL), 0);
	assert_int_equal(vz_name_check("12", NULL), -1);
	assert_int_equal(vz_name_check("a/b", NULL), -1);
	assert_int_equal(vz_name_check("-a", NULL), -1);
	assert_int_equal(vz_name_check(".", NULL), -1);
	assert_int_equal(vz_name_check("", NULL), -1);
}

static int net_of(const char *config, const char *global, struct ctnet *out, struct err *e)
{
	struct vz v = VZ_INIT;
	int ret;

	v.ct.id = xstrdup("101");
	v.netns = xstrdup("/run/netns/vz101");
	assert_int_equal(conf_parse(&v.conf, config, strlen(config), "it", NULL), 0);
	assert_int_equal(conf_parse(&v.global, global, strlen(global), "it", NULL), 0);
	ret = vz_net(&v, out, e);
	vz_fini(&v);
	return ret;
}

static void test_net_config(void **state)
{
	own_ctnet struct ctnet n = CTNET_INIT;
	char text[IP_TEXT_MAX], mac[18];

	(void)state;
	assert_int_equal(net_of("IP_ADDRESS=\"10.0.0.5 fd00::5/64\"\n"
				"NETIF=\"ifname=eth0,mac=02:00:00:00:00:09,host_ifname=h0,bridge=br0,"
				"ip=10.1.0.2/24 10.1.0.3/24,gw=10.1.0.1,odd=1;ifname=eth1,network=br1\"\n"
				"RATE=\"eth0:1:8000\"\n",
				"TRAFFIC_SHAPING=yes\nNEIGHBOUR_DEVS=\"up0 up1\"\n", &n, NULL), 0);
	assert_int_equal(n.n, 3);
	assert_int_equal(n.uplinks.n, 2);
	assert_string_equal(n.ifs[0].host_name, "venet101");
	assert_int_equal(n.ifs[0].n_addr, 2);
	assert_int_equal(n.ifs[0].rate_bps, 1000000);
	assert_string_equal(n.ifs[1].host_name, "h0");
	assert_string_equal(n.ifs[1].bridge, "br0");
	assert_int_equal(n.ifs[1].n_addr, 2);
	assert_int_equal(n.ifs[1].addr[1].prefix, 24);
	ip_text(text, &n.ifs[1].gw4);
	assert_string_equal(text, "10.1.0.1");
	mac_text(mac, n.ifs[1].mac);
	assert_string_equal(mac, "02:00:00:00:00:09");
	assert_string_equal(n.ifs[2].host_name, "veth101.1");
	assert_string_equal(n.ifs[2].bridge, "br1");
	assert_true(n.ifs[2].mac[0] == 2 && n.ifs[2].mac[3] & 0x80);
}

static void test_net_config_bad(void **state)
{
	static const char *const bad[] = {
		"IP_ADDRESS=10.0.0\n",		"NETIF=\"bridge=b,ip=x\"\n",
		"NETIF=ifname=a/b,bridge=b\n",	"NETIF=bridge=b,mac=1\n",
		"RATE=eth0\n",			"NETIF=\"bridge=a-name-that-is-too-long\"\n",
	};

	(void)state;
	for (size_t i = 0; i < array_len(bad); i++) {
		struct ctnet n = CTNET_INIT;
		struct err e = ERR_INIT;

		assert_int_equal(net_of(bad[i], "TRAFFIC_SHAPING=yes\n", &n, &e), -1);
		assert_int_equal(e.code, ERR_USAGE);
	}
}

static int limits_of(const char *config, struct cgroup_limits *out, struct err *e)
{
	struct vz v = VZ_INIT;
	char *cpus = NULL;
	int ret;

	v.ct.id = xstrdup("101");
	assert_int_equal(conf_parse(&v.conf, config, strlen(config), "it", NULL), 0);
	ret = vz_limits(&v, out, &cpus, e);
	out->cpus = out->cpus ? "some" : NULL;
	free(cpus);
	vz_fini(&v);
	return ret;
}

static void test_limits(void **state)
{
	static const char *const bad[] = { "CPUMASK=zzz\n", "CPUMASK=3-1\n", "CPUMASK=1,,x\n", "CPULIMIT=much\n",
					   "CPUS=1.5\n", "NUMPROC=0.5\n", "PHYSPAGES=0:1X\n", "CPUUNITS=50%\n" };
	struct cgroup_limits l;

	(void)state;
	assert_int_equal(limits_of("CPULIMIT=\"50%\"\nCPUMASK=auto\nPHYSPAGES=\"0:256M\"\nSWAPPAGES=\"0:1G\"\n"
				   "NUMPROC=\"100:120\"\nCPUUNITS=\"500 \"\n",
				   &l, NULL), 0);
	assert_int_equal(l.cpu_permille, 500);
	assert_int_equal(l.cpu_shares, 512);
	assert_null(l.cpus);
	assert_int_equal(l.memory, 256 << 20);
	assert_int_equal(l.swap, 1 << 30);
	assert_int_equal(l.tasks, 120);
	assert_int_equal(limits_of("CPULIMIT=unlimited\nCPUMASK=0-3,6\nCPUS=2\nPHYSPAGES=0:unlimited\n", &l, NULL), 0);
	assert_int_equal(l.cpu_permille, 2000);
	assert_non_null(l.cpus);
	assert_true(l.memory == CGROUP_NO_LIMIT);
	for (size_t i = 0; i < array_len(bad); i++) {
		struct err e = ERR_INIT;

		if (limits_of(bad[i], &l, &e) == 0)
			fail_msg("%s", bad[i]);
		assert_int_equal(e.code, ERR_USAGE);
	}
}

static void test_grants(void **state)
{
	static const char *const bad[] = { "b:8:1:rw", "c:10:229", "c:10:x:rw", "c:10:229:rwm", "c:all:all:rw", "fuse:rw" };
	own_free char *time = NULL, *old = NULL;
	char access[4];
	int major, minor;
	bool on = false;

	(void)state;
	time = vz_capability("sys_time:on", &on);
	assert_string_equal(time, "CAP_SYS_TIME");
	assert_true(on);
	old = vz_capability("CAP_MKNOD:off", &on);
	assert_string_equal(old, "CAP_MKNOD");
	assert_false(on);
	assert_null(vz_capability("foo:on", &on));
	assert_null(vz_capability("SYS_TIME", &on));
	assert_null(vz_capability("SYS_TIME:yes", &on));
	assert_int_equal(vz_device_parse("c:10:229:rw", &major, &minor, access), 0);
	assert_true(major == 10 && minor == 229 && strcmp(access, "rw") == 0);
	assert_int_equal(vz_device_parse("c:4:all:rwq", &major, &minor, access), 0);
	assert_true(minor == -1 && strcmp(access, "rw") == 0);
	for (size_t i = 0; i < array_len(bad); i++)
		assert_int_equal(vz_device_parse(bad[i], &major, &minor, access), -1);
}

static void test_left_out(void **state)
{
	static const char config[] = "CAPABILITY=\"SYS_TIME:on foo:on \"\nDEVICES=\"c:10:200:rw b:8:1:rw \"\n"
				     "DEVNODES=\"net/tun:rw ../sda:rw\"\nFEATURES=\"nfs:on ppp:on\"\nNETFILTER=stateless\n"
				     "BINDMOUNT=\"/srv:/srv,ro /opt,noexec\"\nKMEMSIZE=\"14372700:14790164\"\n"
				     "NUMFILE=\"unlimited\"\nNUMPTY=9223372036854775807\nIOLIMIT=0\nIOPSLIMIT=100\n"
				     "PRIVVMPAGES=\"65536:69632\"\nPHYSPAGES=\"0:unlimited\"\n";
	static const char *const lines[] = {
		"not limited here: KMEMSIZE IOPSLIMIT",
		"PRIVVMPAGES 65536:69632 limits nothing here",
		"CAPABILITY foo:on: ",
		"DEVNODES ../sda:rw: ",
		"DEVICES b:8:1:rw: ",
		"FEATURES ppp:on: ",
		"NETFILTER stateless: ",
		"BINDMOUNT /opt,noexec: ",
	};
	own_conf struct conf c = CONF_INIT;
	own_strv struct strv out = STRV_INIT;

	(void)state;
	assert_int_equal(conf_parse(&c, config, sizeof(config) - 1, "it", NULL), 0);
	vz_left_out(&c, &out);
	assert_int_equal(out.n, array_len(lines));
	for (size_t i = 0; i < out.n; i++) {
		if (strncmp(out.item[i], lines[i], strlen(lines[i])) != 0)
			fail_msg("%s, not %s", out.item[i], lines[i]);
	}
}

static void test_seccomp(void **state)
{
	cJSON *plain = vz_seccomp(false), *live = vz_seccomp(true);
	own_free char *text = cJSON_PrintUnformatted(live);

	(void)state;
	assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(plain, "syscalls")), 1);
	assert_true(cJSON_GetArraySize(cJSON_GetObjectItem(live, "syscalls")) > 6);
	assert_non_null(strstr(text, "{\"names\":[\"unshare\",\"clone\"],\"action\":\"SCMP_ACT_ERRNO\","
				     "\"errnoRet\":1,\"args\":[{\"index\":0,\"value\":67108864,"
				     "\"valueTwo\":67108864,\"op\":\"SCMP_CMP_MASKED_EQ\"}]}"));
	cJSON_Delete(plain);
	cJSON_Delete(live);
}

/* ---- its files, where /etc/vz and /vz are ours -------------------------------------- */

#define CHECK(x)                                                                   \
	do {                                                                       \
		if (!(x)) {                                                        \
			fprintf(stderr, "line %d: %s: %s\n", __LINE__, #x, e.msg); \
			return 1;                                                  \
		}                                                                  \
	} while (0)

static bool there(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

static int put(const char *path, const char *text)
{
	return file_replace(AT_FDCWD, path, text, strlen(text), 0644, NULL);
}

static int own_world(void)
{
	if (unshare(CLONE_NEWNS) < 0)
		return 77;
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("t", "/etc", "tmpfs", 0, NULL) < 0 || mount("t", "/run", "tmpfs", 0, NULL) < 0 ||
	    mount("t", "/mnt", "tmpfs", 0, NULL) < 0 || mkdir("/etc/vz", 0755) < 0 ||
	    put("/etc/vz/vz.conf", "LOCKDIR=/mnt/lock\nVE_PRIVATE=/mnt/p/$VEID\nVE_ROOT=/mnt/r/$VEID\n") < 0)
		return 1;
	return 0;
}

static int home_and_back(void)
{
	struct err e = ERR_INIT;
	struct ct_desc d, out;
	struct ct ct, found, other;

	fill(&d);
	free(d.root);
	d.root = NULL;
	CHECK(vz_plan_home(&d, &ct, &e) == 0);
	CHECK(strcmp(ct.private_area, "/mnt/p/101") == 0);
	CHECK(path_mkdirs(ct.private_area, 0755, &e) == 0 && put("/mnt/p/101/data", "1") == 0);
	CHECK(vz_adopt(&ct, &d, &e) == 0);
	CHECK(there("/etc/vz/conf/101.conf") && there("/etc/vz/conf/101.mount") && there("/etc/vz/names/first one"));
	CHECK(vz_find("first one", &found, &e) == 0 && strcmp(found.id, "101") == 0);
	CHECK(vz_plan_home(&d, &other, &e) < 0 && e.code == ERR_EXISTS);
	free(d.id);
	d.id = xstrdup("102");
	CHECK(vz_plan_home(&d, &other, &e) < 0 && e.code == ERR_NAME_USED);
	CHECK(vz_describe(&found, &out, &e) == 0);
	CHECK(out.n_scripts == 2 && strcmp(out.script[0].text, "#!/bin/sh\n") == 0);
	CHECK(strcmp(out.config, "A=\"1\"\n# x\nNAME=\"first one\"\n") == 0);
	ct_desc_fini(&out);
	ct_desc_fini(&d);

	/* another id and name, and back; twice each, as recover does */
	other = (struct ct){ xstrdup("vz"), xstrdup("105"), xstrdup("five"), xstrdup("/mnt/p/101"),
			     xstrdup("/mnt/r/105") };
	CHECK(vz_rename(&ct, &other, &e) == 0 && vz_rename(&ct, &other, &e) == 0);
	CHECK(!there("/etc/vz/conf/101.conf") && there("/etc/vz/conf/105.mount"));
	CHECK(!there("/etc/vz/names/first one") && there("/etc/vz/names/five"));
	CHECK(vz_rename(&other, &ct, &e) == 0 && vz_rename(&other, &ct, &e) == 0);
	CHECK(there("/etc/vz/conf/101.conf") && !there("/etc/vz/conf/105.conf"));
	CHECK(vz_find("first one", &found, &e) == 0 && strcmp(found.private_area, "/mnt/p/101") == 0);

	/* away, twice, over an older one */
	CHECK(path_mkdirs("/mnt/p/101.migrated/old", 0755, &e) == 0);
	CHECK(put("/etc/vz/conf/101.conf.migrated", "old") == 0);
	CHECK(vz_retire(&ct, false, &e) == 0 && vz_retire(&ct, false, &e) == 0);
	CHECK(there("/mnt/p/101.migrated/data") && !there("/mnt/p/101.migrated/old") && !there("/mnt/p/101"));
	CHECK(there("/etc/vz/conf/101.mount.migrated") && !there("/etc/vz/conf/101.conf"));
	CHECK(!there("/etc/vz/names/first one") && !there("/mnt/p/101.replaced"));
	CHECK(vz_find("101", &found, &e) < 0 && e.code == ERR_ABSENT);
	return 0;
}

static int locks(void)
{
	struct err e = ERR_INIT;
	int a = -1, b = -1;

	CHECK(vz_lock("7", "testing", NULL, &a, &e) == 0);
	CHECK(vz_lock("7", "again", NULL, &b, &e) < 0 && e.code == ERR_LOCKED);
	CHECK(strstr(e.msg, "testing"));
	own_free char *who = vz_locked_by("7");
	CHECK(who && strstr(who, "testing"));
	vz_unlock("7", &a);
	CHECK(!vz_locked_by("7"));

	/* with a ticket: as if the holder had died */
	CHECK(vz_lock("7", "moving", "t1", &a, &e) == 0);
	close(a);
	CHECK(vz_lock("7", "starting", NULL, &b, &e) < 0 && e.code == ERR_LOCKED);
	CHECK(vz_lock("7", "starting", "t2", &b, &e) < 0 && strstr(e.hint, "recover"));
	CHECK(vz_lock("7", "recovering", "t1", &b, &e) == 0);
	vz_unlock("7", &b);
	CHECK(vz_lock("7", "starting", NULL, &b, &e) == 0);
	vz_unlock("7", &b);
	return 0;
}

static int files_in_tree(void)
{
	struct err e = ERR_INIT;
	struct stat before, after;
	struct vz v;

	CHECK(path_mkdirs("/mnt/p/9/etc", 0755, &e) == 0 && path_mkdirs(VZ_CONF_DIR, 0755, &e) == 0 && put("/mnt/outside", "untouched") == 0);
	CHECK(symlink("../../../outside", "/mnt/p/9/etc/resolv.conf") == 0);
	CHECK(put("/mnt/p/9/etc/hosts", "127.0.0.1 localhost\n") == 0);
	CHECK(put("/etc/vz/conf/9.conf", "HOSTNAME=nine.example\nNAMESERVER=\"10.0.0.1 10.0.0.2\"\nSEARCHDOMAIN=example\n") == 0);
	CHECK(vz_open(&v, "9", &e) == 0 && vz_files_write(&v, &e) == 0);
	own_free char *hosts = NULL, *resolver = NULL, *outside = NULL;
	CHECK(file_read(AT_FDCWD, "/mnt/p/9/etc/hosts", 999, &hosts, NULL, &e) == 0);
	CHECK(strcmp(hosts, "127.0.0.1 localhost\n127.0.1.1\tnine.example nine\n") == 0);
	CHECK(file_read(AT_FDCWD, "/mnt/p/9/etc/resolv.conf", 999, &resolver, NULL, &e) == 0);
	CHECK(strcmp(resolver, "search example\nnameserver 10.0.0.1\nnameserver 10.0.0.2\n") == 0);
	CHECK(file_read(AT_FDCWD, "/mnt/outside", 999, &outside, NULL, &e) == 0);
	CHECK(strcmp(outside, "untouched") == 0);
	/* the second time nothing is written */
	CHECK(stat("/mnt/p/9/etc/hosts", &before) == 0);
	CHECK(vz_files_write(&v, &e) == 0 && stat("/mnt/p/9/etc/hosts", &after) == 0);
	CHECK(before.st_ino == after.st_ino);
	vz_fini(&v);
	return 0;
}

static void in_own_world(int (*test)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		int code = own_world();

		_exit(code ? code : test());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_home_and_back(void **state)
{
	(void)state;
	in_own_world(home_and_back);
}

static void test_locks(void **state)
{
	(void)state;
	in_own_world(locks);
}

static void test_files_in_tree(void **state)
{
	(void)state;
	in_own_world(files_in_tree);
}

/* What an init says of the start, hostile as it may be. */
static void test_boot(void **state)
{
	own_vz_boot struct vz_boot b = VZ_BOOT_INIT;
	own_free char *many = xstrdup("state\tdegraded\n");

	(void)state;
	vz_boot_parse(&b, "state\tdegraded\nunit\tbad.service\texit-code\t3\tno \033[31mcard\n"
			  "unit\tmnt.mount\ttimeout\t0\t\nunit\tx.service\t\t0\twhy\nunit\thalf\n");
	assert_string_equal(b.state, "degraded");
	assert_false(vz_boot_goes_on(&b));
	assert_int_equal(b.n, 3);
	assert_string_equal(b.unit[0].name, "bad.service");
	assert_string_equal(b.unit[0].why, "exit-code 3: no ?[31mcard");
	assert_string_equal(b.unit[1].why, "timeout");
	assert_string_equal(b.unit[2].why, "why");
	vz_boot_parse(&b, "state\tstarting\nunit\tdev-sda1.device\t\t0\t");
	assert_true(vz_boot_goes_on(&b));
	assert_int_equal(b.n, 1);
	assert_string_equal(b.unit[0].why, "");
	for (int i = 0; i < VZ_BOOT_UNITS + 5; i++) {
		char *more = xasprintf("%sunit\tu%d\tresult\t0\t\n", many, i);

		free(many);
		many = more;
	}
	vz_boot_parse(&b, many);
	assert_int_equal(b.n, VZ_BOOT_UNITS);
	assert_int_equal(b.left_out, 5);
	vz_boot_parse(&b, "");
	assert_string_equal(b.state, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_desc_round_trip),
		cmocka_unit_test(test_desc_hostile),
		cmocka_unit_test(test_desc_paths),
		cmocka_unit_test(test_ids_and_names),
		cmocka_unit_test(test_net_config),
		cmocka_unit_test(test_net_config_bad),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_grants),
		cmocka_unit_test(test_left_out),
		cmocka_unit_test(test_seccomp),
		cmocka_unit_test(test_home_and_back),
		cmocka_unit_test(test_locks),
		cmocka_unit_test(test_files_in_tree),
		cmocka_unit_test(test_boot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
