// SPDX-License-Identifier: MIT
/*
 * What a person sees: on a terminal one line a phase that fills while it
 * runs; elsewhere a line when a phase has ended.  Errors go to stderr, and the
 * container's state is the last thing said.
 */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/own.h"
#include "base/parse.h"
#include "pmigrate/bar.h"
#include "pmigrate/watch.h"

enum { LABEL = 22, WHAT = 32, TOOK = 12, COLUMNS_DEFAULT = 80, LINE = 1400 };

struct screen {
	FILE *to, *errors;
	int terminal; /* the descriptor behind `to` */
	bool live;	 /* a terminal: lines may be drawn again */
	bool verbose;
	bool drawn;	 /* a line without its end stands there */
	bool in_phase;
	bool changing;	 /* a phase that changes something was begun */
	enum phase phase;
	uint64_t begun_ns;
	struct bar bar;
	uint64_t bytes, items; /* of the phase, at the last look */
	const char *noun; /* what is moved: "Container", … */
	char *container;
	char *state;	 /* the last line, or NULL */
	bool dry_run;
};

/* Takes the half-drawn line away. */
static void clear_line(struct screen *s)
{
	if (s->drawn)
		fputs("\r\033[K", s->to);
	fflush(s->to);
	s->drawn = false;
}

/* What others wrote must not move the cursor. */
static void tame(char *text)
{
	for (; *text; text++) {
		if (iscntrl((unsigned char)*text))
			*text = '?';
	}
}

__attribute__((format(printf, 3, 4))) static void say(struct screen *s, FILE *to, const char *fmt,
						      ...)
{
	char line[LINE];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	tame(line);
	clear_line(s);
	fprintf(to, "%s\n", line);
	fflush(to);
}

static size_t columns(const struct screen *s)
{
	struct winsize w;

	if (ioctl(s->terminal, TIOCGWINSZ, &w) == 0 && w.ws_col > 20)
		return w.ws_col;
	return COLUMNS_DEFAULT;
}

static const char *noun_of(const struct job *job)
{
	if (!job || job->src_kind == KIND_CONTAINER)
		return "Container";
	return job->src_kind == KIND_VM ? "Virtual machine" : "Server";
}

static void screen_begin(void *arg, const struct job *job, const char *container,
			 const char *source, const char *destination)
{
	struct screen *s = arg;

	free(s->container);
	free(take_ptr(&s->state));
	s->container = xstrdup(container);
	s->noun = noun_of(job);
	s->dry_run = job && job->dry_run;
	s->changing = false;
	if (!strcmp(container, source))
		say(s, s->to, "%s %s -> %s%s", s->noun, source, destination,
		    s->dry_run ? " (dry run)" : "");
	else
		say(s, s->to, "%s %s: %s -> %s%s", s->noun, container, source, destination,
		    s->dry_run ? " (dry run)" : "");
}

static void screen_phase_begin(void *arg, enum phase p, const char *detail)
{
	struct screen *s = arg;

	s->phase = p;
	s->in_phase = true;
	s->changing = s->changing || p != PHASE_CHECK;
	s->begun_ns = clock_ns();
	s->bytes = s->items = 0;
	bar_begin(&s->bar, s->begun_ns);
	if (detail && s->verbose)
		say(s, s->to, "  %s: %s", phase_text(p), detail);
	if (s->live) {
		clear_line(s);
		fprintf(s->to, "  %-*s", LABEL, phase_text(p));
		fflush(s->to);
		s->drawn = true;
	}
}

static void screen_tick(void *arg, const struct progress *now)
{
	struct screen *s = arg;
	uint64_t total = atomic_load(&now->bytes_total);
	size_t width = columns(s);
	char text[256];

	if (!s->in_phase)
		return;
	s->bytes = atomic_load(&now->bytes);
	s->items = atomic_load(&now->items);
	bar_look(&s->bar, s->bytes, clock_ns());
	if (!s->live || (!s->bytes && !s->items))
		return;
	if (width <= LABEL + 20)
		return;
	bar_text(&s->bar, s->bytes, total, width - LABEL - 3, text, sizeof(text));
	fprintf(s->to, "\r  %-*s%s\033[K", LABEL, phase_text(s->phase), text);
	fflush(s->to);
	s->drawn = true;
}

