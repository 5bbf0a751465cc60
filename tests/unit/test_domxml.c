// SPDX-License-Identifier: MIT
/* Unit tests of engine/libvirt/domxml.c: libvirt's descriptions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/own.h"
#include "engine/libvirt/domxml.h"
#include "engine/libvirt/libvirt.h"

static const char xml[] =
	"<?xml version='1.0'?>\n<!-- <domain> -->\n"
	"<domain type='kvm' id='3'>\n"
	"  <name>web&amp;1</name>\n"
	"  <uuid>6f1a0001-0000-4000-8000-000000000001</uuid>\n"
	"  <metadata><name>not this</name></metadata>\n"
	"  <os><type arch='x86_64' machine='q35'>hvm</type>\n"
	"    <kernel>/boot/vmlinuz</kernel>\n"
	"    <nvram template='/usr/share/x'>/var/lib/libvirt/qemu/nvram/web.fd</nvram></os>\n"
	"  <devices>\n"
	"    <emulator>/usr/bin/qemu-system-x86_64</emulator>\n"
	"    <disk type='file' device='disk'>\n"
	"      <driver name='qemu' type='qcow2' cache='none'/>\n"
	"      <source file='/srv/my &apos;disk&apos;.qcow2' index=\"1\"/>\n"
	"      <backingStore type='file'><format type='raw'/><source file='/srv/base'/>\n"
	"        <backingStore/></backingStore>\n"
	"      <target dev='vda' bus='virtio'/>\n"
	"    </disk>\n"
	"    <disk type='file' device='cdrom'><source file='/iso/a.iso'/><target dev='sda'/><readonly/></disk>\n"
	"    <disk type='block' device='disk'><source dev='/dev/vg/data'/><target dev='vdb'/></disk>\n"
	"    <interface type='network'><mac address='52:54:00:00:00:01'/><source network='default'/></interface>\n"
	"    <interface type='bridge'><source bridge='br0'/></interface>\n"
	"    <hostdev mode='subsystem' type='pci'><source><address/></source></hostdev>\n"
	"  </devices>\n"
	"</domain>\n";

static void test_parse(void **state)
{
	own_domxml struct domxml d = { 0 };

	(void)state;
	assert_int_equal(domxml_parse(xml, &d, NULL), 0);
	assert_string_equal(d.name, "web&1");
	assert_string_equal(d.kind, "kvm");
	assert_string_equal(d.nvram, "/var/lib/libvirt/qemu/nvram/web.fd");
	assert_int_equal(d.n_disks, 3);
	assert_string_equal(d.disk[0].file, "/srv/my 'disk'.qcow2");
	assert_string_equal(d.disk[0].format, "qcow2");
	assert_string_equal(d.disk[0].target, "vda");
	assert_true(domxml_moves(&d.disk[0]));
	assert_false(domxml_moves(&d.disk[1]));
	assert_false(domxml_moves(&d.disk[2]));
	assert_true(strv_has(&d.needs, "/boot/vmlinuz"));
	assert_true(strv_has(&d.needs, "/usr/bin/qemu-system-x86_64"));
	assert_true(strv_has(&d.networks, "default"));
	assert_true(strv_has(&d.bridges, "br0"));
	assert_true(strv_has(&d.obstacles, "hostdev"));
}

static void test_place(void **state)
{
	own_domxml struct domxml d = { 0 };
	own_domxml struct domxml there = { 0 };
	const char *file[3] = { "/new/a'b", NULL, NULL };
	own_free char *placed = NULL;

	(void)state;
	assert_int_equal(domxml_parse(xml, &d, NULL), 0);
	placed = domxml_place(xml, &d, "other", NULL, file, "/new/nvram");
	assert_null(strstr(placed, "/srv/base"));
	assert_non_null(strstr(placed, "cache='none'"));
	assert_non_null(strstr(placed, "<name>not this</name>"));
	assert_int_equal(domxml_parse(placed, &there, NULL), 0);
	assert_string_equal(there.name, "other");
	assert_string_equal(there.uuid, d.uuid);
	assert_string_equal(there.nvram, "/new/nvram");
	assert_string_equal(there.disk[0].file, "/new/a'b");
	assert_string_equal(there.disk[1].file, "/iso/a.iso");
}

static void test_broken(void **state)
{
	static const char *const texts[] = {
		"", "<domain>", "<domain type='kvm'></domain>", "<a></b>",
		"<domain type='kvm'><name>a</name><uuid>b</uuid>", "<domain type='kvm", "<!-- ",
	};

	(void)state;
	for (size_t i = 0; i < array_len(texts); i++) {
		struct domxml d;

		assert_int_equal(domxml_parse(texts[i], &d, NULL), -1);
	}
	/* cut anywhere: understood or refused, never more */
	for (size_t n = 0; n < sizeof(xml); n++) {
		own_free char *part = xstrndup(xml, n);
		own_domxml struct domxml d = { 0 };

		(void)domxml_parse(part, &d, NULL);
	}
}

static void test_files(void **state)
{
	static const char text[] = "file base.raw raw 5 -\nfile disk.qcow2 qcow2 700 base.raw\nautostart\n\n"
				   "<domain type='qemu'><name>a</name><uuid>1</uuid><devices>"
				   "<disk type='file' device='disk'><source file='@/disk.qcow2'/></disk>"
				   "</devices></domain>";
	static const char *const bad[] = {
		"", "file a raw 1 -\n", "file ../a raw 1 -\n\n<domain/>", "file a raw 1 b\n\n<domain/>",
		"file a/b raw 1 -\n\n<domain/>", "file a raw 1 -\nfile a raw 1 -\n\n<domain/>",
		"file a raw 1 - x\n\n<domain/>", "other\n\n<domain/>",
	};
	own_libvirt_files struct libvirt_files f = { 0 };
	own_free char *again = NULL, *placed = NULL, *strange = NULL;

	(void)state;
	assert_int_equal(libvirt_files_parse(text, &f, NULL), 0);
	assert_int_equal(f.n, 2);
	assert_true(f.autostart);
	again = libvirt_files_text(&f);
	assert_string_equal(again, text);
	placed = libvirt_files_place(&f, "b", "/images/b", NULL);
	assert_non_null(strstr(placed, "<source file='/images/b/disk.qcow2'/>"));
	assert_non_null(strstr(placed, "<name>b</name>"));
	free(f.xml);
	f.xml = xstrdup("<domain type='qemu'><name>a</name><uuid>1</uuid><devices>"
			"<disk type='file' device='disk'><source file='@/../../etc'/></disk>"
			"</devices></domain>");
	strange = libvirt_files_place(&f, "b", "/images/b", NULL);
	assert_null(strange);
	for (size_t i = 0; i < array_len(bad); i++) {
		struct libvirt_files none;

		assert_int_equal(libvirt_files_parse(bad[i], &none, NULL), -1);
	}
}

static void test_job(void **state)
{
	struct libvirt_job j;

	(void)state;
	libvirt_job_parse("operation: 5\ndata_total: 1000\ndata_processed: 400\nmemory_processed: 300\n"
			  "disk_processed: 100\nmemory_iteration: 3\nmemory_dirty_rate: 2\n"
			  "memory_page_size: 4096\ndowntime: 12\nnonsense\n",
			  &j);
	assert_int_equal(j.total, 1000);
	assert_int_equal(j.done, 400);
	assert_int_equal(j.disk_done, 100);
	assert_int_equal(j.rounds, 3);
	assert_int_equal(j.dirty_bps, 8192);
	assert_int_equal(j.downtime_ms, 12);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_place),
		cmocka_unit_test(test_broken),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_job),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
