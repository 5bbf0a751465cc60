// SPDX-License-Identifier: MIT
/* Any text as a licence, as networks_classes, as routes. */
#include <stdint.h>
#include <string.h>

#include "base/own.h"
#include "plan/licence.h"
#include "plan/tech.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	own_free char *text = xstrndup((const char *)data, size);
	struct licence l;

	if (licence_parse(text, "x", &l, NULL) == 0 && !l.until_s)
		__builtin_trap();
	(void)tech_rate_classes(text);
	return 0;
}
