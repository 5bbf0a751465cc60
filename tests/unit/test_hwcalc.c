// SPDX-License-Identifier: MIT
/* Unit tests of vzhwcalc/: /proc and release files of old and new servers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <cmocka.h>

#include "base/mountinfo.h"
#include "base/own.h"
#include "vzhwcalc/distro.h"
#include "vzhwcalc/net.h"
#include "vzhwcalc/quota.h"
#include "vzhwcalc/sample.h"
#include "vzhwcalc/scan.h"
#include "vzhwcalc/text.h"
#include "vzhwcalc/veconf.h"

/* As a CentOS 5 (2.6.18) says it. */
static const char old_mounts[] = "rootfs / rootfs rw 0 0\n"
				 "/dev/root / ext3 rw,data=ordered 0 0\n"
				 "/dev /dev tmpfs rw 0 0\n"
				 "/proc /proc proc rw 0 0\n"
				 "/sys /sys sysfs rw 0 0\n"
				 "/proc/bus/usb /proc/bus/usb usbfs rw 0 0\n"
				 "devpts /dev/pts devpts rw 0 0\n"
				 "/dev/hda1 /boot ext3 rw,data=ordered 0 0\n"
				 "/dev/VolGroup00/home /home ext3 rw,usrquota,grpquota 0 0\n"
				 "tmpfs /dev/shm tmpfs rw 0 0\n"
				 "none /proc/sys/fs/binfmt_misc binfmt_misc rw 0 0\n"
				 "sunrpc /var/lib/nfs/rpc_pipefs rpc_pipefs rw 0 0\n"
				 "nas:/export/my\\040data /mnt/my\\040data nfs rw,vers=3 0 0\n"
				 "/dev/hdc /media/cdrom iso9660 ro 0 0\n";

/* As a systemd server of today says it, with the root behind /sys and /proc. */
static const char new_mounts[] =
	"sysfs /sys sysfs rw,nosuid,nodev,noexec,relatime 0 0\n"
	"proc /proc proc rw,nosuid,nodev,noexec,relatime 0 0\n"
	"udev /dev devtmpfs rw,nosuid,relatime,size=1k,mode=755 0 0\n"
	"tmpfs /run tmpfs rw,nosuid,nodev,noexec,relatime,size=1k 0 0\n"
	"/dev/vda2 / btrfs rw,relatime,subvol=/@ 0 0\n"
	"/dev/vda2 /home btrfs rw,relatime,subvol=/@home 0 0\n"
	"/dev/vdb1 /srv xfs rw,relatime,uquota,prjquota 0 0\n"
	"/dev/loop0 /snap/core/1 squashfs ro,nodev,relatime 0 0\n"
	"overlay /var/lib/docker/overlay2/abc/merged overlay rw,lowerdir=a:b 0 0\n"
	"user@far:/data /mnt/far fuse.sshfs rw,user_id=0 0 0\n"
	"gvfsd-fuse /run/user/1000/gvfs fuse.gvfsd-fuse rw 0 0\n"
	"/dev/sdc1 /media/stick vfat rw 0 0\n"
	"/dev/sdd1 /mnt/ntfs fuseblk rw 0 0\n"
	"tmpfs /tmp tmpfs rw 0 0\n"
	"not a mount line\n"
	"relative relative ext4 rw 0 0\n"
	"last /last ext4";

static enum mount_class class_of(const struct mounts *m, const char *dir)
{
	for (size_t i = 0; i < m->n; i++) {
		if (!strcmp(m->item[i].dir, dir))
			return m->item[i].class;
	}
	fail_msg("no mount on %s", dir);
	return MOUNT_LOCAL;
}

