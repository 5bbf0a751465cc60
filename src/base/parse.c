// SPDX-License-Identifier: MIT
#include "base/parse.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/own.h"

int parse_u64(const char *text, const char *what, uint64_t min, uint64_t max, uint64_t *out,
	      struct err *e)
{
	char *end = NULL;
	unsigned long long v = 0;

	errno = 0;
	if (isdigit((unsigned char)text[0]))
		v = strtoull(text, &end, 10);
	if (!end || *end)
		return err_set(e, ERR_USAGE, "%s '%s' is not a number", what, text);
	if (errno || v < min || v > max)
		return err_set(e, ERR_USAGE, "%s '%s' is not between %" PRIu64 " and %" PRIu64,
			       what, text, min, max);
	*out = v;
	return 0;
}

/* A non-negative decimal with an optional fraction; no exponent, no hex, no inf. */
static const char *parse_decimal(const char *text, double *out)
{
	double v = 0, scale = 1;
	const char *p = text;

	if (!isdigit((unsigned char)*p))
		return NULL;
	for (; isdigit((unsigned char)*p); p++)
		v = v * 10 + (*p - '0');
	if (*p == '.' && isdigit((unsigned char)p[1])) {
		for (p++; isdigit((unsigned char)*p); p++)
			v += (*p - '0') * (scale /= 10);
	}
	*out = v;
	return p;
}

static int to_u64(double v, const char *what, const char *text, uint64_t *out, struct err *e)
{
	if (v >= 9.2e18)
		return err_set(e, ERR_USAGE, "%s '%s' is too large", what, text);
	*out = (uint64_t)llround(v);
	return 0;
}

static const char *skip_size_unit(const char *p, double *factor)
{
	static const char units[] = "KMGTP";
	const char *u = *p ? strchr(units, toupper((unsigned char)*p)) : NULL;

	*factor = 1;
	if (u) {
		for (const char *q = units; q <= u; q++)
			*factor *= 1024;
		p++;
		if (!strncasecmp(p, "iB", 2))
			return p + 2;
	}
	return *p == 'B' || *p == 'b' ? p + 1 : p;
}

int parse_bytes(const char *text, const char *what, uint64_t *out, struct err *e)
{
	double v, factor = 1;
	const char *p = parse_decimal(text, &v);

	if (p)
		p = skip_size_unit(p, &factor);
	if (!p || *p)
		return err_set(e, ERR_USAGE, "%s '%s' is not a size (such as 512K, 10M, 1.5G)",
			       what, text);
	return to_u64(v * factor, what, text, out, e);
}

int parse_rate(const char *text, const char *what, uint64_t *bytes_per_s, struct err *e)
{
	static const struct {
		const char *unit;
		double factor;
	} bits[] = { { "kbit", 1e3 / 8 }, { "mbit", 1e6 / 8 }, { "gbit", 1e9 / 8 } };
	double v, factor = 1;
	const char *p = parse_decimal(text, &v);
	const char *unit = p;

	for (size_t i = 0; p && i < array_len(bits); i++) {
		if (!strncasecmp(unit, bits[i].unit, 4)) {
			factor = bits[i].factor;
			p = unit + 4;
			goto tail;
		}
	}
	if (p)
		p = skip_size_unit(p, &factor);
tail:
	if (p && !strcasecmp(p, "/s"))
		p += 2;
	if (!p || *p || v * factor < 1)
		return err_set(e, ERR_USAGE,
			       "%s '%s' is not a rate (such as 10M, 500K/s, 100mbit)", what,
			       text);
	return to_u64(v * factor, what, text, bytes_per_s, e);
}

int parse_ms(const char *text, const char *what, uint64_t bare_unit_ms, uint64_t *out_ms,
	     struct err *e)
{
	static const struct {
		const char *unit;
		double ms;
	} units[] = { { "ms", 1 }, { "s", 1e3 }, { "m", 6e4 }, { "h", 3.6e6 }, { "d", 8.64e7 } };
	const char *p = text;
	double sum = 0;

	do {
		double v;
		size_t i;

		p = parse_decimal(p, &v);
		if (!p)
			break;
		if (!*p && isdigit((unsigned char)text[0]) &&
		    strspn(text, "0123456789.") == strlen(text)) {
			sum = v * (double)bare_unit_ms;
			break;
		}
		for (i = 0; i < array_len(units); i++) {
			size_t n = strlen(units[i].unit);

			if (!strncmp(p, units[i].unit, n) && !isalpha((unsigned char)p[n])) {
				sum += v * units[i].ms;
				p += n;
				break;
			}
		}
		if (i == array_len(units))
			p = NULL;
	} while (p && *p);
	if (!p)
		return err_set(e, ERR_USAGE, "%s '%s' is not a time (such as 50ms, 2s, 1h30m)",
			       what, text);
	return to_u64(sum, what, text, out_ms, e);
}

void text_bytes(char out[static 24], uint64_t bytes)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double v = (double)bytes;
	size_t u = 0;

	while (v >= 1024 && u + 1 < array_len(units)) {
		v /= 1024;
		u++;
	}
	snprintf(out, 24, u && v < 100 ? "%.1f %s" : "%.0f %s", v, units[u]);
}

void text_ms(char out[static 24], double ms)
{
	unsigned s = ms < 4e12 ? (unsigned)(ms / 1000 + 0.5) : UINT32_MAX;

	if (ms < 10)
		snprintf(out, 24, "%.1f ms", ms);
	else if (ms < 1000)
		snprintf(out, 24, "%.0f ms", ms);
	else if (ms < 100000)
		snprintf(out, 24, "%.2f s", ms / 1000);
	else if (s < 7200)
		snprintf(out, 24, "%u min %u s", s / 60, s % 60);
	else
		snprintf(out, 24, "%u h %u min", s / 3600, s % 3600 / 60);
}
