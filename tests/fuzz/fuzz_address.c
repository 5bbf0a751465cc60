// SPDX-License-Identifier: MIT
/* Any text as any kind of address: what is taken says the same when written and read again. */
#include <stdint.h>
#include <string.h>

#include "base/own.h"
#include "plan/address.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const enum kind kinds[] = { KIND_SERVER, KIND_CONTAINER, KIND_VM };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct address a, b;
	enum address_side side;
	enum kind kind, from;

	if (size < 1)
		return 0;
	side = data[0] & 1 ? ADDRESS_SOURCE : ADDRESS_DESTINATION;
	kind = kinds[(data[0] >> 1) % 3];
	from = kinds[(data[0] >> 3) % 3];
	own_free char *text = xstrndup((const char *)data + 1, size - 1);

	if (address_parse(text, side, kind, from, &a, NULL) == 0) {
		own_free char *shown = address_text(&a);
		own_free char *copy = xstrdup(shown);

		/* "b" alone may be read as a name when it came from "b/". */
		if (a.where.host && a.name) {
			if (address_parse(copy, side, kind, from, &b, NULL) < 0 ||
			    strcmp(a.where.host, b.where.host) || strcmp(a.name, b.name) ||
			    a.where.port != b.where.port)
				__builtin_trap();
			address_fini(&b);
		}
	}
	address_fini(&a);
	return 0;
}
