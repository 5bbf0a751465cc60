// SPDX-License-Identifier: MIT
/* The option tables: what there is, and what each does to the job. */
#include <limits.h>
#include <string.h>

#include "base/own.h"
#include "base/parse.h"
#include "pmigrate/options.h"

enum { TIMEOUT_MAX_S = 7 * 86400 };

/* A flag of the job. */
#define FLAG(func, member)                                                          \
	static int func(struct options *o, const char *value, struct err *e)        \
	{                                                                           \
		(void)value;                                                        \
		(void)e;                                                            \
		o->job.member = true;                                               \
		return 0;                                                           \
	}

FLAG(set_nostart, nostart)
FLAG(set_batch, batch)
FLAG(set_keep_dst, keep_dst)
FLAG(set_online, online)
FLAG(set_lazy, lazy)
FLAG(set_noiter, noiter)
FLAG(set_realtime, require_realtime)
FLAG(set_readonly, readonly)
FLAG(set_dry_run, dry_run)
FLAG(set_verbose, verbose)
FLAG(set_no_progress, no_progress)
FLAG(set_keep_src, keep_src)
FLAG(set_take_addresses, take_addresses)

/* A text of the job: not empty, the last one counts. */
#define TEXT(func, member, what)                                                    \
	static int func(struct options *o, const char *value, struct err *e)        \
	{                                                                           \
		if (!*value)                                                        \
			return err_set(e, ERR_USAGE, what " is empty");             \
		free(o->job.member);                                                \
		o->job.member = xstrdup(value);                                     \
		return 0;                                                           \
	}

TEXT(set_new_id, new_id, "the new CTID")
TEXT(set_new_name, new_name, "the new name")
TEXT(set_new_private, new_private, "the new private area")
TEXT(set_new_root, new_root, "the new root")
TEXT(set_report, report, "the name of the report")
TEXT(set_stats, stats, "the name of the statistics file")
TEXT(set_hw_config, hw_config, "the name of the configuration file")
TEXT(set_quota, quota_part, "the partition of --quota")
TEXT(set_eztmpl, eztmpl, "the template of --eztmpl")
TEXT(set_dist, dist, "the distribution of --dist")
TEXT(set_vm_dir, vm_dir, "the directory of --dst")

static int set_remove_area(struct options *o, const char *value, struct err *e)
{
	if (!strcmp(value, "yes"))
		o->job.remove_area = YES;
	else if (!strcmp(value, "no"))
		o->job.remove_area = NO;
	else
		return err_set(e, ERR_USAGE, "--remove-area takes yes or no, not '%s'", value);
	return 0;
}

static const struct nodeps_word *nodeps_find(const char *word)
{
	const struct nodeps_word *w;

	for (w = nodeps_words; w->word; w++) {
		if (!strcmp(w->word, word))
			return w;
	}
	return NULL;
}

static int set_nodeps(struct options *o, const char *value, struct err *e)
{
	own_strv struct strv words = STRV_INIT;

	if (!value) {
		o->job.nodeps |= NODEPS_ALL;
		return 0;
	}
	strv_split(&words, value, ",");
	if (!words.n)
		return err_set(e, ERR_USAGE, "--nodeps= without a word");
	for (size_t i = 0; i < words.n; i++) {
		const struct nodeps_word *w = nodeps_find(words.item[i]);
		own_strv struct strv known = STRV_INIT;
		own_free char *list = NULL;

		if (w) {
			o->job.nodeps |= w->bit;
			continue;
		}
		for (w = nodeps_words; w->word; w++)
			strv_add(&known, w->word);
		list = strv_join(&known, ", ");
		err_set(e, ERR_USAGE, "--nodeps does not know '%s'", words.item[i]);
		return err_hint(e, "its words are: %s", list);
	}
	return 0;
}

static int set_ssh(struct options *o, const char *value, struct err *e)
{
	return link_parse_ssh(value, &o->job.link.ssh, e);
}

