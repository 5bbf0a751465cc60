/* SPDX-License-Identifier: MIT */
/*
 * base/exit.h - the program's exit codes; pmigrate(1), EXIT STATUS.
 *
 * The numbers are those of the classic tool and never change.
 */
#ifndef BASE_EXIT_H
#define BASE_EXIT_H

#include "base/err.h"

enum exit_code {
	EXIT_OK = 0,
	EXIT_USAGE = 1,		/* the command line; --help too */
	EXIT_SYSTEM = 2,
	EXIT_LOCKED = 3,
	EXIT_CONNECT = 4,
	EXIT_BROKEN = 5,
	EXIT_COPY = 6,
	EXIT_START = 7,
	EXIT_STOP = 8,
	EXIT_EXISTS = 9,
	EXIT_ABSENT = 10,
	EXIT_TEMPLATES = 11,
	EXIT_IP_USED = 12,
	EXIT_MOUNT_SCRIPT = 13,
	EXIT_LINK = 21,
	EXIT_TIMEOUT = 22,
	EXIT_CANCELLED = 25,
	EXIT_PROTOCOL = 26,
	EXIT_LICENSE = 30,
	EXIT_DISK = 31,
	EXIT_TECH = 32,
	EXIT_RATE = 33,
	EXIT_SAME = 34,
	EXIT_BINDMOUNT = 36,
	EXIT_LAYOUT = 37,
	EXIT_NAME_USED = 45,
	EXIT_CHILD = 52,
	EXIT_CPU = 56,
	EXIT_UNSUPPORTED = 57,
	EXIT_CPT_VERSION = 60,
	EXIT_RECOVER = 80,	/* ours: undecided, `pmigrate recover` must look */
};

enum exit_code exit_code_of(enum err_code code);

/* One phrase for the manual and --batch; NULL for a number that is none of ours. */
const char *exit_code_text(int code);

#endif
