// SPDX-License-Identifier: MIT
/* Unit tests of engine/disk/vmdisk.c: what libguestfs and libvirt answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/own.h"
#include "engine/disk/vmdisk.h"

static const char answers[] = "fs\t/dev/sda1\text4\n"
			      "fs\t/dev/vg/home\txfs\n"
			      "root\t/dev/sda1\n"
			      "type\tlinux\n"
			      "distro\tubuntu\n"
			      "major-version\t22\n"
			      "minor-version\t4\n"
			      "hostname\tguest.example\n"
			      "arch\tx86_64\n"
			      "mount\t/\t/dev/sda1\n"
			      "used\t1000000\t40000\n"
			      "mount\t/home\t/dev/vg/home\n"
			      "used\t500000\t100\n"
			      "fstab\tUUID=1 / ext4 defaults 0 1\n"
			      "fstab\t/swap.img none swap sw 0 0\n"
			      "fstab\t/dev/sda2 none swap sw 0 0\n"
			      "resolv\tnameserver 9.9.9.9\n"
			      "resolv\tnameserver 127.0.0.53\n"
			      "net\taddress 192.0.2.5/24\n"
			      "nonsense\n\n\t\t\n";

static void test_parse(void **state)
{
	own_vmdisk struct vmdisk d = { 0 };
	own_free char *config = NULL;

	(void)state;
	assert_int_equal(vmdisk_parse(answers, "x", &d, NULL), 0);
	assert_int_equal(d.n_mounts, 2);
	assert_string_equal(d.mount[1].dir, "/home");
	assert_string_equal(d.mount[1].device, "/dev/vg/home");
	assert_int_equal(d.kib, 1500000);
	assert_int_equal(d.inodes, 40100);
	assert_int_equal(d.swapfiles.n, 1);
	config = vmdisk_config(&d, 2097152, 2);
	assert_non_null(strstr(config, "DISTRIBUTION=\"ubuntu-22.04\"\n"));
	assert_non_null(strstr(config, "HOSTNAME=\"guest.example\"\n"));
	assert_non_null(strstr(config, "IP_ADDRESS=\"192.0.2.5\"\n"));
	assert_non_null(strstr(config, "NAMESERVER=\"9.9.9.9\"\n"));
	assert_non_null(strstr(config, "PHYSPAGES=\"0:524288\"\n"));
	assert_non_null(strstr(config, "DISKSPACE=\"2250000:2475000\"\n"));
	assert_non_null(strstr(config, "/swap.img"));
}

static void test_refuse(void **state)
{
	static const struct {
		const char *text;
		enum err_code code;
		const char *part;
	} t[] = {
		{ "", ERR_ABSENT, "no system" },
		{ "fs\t/dev/sda1\tcrypto_LUKS\n", ERR_UNSUPPORTED, "/dev/sda1 is encrypted" },
		{ "root\t/dev/sda2\ntype\twindows\nproduct-name\tWindows Server 2008\n",
		  ERR_UNSUPPORTED, "Windows Server 2008" },
		{ "root\t/dev/sda1\nroot\t/dev/sda2\ntype\tlinux\n", ERR_UNSUPPORTED,
		  "2 systems" },
		{ "root\t/dev/sda1\ntype\tlinux\ndirty\t/dev/sda1\n", ERR_UNSUPPORTED,
		  "not unmounted" },
		{ "root\t/dev/sda1\ntype\tlinux\nunmountable\t/dev/sda1\t/\n", ERR_UNSUPPORTED,
		  "cannot be mounted" },
		{ "root\t/dev/sda1\ntype\tfreebsd\n", ERR_UNSUPPORTED, "no Linux" },
		{ "fs\t/dev/sda1\tntfs\nfailed\t\n", ERR_UNSUPPORTED, "disk holds Windows" },
		{ "fs\t/dev/sda1\tntfs\n", ERR_UNSUPPORTED, "disk holds Windows" },
		{ "fs\t/dev/sda1\text4\nfailed\t\n", ERR_CHILD, "cannot say what is on disk" },
		{ "busy\t/srv/a.qcow2\n", ERR_LOCKED, "/srv/a.qcow2 is in use" },
		{ "root\t/dev/sda1\ntype\tlinux\nmount\t/\t/dev/sda1\n"
		  "fstab\t/dev/sda1 / ext4 defaults 0 1\nfstab\t#/dev/a /a ext4 defaults 0 1\n"
		  "fstab\t/dev/sda2 /boot ext4 defaults 0 1\nfstab\tnas:/x /x nfs defaults 0 0\n"
		  "fstab\t/dev/usb /usb ext4 noauto 0 0\n"
		  "fstab\t/dev/mapper/crypt /home ext4 defaults 0 2\n",
		  ERR_UNSUPPORTED, "/dev/mapper/crypt, which its fstab mounts on /home" },
		{ "fs\t/dev/sda1\text4\nroot\t/dev/sda1\ntype\tlinux\nmount\t/\t/dev/sda1\n"
		  "unmountable\t/dev/mapper/crypt\t/home\nfstab\t/dev/mapper/crypt /home ext4 defaults 0 2\n",
		  ERR_UNSUPPORTED, "/dev/mapper/crypt, which its fstab mounts on /home" },
		{ "fs\t/dev/sda1\text4\nfs\t/dev/sda2\text4\nroot\t/dev/sda1\ntype\tlinux\nmount\t/\t/dev/sda1\n"
		  "unmountable\t/dev/sda2\t/home\nfstab\t/dev/sda2 /home ext4 defaults 0 2\n",
		  ERR_UNSUPPORTED, "/dev/sda2 cannot be mounted" },
	};

	(void)state;
	for (size_t i = 0; i < array_len(t); i++) {
		struct err e = ERR_INIT;
		struct vmdisk d;

		assert_int_equal(vmdisk_parse(t[i].text, "disk", &d, &e), -1);
		assert_int_equal(e.code, t[i].code);
		assert_non_null(strstr(e.msg, t[i].part));
	}
}

static void test_addresses(void **state)
{
	own_strv struct strv v = STRV_INIT;
	static const char *const want[] = { "192.0.2.1",  "192.0.2.2",	  "2001:db8::2",
					    "192.0.2.3",  "192.0.2.4",	  "2001:db8::4",
					    "192.0.2.5",  "2001:db8::5",  "192.0.2.6",
					    "192.0.2.7",  "2001:db8::7" };

	(void)state;
	vmdisk_addresses("iface eth0 inet static\n\taddress 192.0.2.1\n\tnetmask 255.255.255.0\n"
			 "\tgateway 192.0.2.254\n" /* ifupdown */
			 "IPADDR=192.0.2.2\nGATEWAY=192.0.2.254\nIPV6ADDR=2001:db8::2/64\n"
			 "IPADDR1=\"192.0.2.3\"\n" /* ifcfg */
			 "      addresses:\n      - 192.0.2.4/24\n      - \"2001:db8::4/64\"\n"
			 "      nameservers:\n        addresses: [9.9.9.9, 1.1.1.1]\n"
			 "      addresses: [192.0.2.5/24, '2001:db8::5/64']\n"
			 "      gateway4: 192.0.2.254\n" /* netplan */
			 "[Network]\nAddress=192.0.2.6/24\nDNS=9.9.9.9\n" /* networkd */
			 "address1=192.0.2.7/24,192.0.2.254\naddress1=2001:db8::7/64\n" /* NM */
			 "address 127.0.0.1\naddress fe80::1\naddress x\naddress 192.0.2.1\n-\n",
			 &v);
	assert_int_equal(v.n, array_len(want));
	for (size_t i = 0; i < v.n; i++)
		assert_string_equal(v.item[i], want[i]);
}