static int set_timeout(struct options *o, const char *value, struct err *e)
{
	uint64_t ms;

	if (parse_ms(value, "--timeout", 1000, &ms, e) < 0)
		return -1;
	if (ms < 1000 || ms > TIMEOUT_MAX_S * 1000ull)
		return err_set(e, ERR_USAGE, "--timeout '%s' is not between 1 s and 7 d", value);
	o->job.link.timeout_ms = (int)ms;
	return 0;
}

static int set_limit(struct options *o, const char *value, struct err *e)
{
	return parse_rate(value, "--limit", &o->job.limit_bps, e);
}

static int set_streams(struct options *o, const char *value, struct err *e)
{
	uint64_t n;

	if (parse_u64(value, "--streams", 1, JOB_STREAMS_MAX, &n, e) < 0)
		return -1;
	o->job.streams = (unsigned)n;
	return 0;
}

static int set_max_downtime(struct options *o, const char *value, struct err *e)
{
	if (parse_ms(value, "--max-downtime", 1, &o->job.max_downtime_ms, e) < 0)
		return -1;
	if (!o->job.max_downtime_ms)
		return err_set(e, ERR_USAGE, "--max-downtime '%s' is no time at all", value);
	return 0;
}

static int set_exclude(struct options *o, const char *value, struct err *e)
{
	if (!*value || strchr(value, '\n'))
		return err_set(e, ERR_USAGE, "the pattern of --exclude is empty or has lines");
	strv_add(&o->job.excludes, value);
	return 0;
}

static int set_srvstop(struct options *o, const char *value, struct err *e)
{
	size_t before = o->job.srvstop.n;

	strv_split(&o->job.srvstop, value, ", \t\n");
	if (o->job.srvstop.n == before)
		return err_set(e, ERR_USAGE, "--srvstop names no service");
	for (size_t i = before; i < o->job.srvstop.n; i++) {
		if (o->job.srvstop.item[i][0] == '-')
			return err_set(e, ERR_USAGE, "'%s' is no service",
				       o->job.srvstop.item[i]);
	}
	return 0;
}

static int set_help(struct options *o, const char *value, struct err *e)
{
	(void)value;
	(void)e;
	o->mode = OPTIONS_HELP;
	return 0;
}

static int set_version(struct options *o, const char *value, struct err *e)
{
	(void)value;
	(void)e;
	if (o->mode == OPTIONS_RUN)
		o->mode = OPTIONS_VERSION;
	return 0;
}

#define PLAIN(l, n, f, h)	   { l, n, OPTION_PLAIN, NULL, NULL, false, f, h }
#define LOCAL(l, n, f, h)	   { l, n, OPTION_PLAIN, NULL, NULL, true, f, h }
#define VALUE(l, n, a, v, f, h)	   { l, n, OPTION_VALUE, a, v, false, f, h }
#define LOCAL_VALUE(l, n, a, v, f, h) { l, n, OPTION_VALUE, a, v, true, f, h }
#define MAYBE(l, n, a, v, f, h)	   { l, n, OPTION_MAYBE, a, v, false, f, h }

static const struct option_row rows_cc[] = {
	PLAIN('s', "nostart", set_nostart, "do not start it there though it ran here"),
	VALUE('r', "remove-area", "yes|no", "yes no", set_remove_area,
	      "afterwards delete it here, or keep it as .migrated (default: REMOVEMIGRATED)"),
	PLAIN(0, "online", set_online, "move it running, its clients do not notice"),
	PLAIN(0, "lazy", set_lazy, "with --online: memory may follow on demand"),
	PLAIN(0, "noiter", set_noiter, "with --online: no copying of memory while it runs"),
	PLAIN(0, "require-realtime", set_realtime,
	      "with --online: fail rather than take a type with a longer downtime"),
	VALUE(0, "max-downtime", "TIME", NULL, set_max_downtime,
	      "with --online: freeze only when the predicted downtime fits"),
	PLAIN(0, "readonly", set_readonly, "only copy; change nothing of it here"),
	VALUE(0, "new-id", "CTID", NULL, set_new_id, "its ID there"),
	VALUE(0, "new-name", "NAME", NULL, set_new_name, "its name there"),
	VALUE(0, "new-private", "DIR", "@dir", set_new_private, "its private area there"),
	VALUE(0, "new-root", "DIR", "@dir", set_new_root, "its root directory there"),
};

