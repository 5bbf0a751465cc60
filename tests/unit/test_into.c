// SPDX-License-Identifier: MIT
/* Unit tests of plan/restrict.c and plan/into.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/own.h"
#include "plan/into.h"
#include "plan/restrict.h"

static const struct finding *find_text(const struct findings *f, const char *part)
{
	for (size_t i = 0; i < f->n; i++) {
		if (strstr(f->item[i].text, part))
			return &f->item[i];
	}
	return NULL;
}

static const char scan[] = "address\t192.0.2.1\tan address\n"
			   "address\t2001:db8::1\tan address\n"
			   "network-fs\t/mnt/my data\tnfs of nas:/x\n"
			   "joined\t/home\text4 on /dev/sda2\n"
			   "quota\t/home\tuser or group quotas (ext4)\n"
			   "quota\t/srv\tuser or group quotas (xfs)\n"
			   "selinux\tenforcing\tSELinux is on\n"
			   "raw-device\t/dev/sdc\topen in process 7 (oracle)\n"
			   "xattr\tuser.mark\ton 3 files, such as /a\\011b\n"
			   "xattr\tsecurity.selinux\ton 9 files, such as /a\n"
			   "mac-licence\t/opt/x.lic\ta licence that names a card\n"
			   "service\tnginx\truns under systemd\n"
			   "broken\n\t\t\n"
			   "something\tnew\tof a later version";

static void test_scan(void **state)
{
	struct job j;
	struct restrict_can can = { .xattrs = true };
	own_findings struct findings f = FINDINGS_INIT, g = FINDINGS_INIT;
	own_strv struct strv services = STRV_INIT;

	(void)state;
	job_init(&j);
	j.quota_part = xstrdup("/home");
	restrict_scan(&f, scan, &j, &can, &services);
	assert_int_equal(findings_verdict(&f, NULL), 0);
	assert_int_equal(services.n, 1);
	assert_string_equal(services.item[0], "nginx");
	assert_int_equal(find_text(&f, "/mnt/my data")->level, FINDING_NOTE);
	assert_int_equal(find_text(&f, "/home: user")->level, FINDING_PASS);
	assert_int_equal(find_text(&f, "/srv: user")->level, FINDING_NOTE);
	assert_int_equal(find_text(&f, "user.mark")->level, FINDING_PASS);
	assert_non_null(find_text(&f, "such as /a?b"));
	assert_int_equal(find_text(&f, "security.selinux")->level, FINDING_NOTE);
	assert_non_null(find_text(&f, "2 addresses (192.0.2.1 2001:db8::1)"));
	assert_non_null(find_text(&f, "/dev/sdc (open in process 7 (oracle))"));
	assert_non_null(find_text(&f, "something new"));
	assert_null(find_text(&f, "broken"));

	can.xattrs = false;
	restrict_scan(&g, scan, &j, &can, NULL);
	assert_int_equal(find_text(&g, "user.mark")->level, FINDING_NOTE);
	job_fini(&j);
}

static void count_flagged(void *arg, const char *object, const char *text)
{
	unsigned *seen = arg;

	assert_string_equal(object, *seen ? "/etc/resolv.conf" : "/srv/a b");
	assert_string_equal(text, *seen ? "i" : "ad");
	(*seen)++;
}

/* What the destination cannot keep, and what is set again. */
static void test_traits(void **state)
{
	static const char traits[] = "xattr\tuser.big\ton 1 file, such as /a\n"
				     "xattr-size\tuser.big\t9000\n"
				     "xattr\tuser.small\ton 1 file, such as /a\n"
				     "flags\t/srv/a\\040b\tad\n"
				     "mount-point\t/mnt/nas\tnfs\n"
				     "flags\t/etc/resolv.conf\ti";
	own_strv struct strv lost = STRV_INIT, argv = STRV_INIT;
	struct restrict_can can = { .xattrs = true, .lost = &lost, .where = "/vz" };
	struct into_rsync r = { .from = "/", .to = "/vz/private/5/", .excludes = &argv,
				.xattrs = true, .xattr_filter = true, .lost = &lost };
	own_strv struct strv v = STRV_INIT;
	own_findings struct findings f = FINDINGS_INIT;
	unsigned seen = 0;
	struct job j;

	(void)state;
	job_init(&j);
	strv_add(&lost, "user.big");
	restrict_scan(&f, traits, &j, &can, NULL);
	assert_int_equal(find_text(&f, "user.big")->level, FINDING_NOTE);
	assert_non_null(strstr(find_text(&f, "user.big")->text, "the file system of /vz"));
	assert_int_equal(find_text(&f, "user.small")->level, FINDING_PASS);
	assert_int_equal(find_text(&f, "2 files have chattr's flags, such as /srv/a b (ad)")->level,
			 FINDING_PASS);
	assert_null(find_text(&f, "9000"));
	assert_null(find_text(&f, "/mnt/nas"));
	restrict_each(traits, "flags", count_flagged, &seen);
	assert_int_equal(seen, 2);
	into_rsync_argv(&v, &r);
	assert_true(strv_has(&v, "--filter=-x user.big"));
	assert_true(strv_has(&v, "-AX"));
	strv_fini(&v);
	strv_add(&lost, "system.posix_acl_access");
	into_rsync_argv(&v, &r);
	assert_true(strv_has(&v, "-X"));
	job_fini(&j);
}