static void test_nameservers(void **state)
{
	static const char *const want[] = { "9.9.9.1", "9.9.9.2", "9.9.9.3", "9.9.9.4", "2001:db8::53",
					    "9.9.9.5", "9.9.9.6", "9.9.9.7", "9.9.9.8" };
	own_strv struct strv v = STRV_INIT;

	(void)state;
	vmdisk_nameservers("\taddress 192.0.2.1\n\tdns-nameservers 9.9.9.1 9.9.9.2\n" /* ifupdown */
			   "IPADDR=192.0.2.2\nDNS1=\"9.9.9.3\"\n"			   /* ifcfg */
			   "      addresses: [192.0.2.5/24]\n      nameservers:\n"
			   "        addresses: [9.9.9.4, '2001:db8::53']\n"
			   "        addresses:\n        - 9.9.9.5\n      - 192.0.2.7/24\n" /* netplan */
			   "[Network]\nAddress=192.0.2.6/24\nDNS=9.9.9.6\n"	       /* networkd */
			   "address1=192.0.2.7/24,192.0.2.254\ndns=9.9.9.7;9.9.9.8;\n"  /* NM */
			   "dns=127.0.0.53\ndns-search a.b\n",
			   &v);
	assert_int_equal(v.n, array_len(want));
	for (size_t i = 0; i < v.n; i++)
		assert_string_equal(v.item[i], want[i]);
}

