// SPDX-License-Identifier: MIT
#include "vzhwcalc/text.h"

#include <ctype.h>
#include <string.h>

#include "base/own.h"

bool text_line(const char **at, char *out, size_t out_size)
{
	size_t n = strcspn(*at, "\n"), keep = n < out_size ? n : out_size - 1;

	if (!**at)
		return false;
	memcpy(out, *at, keep);
	out[keep] = '\0';
	*at += n + ((*at)[n] == '\n');
	return true;
}

bool text_field(const char **at, char *out, size_t out_size)
{
	const char *p = *at + strspn(*at, " \t\r");
	size_t n = strcspn(p, " \t\r"), keep = n < out_size ? n : out_size - 1;

	if (!n)
		return false;
	memcpy(out, p, keep);
	out[keep] = '\0';
	*at = p + n;
	return true;
}

char *text_escape(const char *s)
{
	char *out = xmalloc(strlen(s) * 4 + 1), *w = out;

	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c < ' ' || c == '\\' || c == 127) {
			*w++ = '\\';
			*w++ = (char)('0' + (c >> 6));
			*w++ = (char)('0' + (c >> 3 & 7));
			*w++ = (char)('0' + (c & 7));
		} else {
			*w++ = (char)c;
		}
	}
	*w = '\0';
	return out;
}

/* What stands behind the '=', without its quotes. */
static void unquote(const char *v, char *out, size_t out_size)
{
	char quote = *v == '"' || *v == '\'' ? *v++ : '\0';
	size_t n = 0;

	for (; *v && n + 1 < out_size; v++) {
		if (quote ? *v == quote : isspace((unsigned char)*v) || *v == '#')
			break;
		if (*v == '\\' && quote != '\'' && v[1] && strchr("\"$`\\", v[1]))
			v++;
		out[n++] = *v;
	}
	out[n] = '\0';
}

bool text_value(const char *text, const char *key, char *out, size_t out_size)
{
	char line[1024];
	size_t n = strlen(key);
	bool found = false;

	while (text_line(&text, line, sizeof(line))) {
		const char *p = line + strspn(line, " \t");

		if (strncmp(p, "export ", 7) == 0)
			p += 7 + strspn(p + 7, " \t");
		if (strncmp(p, key, n) != 0 || p[n] != '=')
			continue;
		unquote(p + n + 1, out, out_size); /* the last one counts, as in a shell */
		found = true;
	}
	return found;
}

bool text_number(const char **at, uint64_t *out)
{
	const char *p = *at;
	uint64_t v = 0;

	if (!isdigit((unsigned char)*p))
		return false;
	for (; isdigit((unsigned char)*p); p++) {
		unsigned d = (unsigned)(*p - '0');

		v = v > (UINT64_MAX - d) / 10 ? UINT64_MAX : v * 10 + d;
	}
	*at = p;
	*out = v;
	return true;
}