static void test_windows(void **state)
{
	struct windows w = { 0 };
	struct err e = ERR_INIT;
	uint8_t s[512] = { 0xeb, 0x52, 0x90, 'N', 'T', 'F', 'S', ' ', ' ', ' ', ' ' };

	(void)state;
	windows_of_banner(&w, "SSH-2.0-OpenSSH_9.2p1 Debian-2");
	assert_int_equal(w.release, WINDOWS_NONE);
	windows_of_banner(&w, "SSH-2.0-OpenSSH_for_Windows_8.1\r\n");
	assert_int_equal(w.release, WINDOWS_OTHER);
	windows_of_ver(&w, "\r\nMicrosoft Windows [Version 6.0.6001]\r\nAMD64\r\n");
	assert_int_equal(w.release, WINDOWS_2008);
	assert_int_equal(w.bits, 64);
	windows_of_ver(&w, "Microsoft Windows [Version 5.2.3790]\r\nx86\r\n");
	assert_int_equal(w.release, WINDOWS_2003);
	assert_int_equal(w.bits, 32);
	assert_int_equal(windows_refuse(&w, "old", &e), -1);
	assert_int_equal(e.code, ERR_UNSUPPORTED);
	assert_non_null(strstr(e.hint, "2003"));
	windows_of_ver(&w, "Microsoft Windows [Version 10.0.20348.1]");
	assert_int_equal(w.release, WINDOWS_OTHER);

	w = (struct windows){ 0 };
	assert_true(windows_of_boot_sector(&w, s));
	assert_int_equal(w.release, WINDOWS_OTHER);
	memcpy(s + 0x180, "NTLDR is missing", 16);
	assert_true(windows_of_boot_sector(&w, s));
	assert_int_equal(w.release, WINDOWS_2003);
	assert_false(w.not_ntfs);
	memcpy(s + 0x180, "BOOTMGR is missi", 16);
	memcpy(s + 3, "MSDOS5.0", 8);
	assert_true(windows_of_boot_sector(&w, s));
	assert_int_equal(w.release, WINDOWS_2008);
	assert_true(w.not_ntfs);
	assert_int_equal(windows_refuse(&w, "disk", &e), -1);
	assert_non_null(strstr(e.hint, "NTFS"));
	memset(s, 0, sizeof(s));
	assert_false(windows_of_boot_sector(&w, s));
}

