/* SPDX-License-Identifier: MIT */
/*
 * base/parse.h - numbers that people write.  The whole text must be the
 * number; messages quote the text.
 */
#ifndef BASE_PARSE_H
#define BASE_PARSE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* Decimal, min..max; `what` names it in the message ("the port"). */
int parse_u64(const char *text, const char *what, uint64_t min, uint64_t max, uint64_t *out,
	      struct err *e);

/* Bytes: 512, 10K, 1.5M, 2G, 1T (1024-based; an optional B or iB behind). */
int parse_bytes(const char *text, const char *what, uint64_t *out, struct err *e);

/* Bytes a second: as parse_bytes, with an optional "/s"; or bits with
 * "kbit", "mbit", "gbit" (1000-based). */
int parse_rate(const char *text, const char *what, uint64_t *bytes_per_s, struct err *e);

/* Milliseconds: 50ms, 2s, 1.5s, 3m, 1h, 1d2h30m; a bare number is in `bare_unit_ms`. */
int parse_ms(const char *text, const char *what, uint64_t bare_unit_ms, uint64_t *out_ms,
	     struct err *e);

/* "1.4 GiB", "812 B" */
void text_bytes(char out[static 24], uint64_t bytes);
/* "45 ms", "1.25 s", "3 min 5 s", "2 h 10 min" */
void text_ms(char out[static 24], double ms);

#endif