static void test_mounts(void **state)
{
	own_mounts struct mounts m = MOUNTS_INIT, n = MOUNTS_INIT;

	(void)state;
	mounts_parse(&m, old_mounts);
	assert_int_equal(m.n, 13); /* rootfs is covered */
	assert_string_equal(m.item[0].type, "ext3");
	assert_int_equal(class_of(&m, "/"), MOUNT_LOCAL);
	assert_int_equal(class_of(&m, "/dev"), MOUNT_MEMORY);
	assert_int_equal(class_of(&m, "/proc/bus/usb"), MOUNT_PSEUDO);
	assert_int_equal(class_of(&m, "/home"), MOUNT_LOCAL);
	assert_int_equal(class_of(&m, "/mnt/my data"), MOUNT_NETWORK);
	assert_int_equal(class_of(&m, "/media/cdrom"), MOUNT_REMOVABLE);
	assert_true(mount_has_quota(mounts_holding(&m, "/home/joe")));
	assert_false(mount_has_quota(mounts_holding(&m, "/homestead")));

	mounts_parse(&n, new_mounts);
	assert_int_equal(class_of(&n, "/"), MOUNT_LOCAL);
	assert_int_equal(class_of(&n, "/srv"), MOUNT_LOCAL);
	assert_true(mount_has_quota(mounts_holding(&n, "/srv")));
	assert_int_equal(class_of(&n, "/snap/core/1"), MOUNT_IMAGE);
	assert_int_equal(class_of(&n, "/var/lib/docker/overlay2/abc/merged"), MOUNT_VIEW);
	assert_int_equal(class_of(&n, "/mnt/far"), MOUNT_NETWORK);
	assert_int_equal(class_of(&n, "/run/user/1000/gvfs"), MOUNT_VIEW);
	assert_int_equal(class_of(&n, "/mnt/ntfs"), MOUNT_LOCAL);
	assert_int_equal(class_of(&n, "/tmp"), MOUNT_MEMORY);
	assert_int_equal(class_of(&n, "/last"), MOUNT_LOCAL);
	assert_int_equal(n.n, 15);
}

static void test_quota_words(void **state)
{
	static const struct {
		const char *options;
		bool want;
	} t[] = {
		{ "rw,usrquota", true },       { "rw,usrjquota=aquota.user,jqfmt=vfsv0", true },
		{ "rw,usrjquota=,grpjquota=", false }, { "rw,noquota", false },
		{ "rw,quota", true },	       { "rw,prjquota", false },
	};

	(void)state;
	for (size_t i = 0; i < array_len(t); i++) {
		struct mount m = { .options = (char *)(uintptr_t)t[i].options };

		assert_int_equal(mount_has_quota(&m), t[i].want);
	}
}

static bool probe_is_dir(void *arg, const char *path)
{
	(void)arg;
	return strcmp(path, "/lib/modules") != 0 && strncmp(path, "/var/cache", 10) != 0;
}

static bool probe_is_removable(void *arg, const char *device)
{
	(void)arg;
	return !strcmp(device, "/dev/sdc1");
}

static const char *reason_of(const struct excludes *x, const char *pattern)
{
	for (size_t i = 0; i < x->n; i++) {
		if (!strcmp(x->item[i].pattern, pattern))
			return x->item[i].reason;
	}
	return "";
}

static void test_excludes(void **state)
{
	static const struct exclude_probe probe = { probe_is_dir, probe_is_removable, NULL };
	own_mounts struct mounts m = MOUNTS_INIT;
	own_excludes struct excludes x = EXCLUDES_INIT;

	(void)state;
	mounts_parse(&m, old_mounts);
	mounts_parse(&m, "/dev/sdc1 /media/stick vfat rw 0 0\n");
	excludes_build(&x, &m,
		       "Filename Type Size Used Priority\n"
		       "/dev/hda2 partition 1 0 -1\n"
		       "/var/swap\\040file file 1 0 -2\n",
		       &probe);
	assert_string_equal(reason_of(&x, "/mnt/my?data"), "network file system (nfs)");
	assert_string_equal(reason_of(&x, "/media/stick/*"), "removable medium (vfat)");
	assert_string_equal(reason_of(&x, "/var/swap?file"), "swap file");
	assert_string_not_equal(reason_of(&x, "/boot/*"), "");
	assert_string_equal(reason_of(&x, "/lib/modules/*"), "");
	assert_string_equal(reason_of(&x, "/dev/shm/*"), ""); /* /dev says it */
	assert_string_not_equal(reason_of(&x, "/lost+found/*"), "");
	assert_string_not_equal(reason_of(&x, "/home/lost+found/*"), "");
	assert_true(excludes_cover(&x, "/proc/bus"));
	assert_true(excludes_cover(&x, "/mnt/my data"));
	assert_false(excludes_cover(&x, "/procfs"));
	for (size_t i = 0; i < x.n; i++)
		assert_null(strpbrk(x.item[i].pattern, " \t\"'$`;"));
}

