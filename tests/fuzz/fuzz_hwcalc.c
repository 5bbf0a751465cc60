// SPDX-License-Identifier: MIT
/* Any bytes as each of the text files that vzhwcalc reads. */
#include <stdint.h>
#include <string.h>

#include "base/own.h"
#include "vzhwcalc/distro.h"
#include "vzhwcalc/exclude.h"
#include "vzhwcalc/net.h"
#include "vzhwcalc/sample.h"
#include "vzhwcalc/scan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool yes(void *arg, const char *path)
{
	(void)arg;
	return path[strlen(path) - 1] & 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct exclude_probe probe = { yes, yes, NULL };
	own_free char *text = xstrndup((const char *)data, size);
	own_mounts struct mounts m = MOUNTS_INIT;
	own_excludes struct excludes x = EXCLUDES_INIT;
	own_strv struct strv a = STRV_INIT, b = STRV_INIT;
	char name[DISTRO_MAX];
	struct cpu_ticks cpu;
	struct memory mem;

	mounts_parse(&m, text);
	excludes_build(&x, &m, text, &probe);
	for (size_t i = 0; i < m.n; i++)
		mount_has_quota(&m.item[i]);
	for (const struct distro_file *f = distro_files; f->path; f++) {
		if (f->read(text, name) && !distro_is_name(name))
			__builtin_trap();
	}
	cpu_parse(text, &cpu);
	memory_parse(text, &mem);
	threads_parse(text);
	net_resolv_parse(text, &a, &b);
	licence_names_mac(text, &a);
	service_of_cgroup(text, name, sizeof(name));
	return 0;
}
