// SPDX-License-Identifier: MIT
/* Any bytes as a configuration file: the text comes back, and what is set is read again. */
#include <stdint.h>
#include <string.h>

#include "base/own.h"
#include "engine/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	own_conf struct conf c = CONF_INIT;
	own_free char *text = NULL, *again = NULL, *value = NULL;

	if (conf_parse(&c, (const char *)data, size, "it", NULL) < 0)
		return 0;
	text = conf_text(&c);
	if (strlen(text) != size || memcmp(text, data, size) != 0)
		__builtin_trap();
	for (size_t i = 0; i < c.n; i++) {
		if (c.line[i].name)
			value = xstrdup(c.line[i].value);
		if (value)
			break;
	}
	if (value && conf_set(&c, "SET_1", value, NULL) == 0) {
		again = conf_text(&c);
		if (conf_parse(&c, again, strlen(again), "it", NULL) < 0 ||
		    strcmp(conf_get(&c, "SET_1"), value) != 0)
			__builtin_trap();
	}
	return 0;
}