static void test_formats(void **state)
{
	uint8_t head[512] = { 0 };

	(void)state;
	assert_string_equal(vmdisk_format(head), "raw");
	memcpy(head, "QFI\xfb", 4);
	assert_string_equal(vmdisk_format(head), "qcow2");
	memcpy(head, "KDMV", 4);
	assert_string_equal(vmdisk_format(head), "vmdk");
	memcpy(head, "<<< ", 4);
	memcpy(head + 64, "\x7f\x10\xda\xbe", 4);
	assert_string_equal(vmdisk_format(head), "vdi");
}

static void test_virsh(void **state)
{
	own_strv struct strv paths = STRV_INIT;
	own_free char *address = NULL;
	uint64_t mem;
	unsigned cpus;

	(void)state;
	vmdisk_of_virsh(" Type   Device   Target   Source\n"
			"------------------------------------------------\n"
			" file   disk     vda      /var/lib/libvirt/images/my vm.qcow2\n"
			" block  disk     vdb      /dev/vg/data\n"
			" file   cdrom    sda      /iso/x.iso\n"
			" file   disk     vdc      -\n",
			&paths);
	assert_int_equal(paths.n, 2);
	assert_string_equal(paths.item[0], "/var/lib/libvirt/images/my vm.qcow2");
	vmdisk_size_of_virsh("Id: -\nCPU(s):         2\nMax memory:     1048576 KiB\n", &cpus, &mem);
	assert_int_equal(cpus, 2);
	assert_int_equal(mem, 1048576);
	address = vmdisk_address_of_virsh(
		" Name       MAC address          Protocol     Address\n"
		"-----------------------------------------------------\n"
		" lo         00:00:00:00:00:00    ipv4         127.0.0.1/8\n"
		" vnet0      52:54:00:aa:bb:cc    ipv4         192.0.2.9/24\n");
	assert_string_equal(address, "192.0.2.9");
}

static void test_argv(void **state)
{
	struct vmdisk_image images[] = { { (char *)(uintptr_t)"/a b.qcow2",
					   (char *)(uintptr_t)"qcow2" },
					 { (char *)(uintptr_t)"/dev/sdx", NULL } };
	own_vmdisk struct vmdisk d = { 0 };
	own_strv struct strv v = STRV_INIT;

	(void)state;
	assert_int_equal(vmdisk_parse(answers, "x", &d, NULL), 0);
	vmdisk_tar_argv(&v, images, 2, &d);
	assert_string_equal(v.item[1], "--ro");
	assert_string_equal(v.item[2], "--format=qcow2");
	assert_string_equal(v.item[4], "/a b.qcow2");
	assert_true(strv_has(&v, "/dev/vg/home") && strv_has(&v, "/home"));
	assert_true(strv_has(&v, "numericowner:true"));
}

/* A disk that somebody uses, or wrote to, after it was looked at. */
static void test_idle(void **state)
{
	static const char seen[] = "stamp\t2026-11-22 20:00:00.5 900\nstamp\t2026-11-22 20:00:01.5 80\n";
	own_free char *both = xasprintf("%s%s", seen, answers), *busy = xasprintf("%sbusy\t/srv/a.raw\n", seen);
	own_vmdisk struct vmdisk d = { 0 };
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(vmdisk_parse(both, "x", &d, NULL), 0);
	assert_int_equal(vmdisk_is_idle(&d, seen, NULL), 0);
	assert_int_equal(vmdisk_is_idle(&d, busy, &e), -1);
	assert_int_equal(e.code, ERR_LOCKED);
	assert_int_equal(vmdisk_is_idle(&d, "stamp\t2026-11-22 20:00:00.5 900\n", &e), -1);
	assert_int_equal(e.code, ERR_COPY);
	assert_int_equal(vmdisk_is_idle(&d, "stamp\tx 900\nstamp\t2026-11-22 20:00:01.5 80\n", NULL), -1);
	assert_int_equal(vmdisk_is_idle(&d, "", NULL), -1);
	assert_true(vmdisk_autostart_of_virsh("Persistent:     yes\nAutostart:      enable\n"));
	assert_false(vmdisk_autostart_of_virsh("Autostart:      disable\n"));
	assert_false(vmdisk_autostart_of_virsh(""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),	cmocka_unit_test(test_refuse),
		cmocka_unit_test(test_addresses), cmocka_unit_test(test_formats),
		cmocka_unit_test(test_virsh),	cmocka_unit_test(test_argv),
		cmocka_unit_test(test_idle),	cmocka_unit_test(test_nameservers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
