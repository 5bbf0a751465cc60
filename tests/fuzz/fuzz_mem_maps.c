// SPDX-License-Identifier: MIT
/* Any text as /proc/PID/smaps: refused, or sorted and consistent. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "mem/maps.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void stretch(void *arg, const struct map *m, uint64_t start, uint64_t end)
{
	(void)arg;
	if (start >= end || start < m->start || end > m->end)
		__builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t cut = size / 2;
	struct maps a = MAPS_INIT, b = MAPS_INIT;

	maps_parse(&a, xstrndup((const char *)data, cut), strnlen((const char *)data, cut), 1, NULL);
	maps_parse(&b, xstrndup((const char *)data + cut, size - cut),
		   strnlen((const char *)data + cut, size - cut), 1, NULL);
	for (size_t i = 0; i < a.n; i++) {
		if (a.v[i].start >= a.v[i].end || (i && a.v[i].start < a.v[i - 1].end))
			__builtin_trap();
		if (maps_find(&a, a.v[i].start) != &a.v[i])
			__builtin_trap();
		(void)strlen(a.v[i].name);
	}
	maps_compare(&a, &b, stretch, stretch, NULL);
	maps_inherit_vm(&a, &b);
	maps_fini(&a);
	maps_fini(&b);
	return 0;
}
