// SPDX-License-Identifier: MIT
/* JSON objects of another pmigrate -> our events.  They are somebody else's bytes. */
#include <math.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/log.h"
#include "base/own.h"
#include "pmigrate/relay.h"

static double real_of(const cJSON *o, const char *name)
{
	const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, name);

	return cJSON_IsNumber(v) && isfinite(v->valuedouble) && v->valuedouble > 0 ?
		       v->valuedouble :
		       0;
}

static uint64_t count_of(const cJSON *o, const char *name)
{
	double v = real_of(o, name);

	return v < 9e15 ? (uint64_t)v : 0;
}

static const char *text_of(const cJSON *o, const char *name)
{
	const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, name);

	return cJSON_IsString(v) ? v->valuestring : NULL;
}

static const char *text_or(const cJSON *o, const char *name, const char *other)
{
	const char *text = text_of(o, name);

	return text ? text : other;
}

static bool yes(const cJSON *o, const char *name)
{
	return cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(o, name));
}

static bool phase_of(const cJSON *o, enum phase *p)
{
	const char *word = text_or(o, "phase", "");

	for (int i = 0; i < PHASE_MAX; i++) {
		if (!strcmp(word, phase_word((enum phase)i))) {
			*p = (enum phase)i;
			return true;
		}
	}
	return false;
}

static void tell_phase(const cJSON *o, struct events *ev)
{
	const char *state = text_or(o, "state", "");
	const char *detail = text_of(o, "detail");
	enum phase p;

	if (!phase_of(o, &p))
		return;
	if (strcmp(state, "begin"))
		event_phase_end(ev, p, !strcmp(state, "done"));
	else if (detail)
		event_phase_begin(ev, p, "%s", detail);
	else
		event_phase_begin(ev, p, NULL);
}

static void tell_progress(const cJSON *o, struct events *ev)
{
	atomic_store(&ev->progress.bytes, count_of(o, "bytes"));
	atomic_store(&ev->progress.bytes_total, count_of(o, "bytes_total"));
	atomic_store(&ev->progress.wire_bytes, count_of(o, "wire_bytes"));
	atomic_store(&ev->progress.items, count_of(o, "items"));
	atomic_store(&ev->progress.items_total, count_of(o, "items_total"));
}

static void tell_round(const cJSON *o, struct events *ev)
{
	struct event_round r = { .number = (unsigned)(count_of(o, "number") & 0xffffff),
				 .ms = real_of(o, "ms"),
				 .bytes = count_of(o, "bytes"),
				 .items = count_of(o, "items"),
				 .dirty_bps = real_of(o, "dirty_bps"),
				 .left_bytes = count_of(o, "left_bytes") };

	if (phase_of(o, &r.phase))
		event_round(ev, &r);
}

static enum err_code code_of(const char *word)
{
	for (int c = ERR_NONE + 1; c < ERR_CODE_MAX; c++) {
		if (!strcmp(word, err_code_word((enum err_code)c)))
			return (enum err_code)c;
	}
	return ERR_SYS;
}

static void tell_finding(const cJSON *o, struct events *ev)
{
	static const char *const results[] = { "pass", "note", "bypassed", "fail" };
	const char *result = text_or(o, "result", "");
	own_free char *text = xstrdup(text_or(o, "text", ""));
	own_free char *hint = text_of(o, "hint") ? xstrdup(text_of(o, "hint")) : NULL;
	struct finding f = { .word = text_or(o, "check", "unknown"),
			     .level = FINDING_NOTE,
			     .nostart = yes(o, "nostart"),
			     .text = text,
			     .hint = hint };

	for (int i = 0; i < (int)array_len(results); i++) {
		if (!strcmp(result, results[i]))
			f.level = (enum finding_level)i;
	}
	f.code = f.level >= FINDING_BYPASSED ? code_of(text_or(o, "error", "")) : ERR_NONE;
	event_finding(ev, &f);
}

static void tell_prediction(const cJSON *o, struct events *ev)
{
	struct prediction p = { .bytes = count_of(o, "bytes"),
				.total_ms = real_of(o, "total_ms"),
				.has_downtime = cJSON_HasObjectItem(o, "downtime_ms"),
				.downtime_ms = real_of(o, "downtime_ms"),
				.rounds = (unsigned)(count_of(o, "rounds") & 0xffff),
				.converges = yes(o, "converges"),
				.fits = yes(o, "fits"),
				.link_known = cJSON_HasObjectItem(o, "link_bps"),
				.link_bps = real_of(o, "link_bps"),
				.change_bps = real_of(o, "change_bps"),
				.dirty_bps = real_of(o, "dirty_bps") };

	event_prediction(ev, &p);
}