static void test_distro(void **state)
{
	static const struct {
		const char *path, *text, *want;
	} t[] = {
		{ "/etc/os-release", "NAME=\"Debian GNU/Linux\"\nVERSION_ID=\"12\"\nID=debian\n",
		  "debian-12" },
		{ "/etc/os-release", "ID=ubuntu\nVERSION_ID='22.04'\n", "ubuntu-22.04" },
		{ "/etc/os-release", "ID=\"rhel\"\nVERSION_ID=\"8.9\"\n", "rhel-8" },
		{ "/etc/os-release", "ID=fedora\nVERSION_ID=41\n", "fedora-41" },
		{ "/etc/os-release", "ID=alpine\nVERSION_ID=3.19.1\n", "alpine-3.19" },
		{ "/etc/os-release", "ID=arch\nBUILD_ID=rolling\n", "arch" },
		{ "/etc/os-release", "ID=\"opensuse-leap\"\nVERSION_ID=\"15.5\"\n",
		  "opensuse-15.5" },
		{ "/etc/os-release", "ID=\"opensuse-tumbleweed\"\nVERSION_ID=\"20240612\"\n",
		  "opensuse" },
		{ "/etc/os-release", "ID=\"sles\"\nVERSION_ID=\"12.5\"\n", "sles-12" },
		{ "/etc/os-release", "ID=\"a/../b\"\n", NULL },
		{ "/etc/os-release", "ID=\nNAME=x\n", NULL },
		{ "/etc/os-release", "NAME=x\n", NULL },
		{ "/etc/redhat-release", "CentOS release 5.11 (Final)\n", "centos-5" },
		{ "/etc/redhat-release",
		  "Red Hat Enterprise Linux Server release 6.10 (Santiago)\n", "rhel-6" },
		{ "/etc/redhat-release", "Red Hat Linux release 7.3 (Valhalla)\n", "redhat-7" },
		{ "/etc/redhat-release", "Fedora Core release 6 (Zod)\n", "fedora-6" },
		{ "/etc/redhat-release", "Something 2\n", "redhat-2" },
		{ "/etc/SuSE-release", "SUSE Linux Enterprise Server 11 (x86_64)\nVERSION = 11\n",
		  "sles-11" },
		{ "/etc/SuSE-release", "openSUSE 13.2 (x86_64)\n", "opensuse-13.2" },
		{ "/etc/SuSE-release", "SuSE Linux 9.3 (i586)\n", "suse-9" },
		{ "/etc/debian_version", "6.0.10\n", "debian-6" },
		{ "/etc/debian_version", "squeeze/sid\n", "debian" },
		{ "/etc/lsb-release", "DISTRIB_ID=Ubuntu\nDISTRIB_RELEASE=8.04\n",
		  "ubuntu-8.04" },
		{ "/etc/slackware-version", "Slackware 14.2\n", "slackware-14" },
		{ "/etc/gentoo-release", "Gentoo Base System release 2.14\n", "gentoo" },
		{ "/etc/alpine-release", "3.4.6\n", "alpine-3.4" },
		{ "/etc/arch-release", "", "arch" },
	};

	(void)state;
	for (size_t i = 0; i < array_len(t); i++) {
		const struct distro_file *f = distro_files;
		char out[DISTRO_MAX];
		bool found;

		while (f->path && strcmp(f->path, t[i].path) != 0)
			f++;
		assert_non_null(f->path);
		found = f->read(t[i].text, out);
		assert_int_equal(found, t[i].want != NULL);
		if (found)
			assert_string_equal(out, t[i].want);
	}
}

static void test_memory(void **state)
{
	struct memory m;

	(void)state;
	/* 2.6.18 */
	assert_true(memory_parse("MemTotal:      1034584 kB\nMemFree:         34584 kB\n"
				 "Buffers:        100000 kB\nCached:         300000 kB\n"
				 "SwapCached:          0 kB\nSwapTotal:     2000000 kB\n"
				 "SwapFree:      1500000 kB\n",
				 &m));
	assert_int_equal(m.total_kib, 1034584);
	assert_int_equal(m.used_kib, 600000);
	assert_int_equal(m.swap_used_kib, 500000);
	/* 2.4 began with a table of bytes */
	assert_true(memory_parse("        total:    used:    free:\n"
				 "Mem:  527499264 5 6\nMemTotal:  515136 kB\n"
				 "MemFree:    15136 kB\n",
				 &m));
	assert_int_equal(m.used_kib, 500000);
	/* today */
	assert_true(memory_parse("MemTotal: 24000000 kB\nMemFree: 100 kB\n"
				 "MemAvailable: 23000000 kB\nCached: 9 kB\nShmem: 5 kB\n",
				 &m));
	assert_int_equal(m.used_kib, 1000000);
	assert_false(memory_parse("MemFree: 1 kB\n", &m));
	assert_false(memory_parse("", &m));
}

