// SPDX-License-Identifier: MIT
#include "pmigrate/bar.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"

enum { BAR_MIN = 8, BAR_MAX = 24, ROOM = 9 };
/* How much one look counts against all before it. */
static const double weight = 0.25;

void bar_begin(struct bar *b, uint64_t now_ns)
{
	*b = (struct bar){ .begun_ns = now_ns, .last_ns = now_ns, .bps = -1 };
}

void bar_look(struct bar *b, uint64_t bytes, uint64_t now_ns)
{
	double s = (double)(now_ns - b->last_ns) / 1e9, now;

	if (s < 0.1)
		return;
	now = bytes > b->last_bytes ? (double)(bytes - b->last_bytes) / s : 0;
	b->bps = b->bps < 0 ? now : b->bps + weight * (now - b->bps);
	b->last_bytes = bytes;
	b->last_ns = now_ns;
}

static size_t add(char *out, size_t size, size_t at, const char *text)
{
	int n = at < size ? snprintf(out + at, size - at, "%s", text) : 0;

	return at + (n > 0 ? (size_t)n : 0);
}

/* "[===>  ] " of so many cells. */
static size_t add_cells(char *out, size_t size, size_t cells, double share)
{
	size_t full = (size_t)(share * (double)cells);
	char bar[BAR_MAX + 1];

	memset(bar, ' ', cells);
	memset(bar, '=', full);
	if (full < cells)
		bar[full] = '>';
	bar[cells] = '\0';
	return (size_t)snprintf(out, size, "[%s] ", bar);
}

/* "1.2 GiB of 2.9 GiB  210 MiB/s  ETA 8 s"; returns its length. */
static size_t numbers(const struct bar *b, uint64_t bytes, uint64_t total, bool with_total,
		      char *out, size_t size)
{
	char have[24], all[24], rate[24], left[24];
	size_t n;

	text_bytes(have, bytes);
	n = add(out, size, 0, have);
	if (with_total) {
		text_bytes(all, total);
		n = add(out, size, n, " of ");
		n = add(out, size, n, all);
	}
	if (b->bps <= 0)
		return n;
	text_bytes(rate, (uint64_t)b->bps);
	n = add(out, size, n, "  ");
	n = add(out, size, n, rate);
	n = add(out, size, n, "/s");
	if (bytes >= total) /* also when it is not known */
		return n;
	text_ms(left, (double)(total - bytes) / b->bps * 1000);
	n = add(out, size, n, "  ETA ");
	return add(out, size, n, left);
}

void bar_text(const struct bar *b, uint64_t bytes, uint64_t total, size_t columns, char *out,
	      size_t size)
{
	bool known = total > 0 && bytes <= total;
	double share = known ? (double)bytes / (double)total : 0;
	char text[160];
	size_t n = numbers(b, bytes, total, known, text, sizeof(text)), at = 0, room;

	/* What the text, "[] " and "100%  " leave is the bar's; it comes before the total. */
	if (known && columns < n + ROOM + BAR_MIN)
		n = numbers(b, bytes, total, false, text, sizeof(text));
	room = columns > n + ROOM ? columns - n - ROOM : 0;
	if (known && room >= BAR_MIN)
		at = add_cells(out, size, room < BAR_MAX ? room : BAR_MAX, share);
	if (known)
		at += (size_t)snprintf(out + at, size - at, "%3u%%  ", (unsigned)(share * 100));
	snprintf(out + at, size - at, "%s", text);
	/* Whole words: the ETA goes first, then the speed. */
	while (strlen(out) > columns) {
		char *cut = NULL;

		for (char *p = out; (p = strstr(p, "  ")); p += strspn(p, " "))
			cut = p;
		out[cut ? (size_t)(cut - out) : columns] = '\0';
	}
}
