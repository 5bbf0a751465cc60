// SPDX-License-Identifier: MIT
#include "plan/licence.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/own.h"
#include "base/parse.h"

enum { MAX_CONTAINERS = 1000000 };

/* "name = "value"" without blanks and quotes; false for an empty line or a comment. */
static bool split_line(const char *line, size_t n, char **name, char **value)
{
	const char *eq;
	const char *end;

	while (n && strchr(" \t", *line)) {
		line++;
		n--;
	}
	while (n && strchr(" \t\r", line[n - 1]))
		n--;
	if (!n || *line == '#')
		return false;
	end = line + n;
	eq = memchr(line, '=', n);
	*name = xstrndup(line, eq ? (size_t)(eq - line) : n);
	if (!eq) {
		*value = NULL;
		return true;
	}
	eq++;
	if (end - eq >= 2 && (*eq == '"' || *eq == '\'') && end[-1] == *eq) {
		eq++;
		end--;
	}
	*value = xstrndup(eq, (size_t)(end - eq));
	return true;
}

/* "2027-12-31": the second at which the next day begins. */
static int day_end(const char *text, uint64_t *out)
{
	struct tm tm = { 0 };
	time_t t;
	int end = 0;

	if (strlen(text) != 10 ||
	    sscanf(text, "%4d-%2d-%2d%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &end) != 3 ||
	    end != 10 || tm.tm_year < 1970 || tm.tm_mon < 1 || tm.tm_mon > 12 ||
	    tm.tm_mday < 1 || tm.tm_mday > 31)
		return -1;
	tm.tm_year -= 1900;
	tm.tm_mon--;
	tm.tm_mday++;
	t = timegm(&tm);
	if (t <= 0)
		return -1;
	*out = (uint64_t)t;
	return 0;
}

static int take(const char *name, const char *value, struct licence *out)
{
	if (!strcmp(name, "ct_total")) {
		if (!strcmp(value, "unlimited"))
			out->max = UINT64_MAX;
		else
			return parse_u64(value, name, 0, MAX_CONTAINERS, &out->max, NULL);
	} else if (!strcmp(name, "expiration")) {
		if (!strcmp(value, "never"))
			out->until_s = UINT64_MAX;
		else
			return day_end(value, &out->until_s);
	}
	return 0;
}

int licence_parse(const char *text, const char *what, struct licence *out, struct err *e)
{
	bool has_max = false;
	unsigned number = 0;

	*out = (struct licence){ .max = 0, .until_s = UINT64_MAX };
	while (*text) {
		size_t n = strcspn(text, "\n");
		own_free char *name = NULL;
		own_free char *value = NULL;

		number++;
		if (split_line(text, n, &name, &value)) {
			if (!value || take(name, value, out) < 0)
				return err_set(e, ERR_USAGE, "%s: line %u cannot be understood",
					       what, number);
			has_max = has_max || !strcmp(name, "ct_total");
		}
		text += n + (text[n] == '\n');
	}
	if (!has_max)
		return err_set(e, ERR_USAGE, "%s: ct_total is missing", what);
	return 0;
}