static void test_cpu_and_usage(void **state)
{
	struct usage u = { 0 };
	struct sample s = { .threads = 10, .mem = { .used_kib = 100 } };

	(void)state;
	assert_true(cpu_parse("cpu  100 0 100 700 100 0 0\ncpu0 1 2 3 4\ncpu1 1 2 3 4\n"
			      "intr 5\n",
			      &s.cpu));
	assert_int_equal(s.cpu.cpus, 2);
	assert_int_equal(s.cpu.busy, 200);
	assert_int_equal(s.cpu.total, 1000);
	usage_add(&u, &s); /* 20 % since boot = 0.4 of 2 */
	s.cpu.busy += 300;
	s.cpu.total += 400;
	s.threads = 30;
	s.mem.used_kib = 50;
	usage_add(&u, &s); /* 75 % = 1.5 */
	s.cpu.total -= 100; /* a CPU went away */
	s.threads = 20;
	usage_add(&u, &s);
	assert_int_equal(u.samples, 3);
	assert_int_equal((int)(u.cpu.peak * 100 + 0.5), 150);
	assert_int_equal((int)(gauge_average(&u.cpu) * 100 + 0.5), 95);
	assert_int_equal((int)u.threads.peak, 30);
	assert_int_equal((int)gauge_average(&u.threads), 20);
	assert_int_equal((int)u.mem_kib.peak, 100);
	assert_true(cpu_parse("cpu 1 2 3 4\n", &s.cpu)); /* one CPU, 2.4 */
	assert_int_equal(s.cpu.cpus, 1);
	assert_false(cpu_parse("", &s.cpu));
}

static void test_threads(void **state)
{
	(void)state;
	assert_int_equal(threads_parse("7 (a) b) S 1 7 7 0 -1 4202752 1 2 3 4 5 6 7 8 20 0 12 "
				       "0 99 123456 77"),
			 12);
	assert_int_equal(threads_parse("2 (kthreadd) S 0 0 0 0 -1 2129984 0 0 0 0 0 0 0 0 20 0 "
				       "1 0 1 0 0"),
			 0);
	assert_int_equal(threads_parse(""), 0);
}

static bool moves(int family, const char *text)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };

	if (family == AF_INET) {
		assert_int_equal(inet_pton(AF_INET, text, &in.sin_addr), 1);
		return net_address_moves((struct sockaddr *)&in);
	}
	assert_int_equal(inet_pton(AF_INET6, text, &in6.sin6_addr), 1);
	return net_address_moves((struct sockaddr *)&in6);
}

static void test_addresses(void **state)
{
	own_strv struct strv servers = STRV_INIT, domains = STRV_INIT;
	own_strv struct strv old = STRV_INIT, none = STRV_INIT;

	(void)state;
	assert_true(moves(AF_INET, "10.0.0.1"));
	assert_true(moves(AF_INET, "192.0.2.7"));
	assert_false(moves(AF_INET, "127.1.2.3"));
	assert_false(moves(AF_INET, "169.254.1.1"));
	assert_false(moves(AF_INET, "0.0.0.0"));
	assert_false(moves(AF_INET, "224.0.0.1"));
	assert_true(moves(AF_INET6, "fd00::1"));
	assert_true(moves(AF_INET6, "2001:db8::1"));
	assert_false(moves(AF_INET6, "::1"));
	assert_false(moves(AF_INET6, "fe80::1"));

	net_resolv_parse("# x\nnameserver 127.0.0.53\n nameserver 9.9.9.9 # y\n"
			 "nameserver\nnameserver 9.9.9.9\nsearch a.b\nsearch c.d e.f .\n"
			 "domain old.domain\nnameserver ::1\nnameserver 2001:db8::53",
			 &servers, &domains);
	assert_int_equal(servers.n, 2);
	assert_string_equal(servers.item[1], "2001:db8::53");
	assert_int_equal(domains.n, 2);
	assert_string_equal(domains.item[0], "c.d");
	net_resolv_parse("domain only.one\n", &none, &old);
	assert_int_equal(none.n, 0);
	assert_string_equal(old.item[0], "only.one");
}

static void test_text(void **state)
{
	own_free char *escaped = text_escape("a\tb c\\d\n");
	char line[] = "\\040x\\134y\\000\\9", value[32];

	(void)state;
	assert_string_equal(escaped, "a\\011b c\\134d\\012");
	mountinfo_unescape(line);
	assert_string_equal(line, " x\\y\\000\\9");
	assert_true(text_value("A=1\nexport A=\"x \\\" y\"\nAB=3\n", "A", value, sizeof(value)));
	assert_string_equal(value, "x \" y");
	assert_true(text_value("A=plain # comment", "A", value, sizeof(value)));
	assert_string_equal(value, "plain");
	assert_false(text_value("#A=1\n", "A", value, sizeof(value)));
}

