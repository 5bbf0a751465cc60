// SPDX-License-Identifier: MIT
/* The migration itself: what was asked for, here or on another server, one after the other. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/exit.h"
#include "base/own.h"
#include "config.h"
#include "into/into.h"
#include "move/move.h"
#include "pmigrate/command.h"
#include "pmigrate/options.h"
#include "pmigrate/out.h"
#include "pmigrate/relay.h"

/* Where a file shall be written at the end must be known to be possible at the beginning. */
static int check_writable(const char *path, struct err *e)
{
	own_free char *dir = NULL;
	char *slash;

	if (!path)
		return 0;
	dir = xstrdup(path);
	slash = strrchr(dir, '/');
	if (slash)
		slash[slash == dir] = '\0';
	if (access(slash ? dir : ".", W_OK) < 0)
		return err_set(e, ERR_USAGE, "%s cannot be written: %s", path, strerror(errno));
	return 0;
}

static int check_before(const struct options *o, struct err *e)
{
	if (check_writable(o->job.report, e) < 0 || check_writable(o->job.stats, e) < 0)
		return -1;
	if (geteuid() != 0 && !relay_wanted(&o->job)) {
		err_set(e, ERR_SYS, "only root can migrate");
		return err_hint(e, "try: sudo pmigrate");
	}
	return 0;
}

int command_migrate_here(const struct options *o, struct events *ev, struct err *e)
{
	switch (o->pair) {
	case PAIR_CC:
	case PAIR_VV:
		return move_run(&o->job, ev, e);
	case PAIR_INTO:
		return into_run(&o->job, ev, e);
	case PAIR_MAX:
		break;
	}
	return err_set(e, ERR_UNSUPPORTED, "%c -> %c is not possible in this version",
		       (char)o->job.src_kind, (char)o->job.dst_kind);
}

/* One container, or the one server. */
static int run_one(struct options *o, const char *name, struct events *ev, struct err *e)
{
	struct job *j = &o->job;

	if (name && name != j->src.name) {
		free(j->src.name);
		j->src.name = xstrdup(name);
	}
	return relay_wanted(j) ? relay_run(o, ev, e) : command_migrate_here(o, ev, e);
}

/* After a failure: what was not even begun. */
static void tell_rest(const struct options *o, size_t next, struct out *out)
{
	own_strv struct strv rest = STRV_INIT;
	own_free char *list = NULL;
	own_free char *text = NULL;

	for (size_t i = next; i < o->names.n; i++)
		strv_add(&rest, o->names.item[i]);
	if (!rest.n)
		return;
	list = strv_join(&rest, ", ");
	text = xasprintf("not begun: %s", list);
	out_warning(out, text);
}

static int run_all(struct options *o, struct out *out, struct err *e)
{
	size_t n = o->names.n ? o->names.n : 1;

	for (size_t i = 0; i < n; i++) {
		int r = run_one(o, o->names.n ? o->names.item[i] : NULL, out_events(out), e);

		if (r == 0 && cancel_seen())
			out_warning(out, "too late to interrupt: it had moved already");
		if (r == 0 && cancel_seen() && i + 1 < n)
			r = cancel_err(e);
		if (r < 0) {
			tell_rest(o, i + 1, out);
			return -1;
		}
	}
	return 0;
}

static int migrate(struct options *o)
{
	const struct out_opts opts = {
		.batch = o->job.batch,
		.no_progress = o->job.no_progress,
		.verbose = o->job.verbose,
		.report = o->job.report,
		.stats = o->job.stats,
		.to = stdout,
		.errors = stderr,
	};
	struct out *out = out_new(&opts);
	struct err e = ERR_INIT;
	int result;

	cancel_install();
	for (size_t i = 0; i < o->warnings.n; i++)
		out_warning(out, o->warnings.item[i]);
	result = check_before(o, &e);
	if (result == 0)
		result = run_all(o, out, &e);
	if (result < 0 && !out_told(out))
		out_error(out, &e);
	if (out_close(out) < 0 && result == 0)
		return EXIT_SYSTEM;
	return result < 0 ? (int)exit_code_of(e.code) : EXIT_OK;
}

/* The command line was wrong: said like every other error, also with --batch. */
static int refuse(const struct options *o, const struct err *e)
{
	const struct out_opts opts = { .batch = o->job.batch, .to = stdout, .errors = stderr };
	struct out *out = out_new(&opts);

	out_error(out, e);
	out_close(out);
	return (int)exit_code_of(e->code);
}

static int run_parsed(struct options *o, int parsed, const struct err *e)
{
	if (parsed < 0)
		return refuse(o, e);
	switch (o->mode) {
	case OPTIONS_HELP:
		options_help(stdout, o);
		return EXIT_USAGE;
	case OPTIONS_VERSION:
		puts("pmigrate " PMIGRATE_VERSION);
		return EXIT_OK;
	case OPTIONS_RUN:
		break;
	}
	return migrate(o);
}

int command_migrate(int argc, char **argv)
{
	own_options struct options o;
	struct err e = ERR_INIT;
	int parsed;

	options_init(&o);
	parsed = options_parse(argc, argv, &o, &e);
	return run_parsed(&o, parsed, &e);
}

int command_vzp2v(int argc, char **argv)
{
	own_options struct options o;
	struct err e = ERR_INIT;
	int parsed;

	options_init(&o);
	parsed = options_parse_vzp2v(argc, argv, &o, &e);
	return run_parsed(&o, parsed, &e);
}
