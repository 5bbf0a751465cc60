// SPDX-License-Identifier: MIT
#include "wire/proto.h"

#include "base/own.h"

/* Pinned by tests/unit/test_wire.c: append, never renumber. */
static const enum err_code table[] = {
	[0] = ERR_PROTO, /* not a code */
	[1] = ERR_SYS,
	[2] = ERR_USAGE,
	[3] = ERR_LOCKED,
	[4] = ERR_CONNECT,
	[5] = ERR_LINK,
	[6] = ERR_TIMEOUT,
	[7] = ERR_PROTO,
	[8] = ERR_BROKEN,
	[9] = ERR_COPY,
	[10] = ERR_START,
	[11] = ERR_STOP,
	[12] = ERR_EXISTS,
	[13] = ERR_ABSENT,
	[14] = ERR_TEMPLATES,
	[15] = ERR_IP_USED,
	[16] = ERR_MOUNT_SCRIPT,
	[17] = ERR_LICENSE,
	[18] = ERR_DISK,
	[19] = ERR_TECH,
	[20] = ERR_RATE,
	[21] = ERR_SAME,
	[22] = ERR_BINDMOUNT,
	[23] = ERR_NAME_USED,
	[24] = ERR_CPU,
	[25] = ERR_UNSUPPORTED,
	[26] = ERR_CHILD,
	[27] = ERR_CANCELLED,
	[28] = ERR_RECOVER,
	[29] = ERR_LAYOUT,
	[30] = ERR_CPT_VERSION,
};

uint16_t proto_code_of(enum err_code code)
{
	for (size_t i = 1; i < array_len(table); i++) {
		if (table[i] == code)
			return (uint16_t)i;
	}
	return 1;
}

enum err_code proto_code_to_err(uint16_t wire_code)
{
	return wire_code < array_len(table) ? table[wire_code] : ERR_SYS;
}
