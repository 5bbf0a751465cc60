// SPDX-License-Identifier: MIT
#include "pmigrate/report.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/own.h"
#include "base/parse.h"

enum { WIDTH = 960, LABEL = 110, ROW = 26, RULER = 30, TICKS = 6 };

static const char style[] =
	"body{font:15px/1.45 system-ui,sans-serif;max-width:1000px;margin:2em auto;padding:0 1em;"
	"color:#222;background:#fff}h1{font-size:1.5em}h2{font-size:1.1em;margin-top:1.6em}"
	"table{border-collapse:collapse}td,th{padding:.2em .9em .2em 0;text-align:left;"
	"vertical-align:top}th{font-weight:600;color:#555}td.n{text-align:right}"
	".ok{color:#17692f}.bad{color:#a11}.dim{color:#777}svg{width:100%;height:auto;"
	"font:12px system-ui,sans-serif}svg text{fill:#333}.phase{fill:#4a7db5}.failed{fill:#b33}"
	".round{fill:#8ab6e0}.down{fill:#f6c9b8;opacity:.65}.part{stroke:#fff}"
	"@media(prefers-color-scheme:dark){body{background:#161616;color:#ddd}svg text{fill:#ccc}"
	".down{fill:#7a3b26}.ok{color:#6c9}.bad{color:#f77}}";

static double num(const cJSON *o, const char *name)
{
	const cJSON *v = cJSON_GetObjectItem(o, name);

	return cJSON_IsNumber(v) ? v->valuedouble : 0;
}

static const char *str(const cJSON *o, const char *name)
{
	const cJSON *v = cJSON_GetObjectItem(o, name);

	return cJSON_IsString(v) ? v->valuestring : "";
}

static bool has(const cJSON *o, const char *name)
{
	return cJSON_HasObjectItem(o, name);
}

/* Text that stands between tags. */
static void put_text(FILE *f, const char *text)
{
	for (; *text; text++) {
		switch (*text) {
		case '<':
			fputs("&lt;", f);
			break;
		case '>':
			fputs("&gt;", f);
			break;
		case '&':
			fputs("&amp;", f);
			break;
		case '"':
			fputs("&quot;", f);
			break;
		default:
			fputc(*text, f);
		}
	}
}

static void put_ms(FILE *f, double ms)
{
	char text[24];

	text_ms(text, ms);
	fputs(text, f);
}

static void put_bytes(FILE *f, double bytes)
{
	char text[24];

	text_bytes(text, bytes > 0 ? (uint64_t)bytes : 0);
	fputs(text, f);
}

/* Begin and end of the downtime on the migration's clock; false when there was none. */
static bool downtime_span(const cJSON *m, double *from, double *to)
{
	const cJSON *p;

	*from = -1;
	*to = 0;
	cJSON_ArrayForEach(p, cJSON_GetObjectItem(m, "phases")) {
		const char *name = str(p, "phase");

		if (!strcmp(name, "stop") || !strcmp(name, "freeze"))
			*from = num(p, "at_ms");
		if (!strcmp(name, "start") || !strcmp(name, "undo"))
			*to = num(p, "at_ms") + num(p, "ms");
	}
	/* The account's figure is the measured one; the phases say where it lies. */
	if (*from >= 0 && has(cJSON_GetObjectItem(m, "account"), "downtime_ms"))
		*to = *from + num(cJSON_GetObjectItem(m, "account"), "downtime_ms");
	return *from >= 0 && *to > *from;
}

struct scale {
	double total_ms;
};

static double x_of(const struct scale *s, double ms)
{
	return LABEL + ms / s->total_ms * (WIDTH - LABEL - 10);
}

static void put_ruler(FILE *f, const struct scale *s, int height)
{
	for (int i = 0; i <= TICKS; i++) {
		double ms = s->total_ms * i / TICKS;

		fprintf(f, "<line x1='%.1f' x2='%.1f' y1='0' y2='%d' stroke='#bbb' "
			   "stroke-width='.5'/><text x='%.1f' y='%d' text-anchor='%s'>",
			x_of(s, ms), x_of(s, ms), height - RULER + 6, x_of(s, ms), height - 8,
			i == 0 ? "start" : i == TICKS ? "end" : "middle");
		put_ms(f, ms);
		fputs("</text>\n", f);
	}
}

