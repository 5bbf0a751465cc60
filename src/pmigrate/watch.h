/* SPDX-License-Identifier: MIT */
/*
 * pmigrate/watch.h - the watchers that out.c hands events to.  Each is a table of
 * plan/event.h's functions and its own argument; out.c holds the lock, so
 * none of them needs one.
 */
#ifndef PMIGRATE_WATCH_H
#define PMIGRATE_WATCH_H

#include "base/log.h"
#include "pmigrate/out.h"

struct watcher {
	const struct event_ops *ops;
	/* The display thread's look at the counters, a few times a second; or NULL. */
	void (*tick)(void *arg, const struct progress *now);
	/* A log line that somebody wants to see; or NULL. */
	void (*log)(void *arg, enum log_level level, const char *line);
	/* An error outside a migration; or NULL. */
	void (*error)(void *arg, const struct err *e);
	/* At the end: -1 with e when something could not be written; frees arg. */
	int (*close)(void *arg, struct err *e);
	void *arg;
};

/* Terminal or plain lines. */
struct watcher screen_new(const struct out_opts *o);
/* One JSON object a line. */
struct watcher batch_new(const struct out_opts *o);
/* syslog(3), ident pmigrate. */
struct watcher syslog_new(void);
/* --stats and --report. */
struct watcher record_new(const struct out_opts *o);

#endif
