// SPDX-License-Identifier: MIT
#include "pmigrate/event_json.h"

#include <math.h>
#include <string.h>

#include "base/exit.h"
#include "base/own.h"

/* How many bytes the UTF-8 character at p has; 0 when it is none. */
static size_t utf8_len(const unsigned char *p)
{
	size_t n = p[0] < 0x80 ? 1 : p[0] >= 0xc2 && p[0] < 0xe0 ? 2 :
		   (p[0] & 0xf0) == 0xe0			? 3 :
		   p[0] >= 0xf0 && p[0] < 0xf5			? 4 :
								  0;

	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	}
	if (n == 3 && ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] >= 0xa0)))
		return 0;
	if (n == 4 && ((p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] >= 0x90)))
		return 0;
	return n;
}

void event_json_add_text(cJSON *o, const char *name, const char *text)
{
	own_free char *clean = NULL;
	char *to;

	if (!text)
		return;
	to = clean = xmalloc(strlen(text) + 1);
	for (const unsigned char *p = (const unsigned char *)text; *p;) {
		size_t n = utf8_len(p);

		if (n) {
			memcpy(to, p, n);
			to += n;
			p += n;
		} else {
			*to++ = '?';
			p++;
		}
	}
	*to = '\0';
	cJSON_AddStringToObject(o, name, clean);
}

/* Numbers of bytes and names: whole. */
static void add_count(cJSON *o, const char *name, uint64_t n)
{
	cJSON_AddNumberToObject(o, name, (double)n);
}

/* Times and rates: three decimals are enough for anybody. */
static void add_real(cJSON *o, const char *name, double v)
{
	cJSON_AddNumberToObject(o, name, isfinite(v) ? round(v * 1000) / 1000 : 0);
}

static cJSON *new_event(const char *kind)
{
	cJSON *o = xmust(cJSON_CreateObject());

	cJSON_AddStringToObject(o, "event", kind);
	return o;
}

cJSON *event_json_begin(const char *container, const char *source, const char *destination,
			bool dry_run, bool online)
{
	cJSON *o = new_event("begin");

	add_count(o, "version", EVENT_JSON_VERSION);
	event_json_add_text(o, "container", container);
	event_json_add_text(o, "source", source);
	event_json_add_text(o, "destination", destination);
	cJSON_AddBoolToObject(o, "dry_run", dry_run);
	cJSON_AddBoolToObject(o, "online", online);
	return o;
}

cJSON *event_json_phase(enum phase p, const char *state, const char *detail, double ms)
{
	cJSON *o = new_event("phase");

	cJSON_AddStringToObject(o, "phase", phase_word(p));
	cJSON_AddStringToObject(o, "state", state);
	event_json_add_text(o, "detail", detail);
	if (ms >= 0)
		add_real(o, "ms", ms);
	return o;
}

cJSON *event_json_progress(enum phase p, const struct progress *now, double bps)
{
	cJSON *o = new_event("progress");

	cJSON_AddStringToObject(o, "phase", phase_word(p));
	add_count(o, "bytes", atomic_load(&now->bytes));
	add_count(o, "bytes_total", atomic_load(&now->bytes_total));
	add_count(o, "wire_bytes", atomic_load(&now->wire_bytes));
	add_count(o, "items", atomic_load(&now->items));
	add_count(o, "items_total", atomic_load(&now->items_total));
	add_real(o, "bps", bps);
	return o;
}

cJSON *event_json_round(const struct event_round *r)
{
	cJSON *o = new_event("round");

	cJSON_AddStringToObject(o, "phase", phase_word(r->phase));
	add_count(o, "number", r->number);
	add_real(o, "ms", r->ms);
	add_count(o, "bytes", r->bytes);
	add_count(o, "items", r->items);
	add_real(o, "dirty_bps", r->dirty_bps);
	add_count(o, "left_bytes", r->left_bytes);
	return o;
}

cJSON *event_json_text(const char *what, const char *text)
{
	cJSON *o = new_event(what);

	event_json_add_text(o, "text", text);
	return o;
}

cJSON *event_json_log(enum log_level level, const char *text)
{
	static const char *const words[] = { "error", "warning", "info", "debug" };
	cJSON *o = new_event("log");

	cJSON_AddStringToObject(o, "level", words[level <= LOG_LVL_DEBUG ? level : LOG_LVL_DEBUG]);
	event_json_add_text(o, "text", text);
	return o;
}