static void put_bar(FILE *f, const struct scale *s, const char *class, double at, double ms, int y,
		    int h, const char *title)
{
	double w = x_of(s, at + ms) - x_of(s, at);

	fprintf(f, "<rect class='%s' x='%.2f' y='%d' width='%.2f' height='%d'><title>", class,
		x_of(s, at), y, w < 1 ? 1 : w, h);
	put_text(f, title);
	fputs(", ", f);
	put_ms(f, ms);
	fputs("</title></rect>\n", f);
}

static void put_timeline(FILE *f, const cJSON *m)
{
	const cJSON *phases = cJSON_GetObjectItem(m, "phases"), *p, *r;
	struct scale s = { num(m, "total_ms") > 0 ? num(m, "total_ms") : 1 };
	int rows = cJSON_GetArraySize(phases), height = rows * ROW + RULER, y = 0;
	double from, to;

	fprintf(f, "<svg viewBox='0 0 %d %d' role='img' aria-label='timeline'>\n", WIDTH, height);
	if (downtime_span(m, &from, &to))
		put_bar(f, &s, "down", from, to - from, 0, rows * ROW, "downtime");
	put_ruler(f, &s, height);
	cJSON_ArrayForEach(p, phases) {
		fprintf(f, "<text x='0' y='%d'>%s</text>\n", y + 17, str(p, "phase"));
		put_bar(f, &s, strcmp(str(p, "state"), "failed") ? "phase" : "failed",
			num(p, "at_ms"), num(p, "ms"), y + 5, ROW - 10, str(p, "phase"));
		cJSON_ArrayForEach(r, cJSON_GetObjectItem(m, "rounds")) {
			char title[64];

			if (strcmp(str(r, "phase"), str(p, "phase")) != 0)
				continue;
			snprintf(title, sizeof(title), "round %.0f", num(r, "number"));
			put_bar(f, &s, "round part", num(r, "at_ms") - num(r, "ms"), num(r, "ms"),
				y + 9, ROW - 18, title);
		}
		y += ROW;
	}
	fputs("</svg>\n", f);
}

static void put_row_text(FILE *f, const char *name, const char *value)
{
	fprintf(f, "<tr><th>%s</th><td>", name);
	put_text(f, value);
	fputs("</td></tr>\n", f);
}

static void put_account(FILE *f, const cJSON *m)
{
	const cJSON *a = cJSON_GetObjectItem(m, "account"), *part;

	if (!a)
		return;
	fputs("<h2>Account</h2><table>\n", f);
	if (has(a, "mode"))
		put_row_text(f, "type", str(a, "mode"));
	fputs("<tr><th>total</th><td>", f);
	put_ms(f, num(a, "total_ms"));
	fputs("</td></tr><tr><th>over the link</th><td>", f);
	put_bytes(f, num(a, "wire_bytes"));
	fprintf(f, "</td></tr><tr><th>files</th><td>%.0f with ", num(a, "files"));
	put_bytes(f, num(a, "file_bytes"));
	fprintf(f, ", %.0f of them at the end</td></tr>", num(a, "files_last"));
	if (num(a, "memory_bytes") > 0) {
		fputs("<tr><th>memory</th><td>", f);
		put_bytes(f, num(a, "memory_bytes"));
		fprintf(f, " in %.0f rounds, ", num(a, "rounds"));
		put_bytes(f, num(a, "dirty_bps"));
		fputs("/s changed", f);
		if (num(a, "stop_ms") > 0) {
			fputs("<br>stopped for up to ", f);
			put_ms(f, num(a, "stop_ms"));
			fputs(" in each", f);
		}
		fputs("</td></tr>", f);
	}
	if (has(a, "downtime_ms")) {
		fputs("<tr><th>downtime</th><td><b>", f);
		put_ms(f, num(a, "downtime_ms"));
		fputs("</b>", f);
		cJSON_ArrayForEach(part, cJSON_GetObjectItem(a, "downtime_parts")) {
			fputs("<br>", f);
			put_text(f, str(part, "name"));
			fputs(" ", f);
			put_ms(f, num(part, "ms"));
		}
		fputs("</td></tr>", f);
	}
	fputs("</table>\n", f);
}

