// SPDX-License-Identifier: MIT
/*
 * `pmigrate status`: the journals, read without owning them.  The progress of
 * a running migration stands in its journal's companion in the run directory
 * (move/live.h).
 */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/own.h"
#include "base/parse.h"
#include "commit/journal.h"
#include "engine/vz/kept.h"
#include "host/space.h"
#include "move/live.h"
#include "move/move.h"

struct teller {
	bool all, json;
	void (*say)(void *arg, const char *line);
	void *arg;
};

/* What the user can do about it; "" when nothing. */
static const char *advice(enum journal_role role, enum journal_state s, bool live)
{
	if (live || s == JOURNAL_DONE || s == JOURNAL_UNDONE)
		return "";
	if (role == ROLE_DEST && s == JOURNAL_READY)
		return "run `pmigrate recover` on its source";
	return "run `pmigrate recover`";
}

static void say_json(const struct teller *t, const struct journal *j, enum journal_role role,
		     bool live, const char *progress)
{
	cJSON *o = cJSON_CreateObject();
	const char *other = journal_get(j, role == ROLE_SOURCE ? "host" : "source");
	const char *ct = journal_get(j, "ct");
	own_free char *line = NULL;

	char time[32];

	clock_text(time, clock_real_ns());
	cJSON_AddStringToObject(o, "event", "migration");
	cJSON_AddStringToObject(o, "time", time);
	cJSON_AddStringToObject(o, "migration", journal_id(j));
	cJSON_AddStringToObject(o, "role", role == ROLE_SOURCE ? "source" : "destination");
	cJSON_AddStringToObject(o, "container", ct ? ct : "");
	cJSON_AddStringToObject(o, "other", other ? other : "localhost");
	cJSON_AddStringToObject(o, "state", journal_state_word(journal_get_state(j)));
	cJSON_AddBoolToObject(o, "running", live);
	cJSON_AddStringToObject(o, "progress", progress);
	cJSON_AddStringToObject(o, "advice", advice(role, journal_get_state(j), live));
	line = cJSON_PrintUnformatted(o);
	cJSON_Delete(o);
	if (line)
		t->say(t->arg, line);
}

static void say_one(const struct teller *t, const struct journal *j, enum journal_role role,
		    bool live)
{
	const char *other = journal_get(j, role == ROLE_SOURCE ? "host" : "source");
	const char *ct = journal_get(j, "ct");
	enum journal_state s = journal_get_state(j);
	own_free char *progress = live ? live_read(journal_id(j)) : NULL;
	own_free char *line = NULL;

	if (t->json) {
		say_json(t, j, role, live, progress ? progress : "");
		return;
	}
	line = xasprintf("%s  Container %s %s %s: %s%s%s%s%s", journal_id(j), ct ? ct : "?",
			 role == ROLE_SOURCE ? "to" : "from", other ? other : "localhost",
			 live ? "running" : journal_state_word(s), progress ? ", " : "",
			 progress ? progress : "", *advice(role, s, live) ? "; " : "",
			 advice(role, s, live));
	t->say(t->arg, line);
}

static int status_role(const struct teller *t, enum journal_role role, size_t *open, struct err *e)
{
	char **ids = NULL;

	if (journal_list(role, &ids, e) < 0)
		return -1;
	for (size_t i = 0; ids[i]; i++) {
		own_free char *id = ids[i];
		struct journal *j = NULL;
		struct err why = ERR_INIT;
		bool live, ended;

		if (journal_peek(id, role, &j, &live, &why) < 0) {
			own_free char *line = xasprintf("%s  cannot be read: %s", id, why.msg);

			/* Ended and pruned meanwhile is no news. */
			if (why.code != ERR_ABSENT) {
				*open += 1;
				if (!t->json)
					t->say(t->arg, line);
			}
			continue;
		}
		ended = journal_get_state(j) == JOURNAL_DONE || journal_get_state(j) == JOURNAL_UNDONE;
		*open += !live && !ended;
		if (t->all || live || !ended)
			say_one(t, j, role, live);
		journal_free(j);
	}
	free(ids);
	return 0;
}

/* What is left of Containers that moved away; how large takes a walk through each. */
static int status_kept(const struct teller *t, struct err *e)
{
	struct ct *all;
	size_t n;

	if (vz_kept_list(&all, &n, e) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		uint64_t bytes = 0, names;
		own_free char *line = NULL;
		char size[24];

		if (space_used(all[i].private_area, &bytes, &names, NULL) == 0)
			text_bytes(size, bytes);
		else
			snprintf(size, sizeof(size), "no area");
		line = xasprintf("%s  kept as %s (%s); remove it: pctl destroy %s", all[i].id, all[i].private_area, size,
				 all[i].id);
		t->say(t->arg, line);
		ct_fini(&all[i]);
	}
	free(all);
	return 0;
}

int status_run(bool all, bool json, void (*say)(void *arg, const char *line), void *arg, size_t *open,
	       struct err *e)
{
	const struct teller t = { all, json, say, arg };

	*open = 0;
	return status_role(&t, ROLE_SOURCE, open, e) < 0 || status_role(&t, ROLE_DEST, open, e) < 0 ||
			       (all && !json && status_kept(&t, e) < 0) ?
		       -1 :
		       0;
}
