// SPDX-License-Identifier: MIT
/* --batch: one JSON object a line, each written whole and at once. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/own.h"
#include "pmigrate/event_json.h"
#include "pmigrate/watch.h"

enum { TICKS_PER_LINE = 4 };

struct batch {
	FILE *to;
	bool verbose;
	char *container; /* of the migration that runs, or NULL */
	uint64_t begun_ns, phase_ns;
	enum phase phase;
	bool in_phase;
	unsigned ticks;
	uint64_t last_bytes, last_ns;
};

static double since_ms(uint64_t then_ns)
{
	return (double)(clock_ns() - then_ns) / 1e6;
}

/* Adds when and whose it is, writes it, frees it. */
static void put(struct batch *b, cJSON *o)
{
	own_free char *line = NULL;
	uint64_t now = clock_real_ns();
	char time[32], stamp[48];

	clock_text(time, now);
	time[19] = '\0'; /* the Z follows the milliseconds */
	snprintf(stamp, sizeof(stamp), "%s.%03uZ", time, (unsigned)(now / 1000000 % 1000));
	cJSON_AddStringToObject(o, "time", stamp);
	if (b->begun_ns)
		cJSON_AddNumberToObject(o, "at_ms", (double)(uint64_t)since_ms(b->begun_ns));
	if (b->container && !cJSON_HasObjectItem(o, "container"))
		event_json_add_text(o, "container", b->container);
	line = cJSON_PrintUnformatted(o);
	if (line)
		fprintf(b->to, "%s\n", line);
	fflush(b->to);
	cJSON_Delete(o);
}

static void batch_begin(void *arg, const struct job *job, const char *container,
			const char *source, const char *destination)
{
	struct batch *b = arg;

	free(b->container);
	b->container = xstrdup(container);
	b->begun_ns = clock_ns();
	put(b, event_json_begin(container, source, destination, job && job->dry_run,
				job && job->online));
}

static void batch_phase_begin(void *arg, enum phase p, const char *detail)
{
	struct batch *b = arg;

	b->phase = p;
	b->in_phase = true;
	b->phase_ns = b->last_ns = clock_ns();
	b->last_bytes = 0;
	b->ticks = 0;
	put(b, event_json_phase(p, "begin", detail, -1));
}

static void batch_phase_end(void *arg, enum phase p, bool ok)
{
	struct batch *b = arg;

	b->in_phase = false;
	put(b, event_json_phase(p, ok ? "done" : "failed", NULL, since_ms(b->phase_ns)));
}

static void batch_tick(void *arg, const struct progress *now)
{
	struct batch *b = arg;
	uint64_t bytes = atomic_load(&now->bytes);
	double s = since_ms(b->last_ns) / 1000;

	if (!b->in_phase || (!bytes && !atomic_load(&now->items)) ||
	    ++b->ticks % TICKS_PER_LINE)
		return;
	put(b, event_json_progress(b->phase, now,
				   s > 0 && bytes > b->last_bytes ?
					   (double)(bytes - b->last_bytes) / s :
					   0));
	b->last_bytes = bytes;
	b->last_ns = clock_ns();
}

static void batch_round(void *arg, const struct event_round *r)
{
	put(arg, event_json_round(r));
}

static void batch_decision(void *arg, const char *text)
{
	put(arg, event_json_text("decision", text));
}

static void batch_warning(void *arg, const char *text)
{
	put(arg, event_json_text("warning", text));
}

static void batch_finding(void *arg, const struct finding *f)
{
	put(arg, event_json_finding(f));
}

static void batch_prediction(void *arg, const struct prediction *p)
{
	put(arg, event_json_prediction(p));
}

static void batch_account(void *arg, const struct account *a)
{
	put(arg, event_json_account(a));
}

static void batch_state(void *arg, const struct final_state *s)
{
	put(arg, event_json_state(s));
}

static void batch_finish(void *arg, const struct err *why, const char *server)
{
	struct batch *b = arg;

	b->in_phase = false;
	put(b, event_json_finish(why, server));
	b->begun_ns = 0;
	free(take_ptr(&b->container));
}

static void batch_log(void *arg, enum log_level level, const char *line)
{
	struct batch *b = arg;

	if (b->verbose || level <= LOG_LVL_WARN)
		put(b, event_json_log(level, line));
}

static void batch_error(void *arg, const struct err *e)
{
	put(arg, event_json_finish(e, NULL));
}

static int batch_close(void *arg, struct err *e)
{
	struct batch *b = arg;
	FILE *to = b->to;

	free(b->container);
	free(b);
	if (fflush(to) != 0 || ferror(to))
		return err_set(e, ERR_SYS, "cannot write to standard output");
	return 0;
}

static const struct event_ops batch_ops = {
	.begin = batch_begin,
	.phase_begin = batch_phase_begin,
	.phase_end = batch_phase_end,
	.round = batch_round,
	.decision = batch_decision,
	.warning = batch_warning,
	.finding = batch_finding,
	.prediction = batch_prediction,
	.account = batch_account,
	.state = batch_state,
	.finish = batch_finish,
};

struct watcher batch_new(const struct out_opts *o)
{
	struct batch *b = xcalloc(1, sizeof(*b));

	b->to = o->to;
	b->verbose = o->verbose;
	return (struct watcher){ .ops = &batch_ops,
				 .tick = batch_tick,
				 .log = batch_log,
				 .error = batch_error,
				 .close = batch_close,
				 .arg = b };
}