static void put_rounds(FILE *f, const cJSON *m)
{
	const cJSON *rounds = cJSON_GetObjectItem(m, "rounds"), *r;

	if (!cJSON_GetArraySize(rounds))
		return;
	fputs("<h2>Rounds</h2><table><tr><th>phase<th>round<th>time<th>sent<th>items<th>changed"
	      "<th>left</tr>\n", f);
	cJSON_ArrayForEach(r, rounds) {
		fprintf(f, "<tr><td>%s</td><td class='n'>%.0f</td><td class='n'>", str(r, "phase"),
			num(r, "number"));
		put_ms(f, num(r, "ms"));
		fputs("</td><td class='n'>", f);
		put_bytes(f, num(r, "bytes"));
		fprintf(f, "</td><td class='n'>%.0f</td><td class='n'>", num(r, "items"));
		put_bytes(f, num(r, "dirty_bps"));
		fputs("/s</td><td class='n'>", f);
		put_bytes(f, num(r, "left_bytes"));
		fputs("</td></tr>\n", f);
	}
	fputs("</table>\n", f);
}

static void put_list(FILE *f, const cJSON *m, const char *list, const char *title,
		     const char *kind)
{
	const cJSON *items = cJSON_GetObjectItem(m, list), *i;

	if (!cJSON_GetArraySize(items))
		return;
	fprintf(f, "<h2>%s</h2><table>\n", title);
	cJSON_ArrayForEach(i, items) {
		fputs("<tr><td class='n dim'>", f);
		put_ms(f, num(i, "at_ms"));
		fputs("</td><td>", f);
		put_text(f, str(i, kind));
		fputs("</td><td>", f);
		put_text(f, has(i, "check") ? str(i, "check") : "");
		fputs(has(i, "check") ? ": " : "", f);
		put_text(f, str(i, "text"));
		if (has(i, "hint")) {
			fputs("<br><span class='dim'>", f);
			put_text(f, str(i, "hint"));
			fputs("</span>", f);
		}
		fputs("</td></tr>\n", f);
	}
	fputs("</table>\n", f);
}

static void put_outcome(FILE *f, const cJSON *m)
{
	const cJSON *end = cJSON_GetObjectItem(m, "finish"), *s = cJSON_GetObjectItem(m, "state");

	if (!end) {
		fputs("<p class='bad'>It did not come to an end.</p>\n", f);
	} else if (cJSON_IsTrue(cJSON_GetObjectItem(end, "ok"))) {
		fputs("<p class='ok'>Successful.</p>\n", f);
	} else {
		fprintf(f, "<p class='bad'>Failed (exit code %.0f): ", num(end, "exit"));
		put_text(f, str(end, "message"));
		fputs("<br>", f);
		put_text(f, str(end, "hint"));
		fputs("</p>\n", f);
	}
	if (!s)
		return;
	fputs("<p>Now: ", f);
	put_text(f, str(s, "source_state"));
	fputs(" on ", f);
	put_text(f, str(s, "source"));
	fputs(", ", f);
	put_text(f, str(s, "destination_state"));
	fputs(" on ", f);
	put_text(f, str(s, "destination"));
	fputs(".</p>\n", f);
}

char *report_html(const cJSON *all)
{
	const cJSON *m;
	char *html = NULL;
	size_t len;
	FILE *f = xmust(open_memstream(&html, &len));

	fprintf(f, "<!DOCTYPE html><html lang='en'><head><meta charset='utf-8'>"
		   "<meta name='viewport' content='width=device-width'><title>pmigrate</title>"
		   "<style>%s</style></head><body>\n", style);
	cJSON_ArrayForEach(m, cJSON_GetObjectItem(all, "migrations")) {
		fputs("<h1>Container ", f);
		put_text(f, str(m, "container"));
		fputs(": ", f);
		put_text(f, str(m, "source"));
		fputs(" &rarr; ", f);
		put_text(f, str(m, "destination"));
		fprintf(f, "</h1><p class='dim'>%s%s</p>\n", str(m, "time"),
			cJSON_IsTrue(cJSON_GetObjectItem(m, "dry_run")) ? ", dry run" : "");
		put_outcome(f, m);
		put_timeline(f, m);
		put_account(f, m);
		put_rounds(f, m);
		put_list(f, m, "findings", "Checks", "result");
		put_list(f, m, "notes", "Decisions", "event");
	}
	fputs("</body></html>\n", f);
	fclose(f);
	return html;
}

int report_write(const char *path, const cJSON *all, struct err *e)
{
	own_free char *html = report_html(all);

	return file_replace(AT_FDCWD, path, html, strlen(html), 0644, e);
}
