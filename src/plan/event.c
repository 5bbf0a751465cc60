// SPDX-License-Identifier: MIT
#include "plan/event.h"

#include <stdarg.h>
#include <stdio.h>


enum { LINE_MAX_LEN = 1024 };

static const struct {
	const char *word, *text;
} phases[PHASE_MAX] = {
	[PHASE_CHECK] = { "check", "Checking" },
	[PHASE_COPY] = { "copy", "Copying files" },
	[PHASE_RECOPY] = { "recopy", "Copying changed files" },
	[PHASE_MEMORY] = { "memory", "Copying memory" },
	[PHASE_STOP] = { "stop", "Stopping" },
	[PHASE_FREEZE] = { "freeze", "Freezing" },
	[PHASE_LAST] = { "last", "Copying last changes" },
	[PHASE_HOLD] = { "hold", "Preparing there" },
	[PHASE_START] = { "start", "Letting it run there" },
	[PHASE_LAZY] = { "lazy", "Fetching the rest" },
	[PHASE_RETIRE] = { "retire", "Retiring the source" },
	[PHASE_UNDO] = { "undo", "Putting it all back" },
};

const char *phase_word(enum phase p)
{
	return p < PHASE_MAX ? phases[p].word : "unknown";
}

const char *phase_text(enum phase p)
{
	return p < PHASE_MAX ? phases[p].text : "Working";
}

#define wants(ev, member) ((ev) && (ev)->ops && (ev)->ops->member)

void event_begin(struct events *ev, const struct job *job, const char *container,
		 const char *source, const char *destination)
{
	if (wants(ev, begin))
		ev->ops->begin(ev->arg, job, container, source, destination);
}

static void progress_clear(struct progress *p)
{
	atomic_store(&p->bytes, 0);
	atomic_store(&p->bytes_total, 0);
	atomic_store(&p->wire_bytes, 0);
	atomic_store(&p->items, 0);
	atomic_store(&p->items_total, 0);
}

void event_phase_begin(struct events *ev, enum phase p, const char *fmt, ...)
{
	char detail[LINE_MAX_LEN];
	va_list ap;

	if (ev)
		progress_clear(&ev->progress);
	if (!wants(ev, phase_begin))
		return;
	if (fmt) {
		va_start(ap, fmt);
		vsnprintf(detail, sizeof(detail), fmt, ap);
		va_end(ap);
	}
	ev->ops->phase_begin(ev->arg, p, fmt ? detail : NULL);
}

void event_phase_end(struct events *ev, enum phase p, bool ok)
{
	if (wants(ev, phase_end))
		ev->ops->phase_end(ev->arg, p, ok);
}

void event_round(struct events *ev, const struct event_round *r)
{
	if (wants(ev, round))
		ev->ops->round(ev->arg, r);
}

void event_decision(struct events *ev, const char *fmt, ...)
{
	char line[LINE_MAX_LEN];
	va_list ap;

	if (!wants(ev, decision))
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	ev->ops->decision(ev->arg, line);
}

void event_warning(struct events *ev, const char *fmt, ...)
{
	char line[LINE_MAX_LEN];
	va_list ap;

	if (!wants(ev, warning))
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	ev->ops->warning(ev->arg, line);
}

void event_finding(struct events *ev, const struct finding *f)
{
	if (wants(ev, finding))
		ev->ops->finding(ev->arg, f);
}

void event_prediction(struct events *ev, const struct prediction *p)
{
	if (wants(ev, prediction))
		ev->ops->prediction(ev->arg, p);
}

void event_account(struct events *ev, const struct account *a)
{
	if (wants(ev, account))
		ev->ops->account(ev->arg, a);
}

void event_state(struct events *ev, const struct final_state *s)
{
	if (wants(ev, state))
		ev->ops->state(ev->arg, s);
}

void event_finish(struct events *ev, const struct err *why, const char *server)
{
	if (wants(ev, finish))
		ev->ops->finish(ev->arg, why, server);
}

void account_add_part(struct account *a, const char *name, double ms)
{
	struct account_part *p;

	if (a->n_parts < EVENT_PARTS_MAX) {
		p = &a->part[a->n_parts++];
		snprintf(p->name, sizeof(p->name), "%s", name);
		p->ms = ms;
		return;
	}
	p = &a->part[EVENT_PARTS_MAX - 1];
	snprintf(p->name, sizeof(p->name), "other");
	p->ms += ms;
}