cJSON *event_json_finding(const struct finding *f)
{
	static const char *const results[] = { "pass", "note", "bypassed", "fail" };
	cJSON *o = new_event("finding");

	cJSON_AddStringToObject(o, "check", f->word);
	cJSON_AddStringToObject(o, "result", results[f->level]);
	if (f->code != ERR_NONE) {
		cJSON_AddStringToObject(o, "error", err_code_word(f->code));
		add_count(o, "exit", exit_code_of(f->code));
	}
	if (f->level == FINDING_BYPASSED)
		cJSON_AddBoolToObject(o, "nostart", f->nostart);
	event_json_add_text(o, "text", f->text);
	event_json_add_text(o, "hint", f->hint);
	return o;
}

cJSON *event_json_prediction(const struct prediction *p)
{
	cJSON *o = new_event("prediction");

	add_count(o, "bytes", p->bytes);
	if (p->link_known) {
		add_real(o, "total_ms", p->total_ms);
		add_real(o, "link_bps", p->link_bps);
		if (p->has_downtime)
			add_real(o, "downtime_ms", p->downtime_ms);
	}
	add_count(o, "rounds", p->rounds);
	cJSON_AddBoolToObject(o, "converges", p->converges);
	cJSON_AddBoolToObject(o, "fits", p->fits);
	add_real(o, "change_bps", p->change_bps);
	add_real(o, "dirty_bps", p->dirty_bps);
	return o;
}

cJSON *event_json_account(const struct account *a)
{
	cJSON *o = new_event("account"), *parts;

	event_json_add_text(o, "mode", a->mode);
	add_real(o, "total_ms", a->total_ms);
	add_count(o, "wire_bytes", a->wire_bytes);
	add_count(o, "file_bytes", a->file_bytes);
	add_count(o, "files", a->files);
	add_count(o, "files_last", a->files_last);
	add_count(o, "memory_bytes", a->memory_bytes);
	add_count(o, "lazy_pages", a->lazy_pages);
	add_count(o, "rounds", a->rounds);
	add_real(o, "dirty_bps", a->dirty_bps);
	if (a->stop_ms > 0)
		add_real(o, "stop_ms", a->stop_ms);
	if (a->has_downtime) {
		add_real(o, "downtime_ms", a->downtime_ms);
		parts = cJSON_AddArrayToObject(o, "downtime_parts");
		for (size_t i = 0; i < a->n_parts; i++) {
			cJSON *part = xmust(cJSON_CreateObject());

			event_json_add_text(part, "name", a->part[i].name);
			add_real(part, "ms", a->part[i].ms);
			cJSON_AddItemToArray(parts, part);
		}
	}
	event_json_add_text(o, "note", a->note);
	return o;
}

cJSON *event_json_state(const struct final_state *s)
{
	cJSON *o = new_event("state");

	event_json_add_text(o, "id", s->id);
	event_json_add_text(o, "name", s->name);
	event_json_add_text(o, "source", s->source);
	event_json_add_text(o, "source_state", s->source_state);
	event_json_add_text(o, "destination", s->destination);
	event_json_add_text(o, "destination_state", s->destination_state);
	event_json_add_text(o, "destination_id", s->destination_id);
	cJSON_AddBoolToObject(o, "undecided", s->undecided);
	event_json_add_text(o, "migration", s->migration_id);
	event_json_add_text(o, "kept", s->kept);
	event_json_add_text(o, "kept_id", s->kept_id);
	if (s->kept)
		add_count(o, "kept_bytes", s->kept_bytes);
	return o;
}

cJSON *event_json_finish(const struct err *why, const char *server)
{
	cJSON *o = new_event("finish");

	cJSON_AddBoolToObject(o, "ok", why == NULL);
	add_count(o, "exit", why ? exit_code_of(why->code) : EXIT_OK);
	if (!why)
		return o;
	cJSON_AddStringToObject(o, "error", err_code_word(why->code));
	event_json_add_text(o, "message", why->msg);
	event_json_add_text(o, "hint", why->hint[0] ? why->hint : NULL);
	event_json_add_text(o, "server", server);
	return o;
}
