/* SPDX-License-Identifier: MIT */
/*
 * pmigrate/event_json.h - events as JSON objects: --batch, --stats and --report are
 * made of them, and another server's pmigrate tells ours by them.
 *
 * doc/batch-schema.json is the contract; members are only ever added.  Every
 * builder returns an object that is the caller's (cJSON_Delete).  Texts that
 * are no UTF-8 are mended.
 */
#ifndef PMIGRATE_EVENT_JSON_H
#define PMIGRATE_EVENT_JSON_H

#include <cjson/cJSON.h>

#include "base/log.h"
#include "plan/event.h"

enum { EVENT_JSON_VERSION = 1 };

cJSON *event_json_begin(const char *container, const char *source, const char *destination,
			bool dry_run, bool online);
/* state: "begin", "done", "failed"; ms < 0 is left out. */
cJSON *event_json_phase(enum phase p, const char *state, const char *detail, double ms);
cJSON *event_json_progress(enum phase p, const struct progress *now, double bps);
cJSON *event_json_round(const struct event_round *r);
/* what: "decision", "warning" */
cJSON *event_json_text(const char *what, const char *text);
cJSON *event_json_log(enum log_level level, const char *text);
cJSON *event_json_finding(const struct finding *f);
cJSON *event_json_prediction(const struct prediction *p);
cJSON *event_json_account(const struct account *a);
cJSON *event_json_state(const struct final_state *s);
cJSON *event_json_finish(const struct err *why, const char *server);

/* A text in an object; NULL adds nothing. */
void event_json_add_text(cJSON *o, const char *name, const char *text);

#endif
