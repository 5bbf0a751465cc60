/* SPDX-License-Identifier: MIT */
/*
 * plan/licence.h - how many containers may run on a server.
 *
 * A licence is a text file in /etc/vz/licenses of lines NAME="value":
 *
 *	ct_total="20"			running containers, or "unlimited"
 *	expiration="2027-12-31"		its last day (UTC), or "never"
 *
 * '#' begins a comment; other names are somebody's remarks.  The limits of all
 * valid files add up.  No file at all: unlimited.  Pure; fuzzed.
 */
#ifndef PLAN_LICENCE_H
#define PLAN_LICENCE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define LICENCE_DIR "/etc/vz/licenses"

enum { LICENCE_FILE_MAX = 64 << 10 };

struct licence {
	uint64_t max;	   /* UINT64_MAX: unlimited */
	uint64_t until_s;  /* the first second after it, since 1970; UINT64_MAX: never */
};

/* ERR_USAGE names the line.  `what` names the file. */
int licence_parse(const char *text, const char *what, struct licence *out, struct err *e);

#endif