static void test_plan(void **state)
{
	static const char config[] = "# measured\nVERSION=\"2\"\nPHYSPAGES=\"0:1000\"\n"
				     "DISKSPACE=\"2000:2200\"\nDISKINODES=\"10:20\"\n"
				     "HOSTNAME=\"old.example\"\nIP_ADDRESS=\"192.0.2.1/24 2001:db8::1\"\n"
				     "NAMESERVER=\"9.9.9.9\"\nDISTRIBUTION=\"debian-12\"\n"
				     "VE_PRIVATE=\"/elsewhere\"\nOSTEMPLATE=\".x\"\n"
				     "EXCLUDE=\"/proc/* /mnt/my?data/*\"\n";
	struct into_plan p;
	struct err e = ERR_INIT;
	struct job j;

	(void)state;
	job_init(&j);
	strv_add(&j.excludes, "*.bak");
	assert_int_equal(into_plan_make(&p, config, "x", &j, NULL), 0);
	assert_string_equal(p.dist, "debian-12");
	assert_string_equal(p.hostname, "old.example");
	assert_int_equal(p.addresses.n, 2);
	assert_string_equal(p.addresses.item[0], "192.0.2.1");
	assert_int_equal(p.excludes.n, 3);
	assert_string_equal(p.excludes.item[1], "/mnt/my?data/*");
	assert_string_equal(p.excludes.item[2], "*.bak");
	assert_int_equal(p.disk_kib, 2000);
	assert_non_null(strstr(p.config, "PHYSPAGES=\"0:1000\""));
	assert_null(strstr(p.config, "VE_PRIVATE"));
	assert_null(strstr(p.config, "OSTEMPLATE"));
	assert_null(strstr(p.config, "EXCLUDE"));
	into_plan_fini(&p);

	j.dist = xstrdup("rhel-5");
	j.eztmpl = xstrdup(".centos-5-x86");
	assert_int_equal(into_plan_make(&p, config, "x", &j, NULL), 0);
	assert_string_equal(p.dist, "rhel-5");
	assert_non_null(strstr(p.config, "DISTRIBUTION=\"rhel-5\""));
	assert_non_null(strstr(p.config, "OSTEMPLATE=\".centos-5-x86\""));
	into_plan_fini(&p);
	job_fini(&j);

	job_init(&j);
	assert_int_equal(into_plan_make(&p, "VERSION=2\n", "serv.conf", &j, &e), -1);
	assert_int_equal(e.code, ERR_USAGE);
	assert_non_null(strstr(e.msg, "serv.conf"));
	job_fini(&j);
}

static void test_rsync(void **state)
{
	own_strv struct strv v = STRV_INIT, none = STRV_INIT;
	struct into_rsync r = { .ssh = "ssh -S x", .from = "old:/", .to = "/vz/private/5/",
				.excludes = &none, .limit_bps = 1 << 20, .xattrs = true };
	uint64_t n;
	unsigned percent, version;
	bool xattrs;

	(void)state;
	strv_add(&none, "/proc/*");
	into_rsync_argv(&v, &r);
	assert_true(strv_has(&v, "--exclude=/proc/*"));
	assert_true(strv_has(&v, "--bwlimit=1024"));
	assert_true(strv_has(&v, "-AX"));
	assert_true(strv_has(&v, "--rsh=ssh -S x"));
	assert_false(strv_has(&v, "--filter=-x security.selinux"));
	assert_string_equal(v.item[v.n - 1], "/vz/private/5/");

	assert_true(into_rsync_progress("  1,234,567  42%   12.30MB/s    0:00:01", &n, &percent));
	assert_int_equal(n, 1234567);
	assert_int_equal(percent, 42);
	assert_false(into_rsync_progress("sent 12 bytes", &n, &percent));
	assert_false(into_rsync_progress("", &n, &percent));
	assert_true(into_rsync_stat("Total bytes received: 1,050", "Total bytes received", &n));
	assert_int_equal(n, 1050);
	assert_false(into_rsync_stat("Total bytes sent: 1", "Total bytes received", &n));

	into_rsync_version("rsync  version 3.2.7  protocol version 31\n … xattrs, optional\n",
			   &version, &xattrs);
	assert_int_equal(version, 30207);
	assert_true(xattrs);
	into_rsync_version("rsync  version 2.6.8  protocol version 29\n", &version, &xattrs);
	assert_int_equal(version, 20608);
	assert_false(xattrs);
	into_rsync_version("rsync  version v3.0.6 \n  no xattrs", &version, &xattrs);
	assert_int_equal(version, 30006);
	assert_false(xattrs);
	into_rsync_version("sh: rsync: not found", &version, &xattrs);
	assert_int_equal(version, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scan),
		cmocka_unit_test(test_traits),
		cmocka_unit_test(test_windows),
		cmocka_unit_test(test_plan),
		cmocka_unit_test(test_rsync),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
