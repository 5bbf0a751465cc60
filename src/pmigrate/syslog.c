// SPDX-License-Identifier: MIT
/* Everything also to syslog(3): ident pmigrate, with the pid. */
#include <syslog.h>

#include <stdio.h>
#include <string.h>

#include "base/own.h"
#include "base/parse.h"
#include "pmigrate/watch.h"

struct diary {
	char container[300];
};

static void log_begin(void *arg, const struct job *job, const char *container,
		      const char *source, const char *destination)
{
	struct diary *j = arg;

	snprintf(j->container, sizeof(j->container), "%s", container);
	syslog(LOG_INFO, "%s: %s from %s to %s%s", container,
	       job && job->dry_run ? "dry run" : "migration", source, destination,
	       job && job->online ? ", online" : "");
}

static void log_phase_begin(void *arg, enum phase p, const char *detail)
{
	const struct diary *j = arg;

	syslog(LOG_INFO, "%s: %s%s%s", j->container, phase_text(p), detail ? ": " : "",
	       detail ? detail : "");
}

static void log_phase_end(void *arg, enum phase p, bool ok)
{
	const struct diary *j = arg;

	if (!ok)
		syslog(LOG_ERR, "%s: %s: failed", j->container, phase_text(p));
}

static void log_decision(void *arg, const char *text)
{
	const struct diary *j = arg;

	syslog(LOG_INFO, "%s: %s", j->container, text);
}

static void log_warning_event(void *arg, const char *text)
{
	const struct diary *j = arg;

	syslog(LOG_WARNING, "%s: %s", j->container, text);
}

static void log_finding(void *arg, const struct finding *f)
{
	static const struct {
		int level;
		const char *text;
	} kinds[] = { { LOG_DEBUG, "passed" },
		      { LOG_NOTICE, "note" },
		      { LOG_WARNING, "bypassed" },
		      { LOG_ERR, "failed" } };
	const struct diary *j = arg;

	syslog(kinds[f->level].level, "%s: check %s %s: %s", j->container, f->word,
	       kinds[f->level].text, f->text);
}

static void log_account(void *arg, const struct account *a)
{
	const struct diary *j = arg;
	char bytes[24], total[24], down[24];

	text_bytes(bytes, a->wire_bytes);
	text_ms(total, a->total_ms);
	text_ms(down, a->downtime_ms);
	syslog(LOG_INFO, "%s: %s, %s, downtime %s", j->container, bytes, total,
	       a->has_downtime ? down : "none");
}

static void log_state(void *arg, const struct final_state *s)
{
	const struct diary *j = arg;

	syslog(LOG_INFO, "%s: %s on %s, %s on %s", j->container, s->source_state, s->source,
	       s->destination_state, s->destination);
}

static void log_finish(void *arg, const struct err *why, const char *server)
{
	const struct diary *j = arg;

	if (!why)
		syslog(LOG_INFO, "%s: done", j->container);
	else
		syslog(LOG_ERR, "%s: %s%s%s", j->container, server ? server : "",
		       server ? ": " : "", why->msg);
}

static void log_log(void *arg, enum log_level level, const char *line)
{
	static const int levels[] = { LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

	(void)arg;
	syslog(levels[level <= LOG_LVL_DEBUG ? level : LOG_LVL_DEBUG], "%s", line);
}

static void log_error(void *arg, const struct err *e)
{
	(void)arg;
	syslog(LOG_ERR, "%s", e->msg);
}

static int log_close(void *arg, struct err *e)
{
	(void)e;
	free(arg);
	closelog();
	return 0;
}

static const struct event_ops log_ops = {
	.begin = log_begin,
	.phase_begin = log_phase_begin,
	.phase_end = log_phase_end,
	.decision = log_decision,
	.warning = log_warning_event,
	.finding = log_finding,
	.account = log_account,
	.state = log_state,
	.finish = log_finish,
};

struct watcher syslog_new(void)
{
	openlog("pmigrate", LOG_PID, LOG_USER);
	return (struct watcher){ .ops = &log_ops,
				 .log = log_log,
				 .error = log_error,
				 .close = log_close,
				 .arg = xcalloc(1, sizeof(struct diary)) };
}
