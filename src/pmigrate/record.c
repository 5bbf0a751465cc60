// SPDX-License-Identifier: MIT
/* Keeps what happened, for --stats and --report. */
#include <fcntl.h>
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/own.h"
#include "pmigrate/event_json.h"
#include "pmigrate/report.h"
#include "pmigrate/watch.h"

enum { ITEMS_MAX = 10000 };

struct record {
	const char *report, *stats; /* borrowed, or NULL */
	cJSON *all;		    /* { version, migrations: [ now, … ] } */
	cJSON *now;		    /* borrowed from all, or NULL */
	uint64_t begun_ns;
	cJSON *phase;		    /* the one that runs; borrowed */
	uint64_t phase_ns;
};

static double since_ms(uint64_t then_ns)
{
	return round((double)(clock_ns() - then_ns) / 1e3) / 1e3;
}

/* Adds an event to the list `name` of this migration; frees it when there is none. */
static void add_to(struct record *r, const char *name, cJSON *o)
{
	cJSON *list = r->now ? cJSON_GetObjectItem(r->now, name) : NULL;

	if (!list || cJSON_GetArraySize(list) >= ITEMS_MAX) {
		cJSON_Delete(o);
		return;
	}
	cJSON_AddNumberToObject(o, "at_ms", since_ms(r->begun_ns));
	cJSON_AddItemToArray(list, o);
}

static void set(struct record *r, const char *name, cJSON *o)
{
	if (!r->now) {
		cJSON_Delete(o);
		return;
	}
	cJSON_DeleteItemFromObject(r->now, name);
	cJSON_AddItemToObject(r->now, name, o);
}

static void record_begin(void *arg, const struct job *job, const char *container,
			 const char *source, const char *destination)
{
	static const char *const lists[] = { "phases", "rounds", "findings", "notes" };
	struct record *r = arg;
	char time[32];

	r->begun_ns = clock_ns();
	r->now = event_json_begin(container, source, destination, job && job->dry_run,
				  job && job->online);
	clock_text(time, clock_real_ns());
	cJSON_AddStringToObject(r->now, "time", time);
	for (size_t i = 0; i < array_len(lists); i++)
		cJSON_AddArrayToObject(r->now, lists[i]);
	cJSON_AddItemToArray(cJSON_GetObjectItem(r->all, "migrations"), r->now);
}

static void record_phase_begin(void *arg, enum phase p, const char *detail)
{
	struct record *r = arg;

	r->phase = event_json_phase(p, "begin", detail, -1);
	r->phase_ns = clock_ns();
	add_to(r, "phases", r->phase);
	if (!r->now)
		r->phase = NULL;
}

static void record_phase_end(void *arg, enum phase p, bool ok)
{
	struct record *r = arg;

	(void)p;
	if (!r->phase)
		return;
	cJSON_ReplaceItemInObject(r->phase, "state", cJSON_CreateString(ok ? "done" : "failed"));
	cJSON_AddNumberToObject(r->phase, "ms", since_ms(r->phase_ns));
	r->phase = NULL;
}

static void record_round(void *arg, const struct event_round *round)
{
	add_to(arg, "rounds", event_json_round(round));
}

static void record_decision(void *arg, const char *text)
{
	add_to(arg, "notes", event_json_text("decision", text));
}

static void record_warning(void *arg, const char *text)
{
	add_to(arg, "notes", event_json_text("warning", text));
}

static void record_finding(void *arg, const struct finding *f)
{
	add_to(arg, "findings", event_json_finding(f));
}

static void record_prediction(void *arg, const struct prediction *p)
{
	set(arg, "prediction", event_json_prediction(p));
}

static void record_account(void *arg, const struct account *a)
{
	set(arg, "account", event_json_account(a));
}

static void record_state(void *arg, const struct final_state *s)
{
	set(arg, "state", event_json_state(s));
}

static void record_finish(void *arg, const struct err *why, const char *server)
{
	struct record *r = arg;

	set(r, "finish", event_json_finish(why, server));
	if (r->now)
		cJSON_AddNumberToObject(r->now, "total_ms", since_ms(r->begun_ns));
	r->now = NULL;
	r->phase = NULL;
}

static int record_close(void *arg, struct err *e)
{
	struct record *r = arg;
	int result = 0;

	if (r->stats) {
		own_free char *text = cJSON_Print(r->all);

		if (file_replace(AT_FDCWD, r->stats, text, strlen(text), 0644, e) < 0)
			result = -1;
	}
	if (result == 0 && r->report)
		result = report_write(r->report, r->all, e);
	cJSON_Delete(r->all);
	free(r);
	return result;
}

static const struct event_ops record_ops = {
	.begin = record_begin,
	.phase_begin = record_phase_begin,
	.phase_end = record_phase_end,
	.round = record_round,
	.decision = record_decision,
	.warning = record_warning,
	.finding = record_finding,
	.prediction = record_prediction,
	.account = record_account,
	.state = record_state,
	.finish = record_finish,
};

struct watcher record_new(const struct out_opts *o)
{
	struct watcher w = { .ops = &record_ops, .close = record_close };
	cJSON *all = xmust(cJSON_CreateObject());
	struct record *r;

	cJSON_AddNumberToObject(all, "version", EVENT_JSON_VERSION);
	cJSON_AddArrayToObject(all, "migrations");
	w.arg = r = xcalloc(1, sizeof(*r));
	*r = (struct record){ .report = o->report, .stats = o->stats, .all = all };
	return w;
}