static void test_licences(void **state)
{
	own_strv struct strv macs = STRV_INIT;

	(void)state;
	strv_add(&macs, "0050569a12ef");
	assert_true(licence_is_name("server.LIC"));
	assert_true(licence_is_name("license.dat"));
	assert_false(licence_is_name(".lic"));
	assert_false(licence_is_name("public"));
	assert_true(licence_names_mac("SERVER old 0050569A12EF 27000\n", &macs));
	assert_true(licence_names_mac("HOSTID=00:50:56:9a:12:ef\n", &macs));
	assert_true(licence_names_mac("id 00-50-56-9A-12-EF", &macs));
	assert_false(licence_names_mac("10050569a12ef", &macs));
	assert_false(licence_names_mac("0050569a12ef0", &macs));
	assert_false(licence_names_mac("ANY", &macs));
}

static void test_services(void **state)
{
	char name[64];

	(void)state;
	assert_true(service_of_cgroup("0::/system.slice/nginx.service\n", name, sizeof(name)));
	assert_string_equal(name, "nginx");
	assert_true(service_of_cgroup("12:pids:/\n1:name=systemd:/system.slice/system-getty.slice/"
				      "getty@tty1.service\n",
				      name, sizeof(name)));
	assert_string_equal(name, "getty@tty1");
	assert_false(service_of_cgroup("0::/user.slice/user-0.slice/user@0.service/x\n", name,
				       sizeof(name)));
	assert_false(service_of_cgroup("0::/\n", name, sizeof(name)));
}

static void test_quota_ids(void **state)
{
	size_t n;
	own_free unsigned *ids = quota_ids("root:x:0:0::/:/bin/sh\n+::::::\n\njoe:x:1000:1::\n"
					   "odd:x:4294967296:1\nlast:x:7", &n);

	(void)state;
	assert_int_equal(n, 3);
	assert_int_equal(ids[0], 0);
	assert_int_equal(ids[1], 1000);
	assert_int_equal(ids[2], 7);
}

static void test_veconf(void **state)
{
	struct hw hw = { .hostname = xstrdup("old.example"), .machine = xstrdup("i686"),
			 .kernel = xstrdup("2.6.18"), .disk_kib = 4000000, .inodes = 200000,
			 .n_ids = 70 };
	struct hw_scale scale = { 2, 1.5 };
	struct sample s = { .cpu = { 50, 100, 4 }, .threads = 300,
			    .mem = { 1000000, 400000, 10, 5 } };
	own_buf struct buf b = BUF_INIT;
	char value[512];

	(void)state;
	usage_add(&hw.usage, &s);
	mounts_parse(&hw.mounts, old_mounts);
	strv_add(&hw.addresses, "192.0.2.1");
	strv_add(&hw.addresses, "2001:db8::1");
	veconf_write(&b, &hw, &scale, "today");
	buf_put(&b, "", 1);
#define assert_value(key, want)                                                          \
	do {                                                                             \
		assert_true(text_value((char *)b.data, key, value, sizeof(value)));      \
		assert_string_equal(value, want);                                        \
	} while (0)
	assert_value("VERSION", "2");
	assert_value("CPUUNITS", "2000");
	assert_value("CPUS", "4");
	assert_value("CPULIMIT", "400");
	assert_value("PHYSPAGES", "0:200000");
	assert_value("SWAPPAGES", "0:3");
	assert_value("NUMPROC", "600:600");
	assert_value("DISKSPACE", "6000000:6600000");
	assert_value("DISKINODES", "300000:330000");
	assert_value("QUOTAUGIDLIMIT", "200");
	assert_value("HOSTNAME", "old.example");
	assert_value("IP_ADDRESS", "192.0.2.1 2001:db8::1");
	assert_value("TECHNOLOGIES", "x86 nptl");
	assert_false(text_value((char *)b.data, "DISTRIBUTION", value, sizeof(value)));
	hw_fini(&hw);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mounts),	  cmocka_unit_test(test_quota_words),
		cmocka_unit_test(test_excludes),  cmocka_unit_test(test_distro),
		cmocka_unit_test(test_memory),	  cmocka_unit_test(test_cpu_and_usage),
		cmocka_unit_test(test_threads),	  cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_text),	  cmocka_unit_test(test_licences),
		cmocka_unit_test(test_services),  cmocka_unit_test(test_veconf),
		cmocka_unit_test(test_quota_ids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