static void screen_phase_end(void *arg, enum phase p, bool ok)
{
	struct screen *s = arg;
	char took[24], bytes[24], what[80] = "";
	int room = WHAT;

	s->in_phase = false;
	text_ms(took, (double)(clock_ns() - s->begun_ns) / 1e6);
	text_bytes(bytes, s->bytes);
	if (s->items)
		snprintf(what, sizeof(what), "%s, %llu %s%s", bytes, (unsigned long long)s->items,
			 p == PHASE_MEMORY || p == PHASE_LAZY ? "page" : "file",
			 s->items == 1 ? "" : "s");
	else if (s->bytes)
		snprintf(what, sizeof(what), "%s", bytes);
	if (s->live && columns(s) < LABEL + WHAT + TOOK + 3)
		room = columns(s) > LABEL + TOOK + 3 ? (int)columns(s) - LABEL - TOOK - 3 : 0;
	if ((int)strlen(what) >= room) /* a narrow terminal: the bytes, or nothing */
		snprintf(what, sizeof(what), "%s", (int)strlen(bytes) < room ? bytes : "");
	say(s, s->to, "  %-*s%-*s%*s", LABEL, phase_text(p), room, what, TOOK, ok ? took : "failed");
}

static void screen_round(void *arg, const struct event_round *r)
{
	struct screen *s = arg;
	char bytes[24], took[24], dirty[24], left[24];

	if (!s->verbose && r->phase != PHASE_MEMORY)
		return;
	text_bytes(bytes, r->bytes);
	text_ms(took, r->ms);
	text_bytes(dirty, (uint64_t)r->dirty_bps);
	text_bytes(left, r->left_bytes);
	say(s, s->to, "    round %u: %s in %s, %s/s change%s%s%s", r->number, bytes, took, dirty,
	    r->left_bytes ? ", " : "", r->left_bytes ? left : "", r->left_bytes ? " left" : "");
}

static void screen_decision(void *arg, const char *text)
{
	struct screen *s = arg;

	if (s->verbose)
		say(s, s->to, "    %s", text);
}

static void screen_warning(void *arg, const char *text)
{
	struct screen *s = arg;

	say(s, s->errors, "pmigrate: warning: %s", text);
}

static void screen_finding(void *arg, const struct finding *f)
{
	static const char *const kinds[] = { "ok", "note", "bypassed", "failed" };
	struct screen *s = arg;
	FILE *to = f->level >= FINDING_BYPASSED ? s->errors : s->to;

	if (f->level == FINDING_PASS && !s->verbose)
		return;
	say(s, to, "  %s: %s: %s%s", kinds[f->level], f->word, f->text,
	    f->nostart ? " (it will not be started there)" : "");
	if (f->hint && f->level == FINDING_FAIL)
		say(s, to, "      %s", f->hint);
}

static void screen_prediction(void *arg, const struct prediction *p)
{
	struct screen *s = arg;
	char bytes[24], total[24], down[24], rate[24], change[24], dirty[24];

	text_bytes(bytes, p->bytes);
	if (!p->link_known) {
		say(s, s->to, "  It would send %s; the link's speed is not known", bytes);
		return;
	}
	text_ms(total, p->total_ms);
	text_ms(down, p->downtime_ms);
	text_bytes(rate, (uint64_t)p->link_bps);
	text_bytes(change, (uint64_t)p->change_bps);
	text_bytes(dirty, (uint64_t)p->dirty_bps);
	say(s, s->to, "  It would send %s in %s (the link carries %s/s)", bytes, total, rate);
	if (!p->has_downtime)
		return;
	say(s, s->to, "  Predicted downtime: %s (files change by %s/s, memory by %s/s)", down,
	    change, dirty);
	if (!p->converges)
		say(s, s->to, "  Memory changes faster than the link can follow");
	if (!p->fits)
		say(s, s->to, "  That is more than --max-downtime allows");
}

static void say_downtime(struct screen *s, const struct account *a)
{
	char down[24], line[LINE];
	double sum = 0;
	size_t n;

	text_ms(down, a->downtime_ms);
	n = (size_t)snprintf(line, sizeof(line), "  Downtime %s", down);
	for (size_t i = 0; i < a->n_parts && n < sizeof(line); i++) {
		char part[24];

		sum += a->part[i].ms;
		text_ms(part, a->part[i].ms);
		n += (size_t)snprintf(line + n, sizeof(line) - n, "%s%s %s", i ? ", " : ": ",
				      a->part[i].name, part);
	}
	if (sum > a->downtime_ms * 1.05 && n < sizeof(line))
		snprintf(line + n, sizeof(line) - n, " (some at the same time)");
	say(s, s->to, "%s", line);
}