static const struct option_row rows_into[] = {
	VALUE('c', NULL, "FILE", "@file", set_hw_config,
	      "configuration made by vzhwcalc (default: it is run there now)"),
	VALUE('q', "quota", "PARTITION", NULL, set_quota,
	      "the one partition whose user and group quotas are kept"),
	VALUE('z', "eztmpl", "TEMPLATE", NULL, set_eztmpl,
	      "OS template to begin with (default: an empty area)"),
	VALUE('d', "dist", "NAME", NULL, set_dist, "the distribution: NAME.conf is its file"),
	VALUE(0, "exclude", "PATTERN", NULL, set_exclude,
	      "do not copy these (rules of rsync; repeatable)"),
	VALUE('S', "srvstop", "SERVICES", NULL, set_srvstop,
	      "services to stop there during the last pass (repeatable)"),
	PLAIN(0, "take-addresses", set_take_addresses,
	      "afterwards the server gives its addresses up and the Container starts"),
	PLAIN('s', "nostart", set_nostart, "do not start the Container afterwards (the default)"),
};

static const struct option_row rows_vv[] = {
	PLAIN(0, "keep-src", set_keep_src, "leave the virtual machine here as it is, shut off"),
	VALUE('r', "remove-area", "yes|no", "yes no", set_remove_area,
	      "afterwards delete it here with its disks, or keep it as NAME.migrated (default)"),
	VALUE(0, "dst", "DIR", "@dir", set_vm_dir, "directory of its disks there"),
	VALUE(0, "new-name", "NAME", NULL, set_new_name, "its name there"),
	PLAIN('s', "nostart", set_nostart, "do not start it there though it ran here"),
};

static const struct option_row rows_common[] = {
	MAYBE('f', "nodeps", "WORD,…",
	      "all cpu_check disk_space technologies license rate bindmount "
	      "template_area_sync kernel_modules capabilities cpt_image_version",
	      set_nodeps, "go on though these checks fail (-f: all)"),
	PLAIN(0, "dry-run", set_dry_run, "check everything, predict, move nothing"),
	PLAIN(0, "keep-dst", set_keep_dst,
	      "after a failure keep what was copied, so that the next try is short"),
	VALUE(0, "ssh", "OPTIONS", NULL, set_ssh, "more options for ssh; no host name"),
	VALUE('t', "timeout", "SECONDS", NULL, set_timeout,
	      "give up after so long without a sign of life (default: 3600)"),
	VALUE(0, "limit", "RATE", NULL, set_limit,
	      "at most so fast over all connections: 10M, 100mbit"),
	VALUE(0, "streams", "N", NULL, set_streams, "data connections (default: 1)"),
	LOCAL('b', "batch", set_batch, "one JSON object a line on stdout"),
	LOCAL_VALUE(0, "report", "FILE.html", "@file", set_report, "write a page with a timeline"),
	LOCAL_VALUE(0, "stats", "FILE.json", "@file", set_stats, "write the account as JSON"),
	LOCAL(0, "no-progress", set_no_progress, "no progress bar"),
	PLAIN('v', "verbose", set_verbose, "tell every decision"),
	LOCAL('h', "help", set_help, "show this and exit"),
	LOCAL(0, "version", set_version, "show the version and exit"),
};

static const struct {
	const char *text;
	const struct option_row *rows;
	size_t n;
} pairs[PAIR_MAX] = {
	[PAIR_CC] = { "c -> c", rows_cc, array_len(rows_cc) },
	[PAIR_INTO] = { "h -> c, v -> c", rows_into, array_len(rows_into) },
	[PAIR_VV] = { "v -> v", rows_vv, array_len(rows_vv) },
};

const struct option_row *options_row(enum pair p, size_t i)
{
	if (i < pairs[p].n)
		return &pairs[p].rows[i];
	i -= pairs[p].n;
	return i < array_len(rows_common) ? &rows_common[i] : NULL;
}

const char *options_pair_text(enum pair p)
{
	return pairs[p].text;
}
