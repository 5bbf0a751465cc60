// SPDX-License-Identifier: MIT
/* Any text as a virtual machine's description; what is understood can be placed and understood again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "engine/libvirt/domxml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	own_free char *xml = xstrndup((const char *)data, size);
	own_domxml struct domxml d = { 0 };
	own_domxml struct domxml again = { 0 };
	own_free char *placed = NULL;
	const char **file;

	if (domxml_parse(xml, &d, NULL) < 0)
		return 0;
	file = xcalloc(d.n_disks + 1, sizeof(*file));
	for (size_t i = 0; i < d.n_disks; i++)
		file[i] = "/new/'<&>\"";
	placed = domxml_place(xml, &d, "new", "1", file, NULL);
	free(file);
	if (d.name_span.at && d.name_span.len && domxml_parse(placed, &again, NULL) < 0)
		__builtin_trap();
	return 0;
}
