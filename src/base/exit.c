// SPDX-License-Identifier: MIT
#include "base/exit.h"

#include <stddef.h>

static const struct {
	enum err_code code;
	enum exit_code exit;
	const char *text;
} table[] = {
	{ ERR_NONE, EXIT_OK, "success" },
	{ ERR_USAGE, EXIT_USAGE, "the command line is wrong" },
	{ ERR_SYS, EXIT_SYSTEM, "a system call or check of the system failed" },
	{ ERR_LOCKED, EXIT_LOCKED, "the Container is locked" },
	{ ERR_CONNECT, EXIT_CONNECT, "the other server cannot be reached" },
	{ ERR_BROKEN, EXIT_BROKEN, "the Container is broken" },
	{ ERR_COPY, EXIT_COPY, "the private area could not be copied" },
	{ ERR_START, EXIT_START, "the Container does not start there" },
	{ ERR_STOP, EXIT_STOP, "the Container does not stop here" },
	{ ERR_EXISTS, EXIT_EXISTS, "there is one already at the destination" },
	{ ERR_ABSENT, EXIT_ABSENT, "there is no such Container" },
	{ ERR_TEMPLATES, EXIT_TEMPLATES, "templates are missing" },
	{ ERR_IP_USED, EXIT_IP_USED, "an address is in use" },
	{ ERR_MOUNT_SCRIPT, EXIT_MOUNT_SCRIPT, "the Container has a mount script" },
	{ ERR_LINK, EXIT_LINK, "the connection broke" },
	{ ERR_TIMEOUT, EXIT_TIMEOUT, "the other end fell silent" },
	{ ERR_CANCELLED, EXIT_CANCELLED, "ended by a signal" },
	{ ERR_PROTO, EXIT_PROTOCOL, "the other end does not keep to the protocol" },
	{ ERR_LICENSE, EXIT_LICENSE, "the licence does not allow it" },
	{ ERR_DISK, EXIT_DISK, "not enough disk space or inodes" },
	{ ERR_TECH, EXIT_TECH, "a technology is missing" },
	{ ERR_RATE, EXIT_RATE, "the rate cannot be kept" },
	{ ERR_SAME, EXIT_SAME, "source and destination are the same" },
	{ ERR_BINDMOUNT, EXIT_BINDMOUNT, "the Container uses a directory of its server" },
	{ ERR_LAYOUT, EXIT_LAYOUT, "the engine or layout is not supported there" },
	{ ERR_NAME_USED, EXIT_NAME_USED, "the name is in use" },
	{ ERR_CHILD, EXIT_CHILD, "an external program failed" },
	{ ERR_CPU, EXIT_CPU, "CPU features are missing" },
	{ ERR_UNSUPPORTED, EXIT_UNSUPPORTED, "something the Container uses cannot be moved" },
	{ ERR_CPT_VERSION, EXIT_CPT_VERSION, "the CRIU versions do not fit" },
	{ ERR_RECOVER, EXIT_RECOVER, "undecided: pmigrate recover must be run" },
};

enum exit_code exit_code_of(enum err_code code)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (table[i].code == code)
			return table[i].exit;
	}
	return EXIT_SYSTEM;
}

const char *exit_code_text(int code)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if ((int)table[i].exit == code)
			return table[i].text;
	}
	return NULL;
}