static void screen_account(void *arg, const struct account *a)
{
	struct screen *s = arg;
	char wire[24], total[24], bytes[24], dirty[24];

	text_bytes(wire, a->wire_bytes);
	text_ms(total, a->total_ms);
	text_bytes(bytes, a->file_bytes);
	say(s, s->to, "  Total %s, %s over the link%s%s", total, wire, a->mode ? ", " : "",
	    a->mode ? a->mode : "");
	if (a->files)
		say(s, s->to, "  Files: %llu with %s, %llu of them at the end",
		    (unsigned long long)a->files, bytes, (unsigned long long)a->files_last);
	if (a->memory_bytes) {
		text_bytes(bytes, a->memory_bytes);
		text_bytes(dirty, (uint64_t)a->dirty_bps);
		say(s, s->to, "  Memory: %s in %u rounds, %s/s changed, %llu pages on demand",
		    bytes, a->rounds, dirty, (unsigned long long)a->lazy_pages);
	}
	if (a->stop_ms > 0) {
		text_ms(total, a->stop_ms);
		say(s, s->to, "  Each of these rounds stopped it for up to %s: this kernel has only soft-dirty bits",
		    total);
	}
	if (a->has_downtime)
		say_downtime(s, a);
	if (a->note)
		say(s, s->to, "  %s", a->note);
}

static void screen_state(void *arg, const struct final_state *f)
{
	struct screen *s = arg;
	bool renamed = f->destination_id && f->id && strcmp(f->id, f->destination_id) != 0;

	free(s->state);
	s->state = xasprintf("%s %s%s%s%s: %s on %s, %s on %s%s%s%s%s",
			     s->noun ? s->noun : "Container", f->id,
			     f->name ? " (" : "", f->name ? f->name : "", f->name ? ")" : "",
			     f->source_state, f->source, f->destination_state, f->destination,
			     renamed ? " as " : "", renamed ? f->destination_id : "",
			     f->undecided ? "; undecided: run pmigrate recover " : "",
			     f->undecided && f->migration_id ? f->migration_id : "");
	if (f->kept) {
		char size[24];

		text_bytes(size, f->kept_bytes);
		say(s, s->to, "  Kept on %s: %s (%s); remove it there: pctl destroy %s", f->source, f->kept, size,
		    f->kept_id);
	}
}

static void screen_error(void *arg, const struct err *e)
{
	struct screen *s = arg;

	say(s, s->errors, "pmigrate: %s", e->msg);
	if (e->hint[0])
		say(s, s->errors, "pmigrate: what to do: %s", e->hint);
}

static void screen_finish(void *arg, const struct err *why, const char *server)
{
	struct screen *s = arg;
	struct err e;

	s->in_phase = false;
	if (why) {
		e = *why;
		if (server && !strstr(e.msg, server))
			err_wrap(&e, "%s", server);
		screen_error(s, &e);
	}
	if (s->state)
		say(s, why ? s->errors : s->to, "%s%s", why ? "pmigrate: " : "", s->state);
	else if (!why && s->dry_run)
		say(s, s->to, "%s %s can be migrated", s->noun, s->container);
	else if (why && s->container && !s->changing)
		say(s, s->errors, "pmigrate: %s %s: nothing was changed", s->noun,
		    s->container);
	free(take_ptr(&s->state));
}

static void screen_log(void *arg, enum log_level level, const char *line)
{
	static const char *const kinds[] = { "error: ", "warning: ", "", "" };
	struct screen *s = arg;

	if (level <= LOG_LVL_WARN)
		say(s, s->errors, "pmigrate: %s%s", kinds[level], line);
	else if (s->verbose)
		say(s, s->to, "    %s", line);
}

static int screen_close(void *arg, struct err *e)
{
	struct screen *s = arg;
	FILE *to = s->to;

	clear_line(s);
	free(s->container);
	free(s->state);
	free(s);
	if (fflush(to) != 0 || ferror(to))
		return err_set(e, ERR_SYS, "cannot write to standard output");
	return 0;
}

static const struct event_ops screen_ops = {
	.begin = screen_begin,
	.phase_begin = screen_phase_begin,
	.phase_end = screen_phase_end,
	.round = screen_round,
	.decision = screen_decision,
	.warning = screen_warning,
	.finding = screen_finding,
	.prediction = screen_prediction,
	.account = screen_account,
	.state = screen_state,
	.finish = screen_finish,
};

struct watcher screen_new(const struct out_opts *o)
{
	struct screen *s = xcalloc(1, sizeof(*s));
	const char *term = getenv("TERM");

	s->to = o->to;
	s->errors = o->errors;
	s->terminal = o->terminal;
	s->verbose = o->verbose;
	s->live = isatty(o->terminal) && !o->no_progress && term && strcmp(term, "dumb") != 0;
	return (struct watcher){ .ops = &screen_ops,
				 .tick = screen_tick,
				 .log = screen_log,
				 .error = screen_error,
				 .close = screen_close,
				 .arg = s };
}
