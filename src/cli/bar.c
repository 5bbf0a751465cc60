// SPDX-License-Identifier: MIT
#include "cli/bar.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"

enum { BAR_WIDTH = 24 };
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

void bar_text(const struct bar *b, uint64_t bytes, uint64_t total, size_t columns, char *out,
	      size_t size)
{
	char have[24], all[24], rate[24], left[24], part[160];
	bool known = total > 0 && bytes <= total;
	size_t at = 0;

	text_bytes(have, bytes);
	text_bytes(all, total);
	text_bytes(rate, b->bps > 0 ? (uint64_t)b->bps : 0);
	out[0] = '\0';
	if (known && columns >= BAR_WIDTH + 50) {
		char cells[BAR_WIDTH + 1];
		size_t full = (size_t)((double)bytes / (double)total * BAR_WIDTH);

		memset(cells, ' ', BAR_WIDTH);
		memset(cells, '=', full);
		if (full < BAR_WIDTH)
			cells[full] = '>';
		cells[BAR_WIDTH] = '\0';
		snprintf(part, sizeof(part), "[%s] ", cells);
		at = add(out, size, at, part);
	}
	if (known)
		snprintf(part, sizeof(part), "%3u%%  %s of %s",
			 (unsigned)((double)bytes / (double)total * 100), have, all);
	else
		snprintf(part, sizeof(part), "%s", have);
	at = add(out, size, at, part);
	if (b->bps > 0) {
		snprintf(part, sizeof(part), "  %s/s", rate);
		at = add(out, size, at, part);
	}
	if (known && b->bps > 0 && bytes < total) {
		text_ms(left, (double)(total - bytes) / b->bps * 1000);
		snprintf(part, sizeof(part), "  ETA %s", left);
		at = add(out, size, at, part);
	}
	if (columns < size)
		out[columns] = '\0';
}
