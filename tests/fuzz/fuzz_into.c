// SPDX-License-Identifier: MIT
/* Any bytes as what a foreign server says: scan, configuration, rsync, Windows. */
#include <stdint.h>
#include <string.h>

#include "base/own.h"
#include "engine/disk/vmdisk.h"
#include "engine/dist.h"
#include "engine/vz/run/boot.h"
#include "plan/into.h"
#include "plan/restrict.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	own_free char *text = xstrndup((const char *)data, size);
	own_findings struct findings f = FINDINGS_INIT;
	own_strv struct strv services = STRV_INIT;
	own_dist_changes struct dist_changes c = DIST_CHANGES_INIT;
	struct restrict_can can = { .xattrs = size & 1 };
	own_vz_boot struct vz_boot boot = VZ_BOOT_INIT;
	struct windows w = { 0 };
	struct vmdisk d;
	struct into_plan p;
	struct job j;
	uint64_t n;
	unsigned u;
	bool b;

	job_init(&j);
	restrict_scan(&f, text, &j, &can, &services);
	if (into_plan_make(&p, text, "fuzz", &j, NULL) == 0)
		into_plan_fini(&p);
	into_rsync_progress(text, &n, &u);
	into_rsync_stat(text, "Total", &n);
	into_rsync_version(text, &u, &b);
	windows_of_banner(&w, text);
	windows_of_ver(&w, text);
	if (size >= 512)
		windows_of_boot_sector(&w, data);
	dist_changes_parse(&c, text);
	if (vmdisk_parse(text, "fuzz", &d, NULL) == 0) {
		free(vmdisk_config(&d, size, 1));
		vmdisk_is_idle(&d, text, NULL);
		vmdisk_fini(&d);
	}
	vmdisk_addresses(text, &services);
	vmdisk_nameservers(text, &services);
	vmdisk_of_virsh(text, &services);
	vmdisk_size_of_virsh(text, &u, &n);
	free(vmdisk_address_of_virsh(text));
	vz_boot_parse(&boot, text);
	vmdisk_autostart_of_virsh(text);
	job_fini(&j);
	return 0;
}
