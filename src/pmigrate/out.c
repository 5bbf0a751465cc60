// SPDX-License-Identifier: MIT
#include "pmigrate/out.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/own.h"
#include "pmigrate/patient.h"
#include "pmigrate/watch.h"

enum { WATCHERS = 3, TICK_MS = 250 };

struct out {
	struct events events; /* what move/ gets; its ops are ours */
	FILE *patient[2]; /* to, errors; or NULL */
	struct watcher watcher[WATCHERS];
	size_t n;
	pthread_mutex_t lock;
	pthread_t display;
	pthread_cond_t wake;
	bool displaying, stop, told;
};

#define EACH(to, member, ...)                                                   \
	do {                                                                    \
		struct out *o_ = (to);                                         \
		pthread_mutex_lock(&o_->lock);                                  \
		for (size_t i_ = 0; i_ < o_->n; i_++) {                         \
			const struct watcher *w_ = &o_->watcher[i_];            \
			if (w_->ops->member)                                    \
				w_->ops->member(w_->arg, __VA_ARGS__);          \
		}                                                               \
		pthread_mutex_unlock(&o_->lock);                                \
	} while (0)

static void *display_main(void *arg)
{
	struct out *out = arg;

	pthread_mutex_lock(&out->lock);
	while (!out->stop) {
		struct timespec until;

		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_nsec += TICK_MS * 1000000L;
		until.tv_sec += until.tv_nsec / 1000000000L;
		until.tv_nsec %= 1000000000L;
		pthread_cond_timedwait(&out->wake, &out->lock, &until);
		for (size_t i = 0; i < out->n && !out->stop; i++) {
			if (out->watcher[i].tick)
				out->watcher[i].tick(out->watcher[i].arg, &out->events.progress);
		}
	}
	pthread_mutex_unlock(&out->lock);
	return NULL;
}

/* Signals are the main thread's; without a thread there is just no progress. */
static void display_start(struct out *out)
{
	sigset_t all, old;

	if (out->displaying)
		return;
	out->stop = false;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	out->displaying = pthread_create(&out->display, NULL, display_main, out) == 0;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

static void display_stop(struct out *out)
{
	if (!out->displaying)
		return;
	pthread_mutex_lock(&out->lock);
	out->stop = true;
	pthread_cond_signal(&out->wake);
	pthread_mutex_unlock(&out->lock);
	pthread_join(out->display, NULL);
	out->displaying = false;
}

static void on_begin(void *arg, const struct job *job, const char *container,
		     const char *source, const char *destination)
{
	((struct out *)arg)->told = false;
	EACH(arg, begin, job, container, source, destination);
}

static void on_phase_begin(void *arg, enum phase p, const char *detail)
{
	EACH(arg, phase_begin, p, detail);
	display_start(arg);
}

static void on_phase_end(void *arg, enum phase p, bool ok)
{
	struct out *out = arg;

	/* The last numbers belong to the phase that ends. */
	pthread_mutex_lock(&out->lock);
	for (size_t i = 0; i < out->n; i++) {
		if (out->watcher[i].tick)
			out->watcher[i].tick(out->watcher[i].arg, &out->events.progress);
	}
	pthread_mutex_unlock(&out->lock);
	EACH(arg, phase_end, p, ok);
}

static void on_round(void *arg, const struct event_round *r)
{
	EACH(arg, round, r);
}

static void on_decision(void *arg, const char *text)
{
	EACH(arg, decision, text);
}

static void on_warning(void *arg, const char *text)
{
	EACH(arg, warning, text);
}

static void on_finding(void *arg, const struct finding *f)
{
	EACH(arg, finding, f);
}

static void on_prediction(void *arg, const struct prediction *p)
{
	EACH(arg, prediction, p);
}

static void on_account(void *arg, const struct account *a)
{
	EACH(arg, account, a);
}

static void on_state(void *arg, const struct final_state *s)
{
	EACH(arg, state, s);
}

static void on_finish(void *arg, const struct err *why, const char *server)
{
	display_stop(arg);
	((struct out *)arg)->told = why != NULL;
	EACH(arg, finish, why, server);
}

static const struct event_ops out_ops = {
	.begin = on_begin,
	.phase_begin = on_phase_begin,
	.phase_end = on_phase_end,
	.round = on_round,
	.decision = on_decision,
	.warning = on_warning,
	.finding = on_finding,
	.prediction = on_prediction,
	.account = on_account,
	.state = on_state,
	.finish = on_finish,
};

static void on_log(void *arg, enum log_level level, const char *line)
{
	struct out *out = arg;

	pthread_mutex_lock(&out->lock);
	for (size_t i = 0; i < out->n; i++) {
		if (out->watcher[i].log)
			out->watcher[i].log(out->watcher[i].arg, level, line);
	}
	pthread_mutex_unlock(&out->lock);
}

struct out *out_new(const struct out_opts *opts)
{
	struct out *out = xcalloc(1, sizeof(*out));
	struct out_opts patient = *opts;
	const struct out_opts *o = &patient;
	pthread_condattr_t attr;

	out->events = (struct events){ .ops = &out_ops, .arg = out };
	pthread_mutex_init(&out->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&out->wake, &attr);
	pthread_condattr_destroy(&attr);
	patient.terminal = fileno(opts->to);
	if ((out->patient[0] = patient_open(opts->to)))
		patient.to = out->patient[0];
	if ((out->patient[1] = patient_open(opts->errors)))
		patient.errors = out->patient[1];
	out->watcher[out->n++] = o->batch ? batch_new(o) : screen_new(o);
	out->watcher[out->n++] = syslog_new();
	if (o->report || o->stats)
		out->watcher[out->n++] = record_new(o);
	log_init(o->verbose ? LOG_LVL_DEBUG : LOG_LVL_INFO, on_log, out);
	return out;
}

struct events *out_events(struct out *out)
{
	return &out->events;
}

void out_error(struct out *out, const struct err *e)
{
	out->told = true;
	pthread_mutex_lock(&out->lock);
	for (size_t i = 0; i < out->n; i++) {
		if (out->watcher[i].error)
			out->watcher[i].error(out->watcher[i].arg, e);
	}
	pthread_mutex_unlock(&out->lock);
}

bool out_told(const struct out *out)
{
	return out->told;
}

void out_warning(struct out *out, const char *text)
{
	on_warning(out, text);
}

int out_close(struct out *out)
{
	struct err e = ERR_INIT;
	int r = 0;

	display_stop(out);
	log_init(LOG_LVL_ERROR, NULL, NULL);
	/* Last first: what the record cannot write, the screen tells. */
	while (out->n > 0) {
		struct watcher w = out->watcher[--out->n];

		if (w.close && w.close(w.arg, &e) < 0) {
			r = -1;
			out_error(out, &e);
		}
	}
	for (size_t i = 0; i < array_len(out->patient); i++) {
		if (out->patient[i] && fclose(out->patient[i]) != 0)
			r = -1;
	}
	pthread_cond_destroy(&out->wake);
	pthread_mutex_destroy(&out->lock);
	free(out);
	return r;
}