static void tell_account(const cJSON *o, struct events *ev)
{
	struct account a = { .wire_bytes = count_of(o, "wire_bytes"),
			     .file_bytes = count_of(o, "file_bytes"),
			     .files = count_of(o, "files"),
			     .files_last = count_of(o, "files_last"),
			     .memory_bytes = count_of(o, "memory_bytes"),
			     .lazy_pages = count_of(o, "lazy_pages"),
			     .rounds = (unsigned)(count_of(o, "rounds") & 0xffff),
			     .dirty_bps = real_of(o, "dirty_bps"),
			     .stop_ms = real_of(o, "stop_ms"),
			     .total_ms = real_of(o, "total_ms"),
			     .has_downtime = cJSON_HasObjectItem(o, "downtime_ms"),
			     .downtime_ms = real_of(o, "downtime_ms"),
			     .mode = text_of(o, "mode"),
			     .note = text_of(o, "note") };
	const cJSON *part;

	cJSON_ArrayForEach(part, cJSON_GetObjectItemCaseSensitive(o, "downtime_parts"))
		account_add_part(&a, text_or(part, "name", "?"), real_of(part, "ms"));
	event_account(ev, &a);
}

static void tell_state(const cJSON *o, struct events *ev)
{
	const struct final_state s = {
		.id = text_or(o, "id", "?"),
		.name = text_of(o, "name"),
		.source = text_or(o, "source", "?"),
		.source_state = text_or(o, "source_state", "unknown"),
		.destination = text_or(o, "destination", "?"),
		.destination_state = text_or(o, "destination_state", "unknown"),
		.destination_id = text_of(o, "destination_id"),
		.undecided = yes(o, "undecided"),
		.migration_id = text_of(o, "migration"),
		.kept = text_of(o, "kept_id") ? text_of(o, "kept") : NULL,
		.kept_id = text_of(o, "kept_id"),
		.kept_bytes = count_of(o, "kept_bytes"),
	};

	event_state(ev, &s);
}

static void tell_log(const cJSON *o)
{
	const char *level = text_or(o, "level", "");
	const char *text = text_or(o, "text", "");

	if (!strcmp(level, "error") || !strcmp(level, "warning"))
		log_warn("%s", text);
	else
		log_debug("%s", text);
}

static void tell_finish(const cJSON *o, struct events *ev, struct err *e)
{
	if (yes(o, "ok")) {
		event_finish(ev, NULL, NULL);
		return;
	}
	err_set(e, code_of(text_or(o, "error", "")), "%s", text_or(o, "message", "it failed"));
	err_hint(e, "%s", text_or(o, "hint", ""));
	event_finish(ev, e, text_of(o, "server"));
}

void relay_tell(const char *line, const struct job *j, struct events *ev, bool *done,
		struct err *e)
{
	cJSON *o = cJSON_Parse(line);
	const char *kind = o ? text_or(o, "event", "") : "";

	if (!strcmp(kind, "begin"))
		event_begin(ev, j, text_or(o, "container", "?"), text_or(o, "source", "?"),
			    text_or(o, "destination", "?"));
	else if (!strcmp(kind, "phase"))
		tell_phase(o, ev);
	else if (!strcmp(kind, "progress"))
		tell_progress(o, ev);
	else if (!strcmp(kind, "round"))
		tell_round(o, ev);
	else if (!strcmp(kind, "decision"))
		event_decision(ev, "%s", text_or(o, "text", ""));
	else if (!strcmp(kind, "warning"))
		event_warning(ev, "%s", text_or(o, "text", ""));
	else if (!strcmp(kind, "finding"))
		tell_finding(o, ev);
	else if (!strcmp(kind, "prediction"))
		tell_prediction(o, ev);
	else if (!strcmp(kind, "account"))
		tell_account(o, ev);
	else if (!strcmp(kind, "state"))
		tell_state(o, ev);
	else if (!strcmp(kind, "log"))
		tell_log(o);
	else if (!strcmp(kind, "finish") && !*done) {
		*done = true;
		tell_finish(o, ev, e);
	}
	cJSON_Delete(o);
}
