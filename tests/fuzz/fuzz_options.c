// SPDX-License-Identifier: MIT
/* Any words as a command line: taken or refused with one line; no password is left in argv
 * or in the message. */
#include <stdint.h>
#include <string.h>

#include "base/own.h"
#include "pmigrate/options.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	own_free char *text = xstrndup((const char *)data, size);
	own_strv struct strv argv = STRV_INIT;
	struct options o;
	struct err e = ERR_INIT;

	strv_add(&argv, "pmigrate");
	strv_split(&argv, text, "\n");
	options_init(&o);
	if (options_parse((int)argv.n, argv.item, &o, &e) < 0) {
		if (e.code == ERR_NONE || !e.msg[0])
			__builtin_trap();
	} else if (o.mode == OPTIONS_RUN && !o.pair_known) {
		__builtin_trap();
	}
	/* What stands between ':' and '@' of an operand is a password. */
	for (size_t i = 1; i < argv.n; i++) {
		const char *colon = strchr(argv.item[i], ':'), *at = strrchr(argv.item[i], '@');

		if (argv.item[i][0] == '-' || !colon || !at || colon > at)
			continue;
		if (strspn(colon + 1, "*") < (size_t)(at - colon - 1))
			__builtin_trap();
	}
	options_fini(&o);
	return 0;
}
