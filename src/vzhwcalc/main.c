// SPDX-License-Identifier: MIT
/*
 * vzhwcalc: measures the server it runs on and writes the configuration file of a
 * Container that is to take its place.  Static, of libc and base/ only: copied to
 * any server, it runs there.
 *
 * Exit codes: 0 done, 1 wrong usage, 2 the system refused.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "base/own.h"
#include "base/parse.h"
#include "config.h"
#include "vzhwcalc/probe.h"
#include "vzhwcalc/quota.h"
#include "vzhwcalc/scan.h"
#include "vzhwcalc/text.h"

enum { WALK_SECONDS = 120, SAMPLES_WANTED = 100, PERIOD_MIN_MS = 1000, PERIOD_MAX_MS = 300000 };

struct options {
	const char *out; /* "-" is stdout; NULL: none */
	uint64_t scan_ms, period_ms;
	struct hw_scale scale;
	struct strv detect;
	bool scan;
	const char *quota; /* the partition whose quotas are listed, or NULL */
};

static volatile sig_atomic_t stopped;

static void on_signal(int sig)
{
	(void)sig;
	stopped = 1;
}

static const char usage_text[] =
	"usage: vzhwcalc [OPTION...]\n"
	"Measures this server and writes the configuration of a Container for it.\n"
	"\n"
	"  -o, --out FILE          write it to FILE (default ve.conf; - is the screen)\n"
	"  -t, --scan-time TIME    measure for so long, such as 1d2h30m40s; by default once\n"
	"  -p, --scan-period TIME  time between two measurements\n"
	"      --mem-scale N       give the Container N times the memory used (default 1.5)\n"
	"      --disk-scale N      and N times the disk space used (default 1.5)\n"
	"  -d, --dist-detect SCRIPT[,SCRIPT...]\n"
	"                          shell scripts that set DISTRIBUTION\n"
	"      --scan              also print what will not be the same in a Container\n"
	"      --quota DIR         with --scan: list the quotas of this partition, too\n"
	"  -h, --help              print this\n"
	"  -v, --version           print the version\n"
	"\n"
	"An interrupt ends the measuring early; what was measured is written.\n";

static int parse_scale(const char *text, const char *what, double *out, struct err *e)
{
	char *end;
	double v = strtod(text, &end);

	if (end == text || *end || !(v >= 1) || v > 1000)
		return err_set(e, ERR_USAGE, "%s '%s' is not a number from 1 to 1000", what,
			       text);
	*out = v;
	return 0;
}

static int parse_one(int c, struct options *o, struct err *e)
{
	switch (c) {
	case 'o':
		o->out = optarg;
		return 0;
	case 't':
		return parse_ms(optarg, "the scan time", 1000, &o->scan_ms, e);
	case 'p':
		return parse_ms(optarg, "the scan period", 1000, &o->period_ms, e);
	case 'M':
		return parse_scale(optarg, "--mem-scale", &o->scale.mem, e);
	case 'D':
		return parse_scale(optarg, "--disk-scale", &o->scale.disk, e);
	case 'd':
		strv_split(&o->detect, optarg, ",");
		return 0;
	case 'S':
		o->scan = true;
		return 0;
	case 'Q':
		o->quota = optarg;
		return 0;
	default:
		return err_set(e, ERR_USAGE, "wrong usage (see vzhwcalc --help)");
	}
}

/* 0 go on, 1 done (help), -1 error. */
static int parse_options(int argc, char **argv, struct options *o, struct err *e)
{
	static const struct option longs[] = {
		{ "out", required_argument, NULL, 'o' },
		{ "scan-time", required_argument, NULL, 't' },
		{ "scan-period", required_argument, NULL, 'p' },
		{ "mem-scale", required_argument, NULL, 'M' },
		{ "disk-scale", required_argument, NULL, 'D' },
		{ "dist-detect", required_argument, NULL, 'd' },
		{ "scan", no_argument, NULL, 'S' },
		{ "quota", required_argument, NULL, 'Q' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'v' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "o:t:p:d:hv", longs, NULL)) >= 0) {
		if (c == 'h' || c == 'v') {
			fputs(c == 'h' ? usage_text : "vzhwcalc " PMIGRATE_VERSION "\n", stdout);
			return 1;
		}
		if (parse_one(c, o, e) < 0)
			return -1;
	}
	if (optind < argc)
		return err_set(e, ERR_USAGE, "the word '%s' is no option", argv[optind]);
	if (o->period_ms && o->period_ms < 10)
		return err_set(e, ERR_USAGE, "the scan period is too short");
	if (!o->period_ms) {
		o->period_ms = o->scan_ms / SAMPLES_WANTED;
		if (o->period_ms < PERIOD_MIN_MS)
			o->period_ms = PERIOD_MIN_MS;
		if (o->period_ms > PERIOD_MAX_MS)
			o->period_ms = PERIOD_MAX_MS;
	}
	return 0;
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static int measure(struct usage *u, const struct options *o, struct err *e)
{
	uint64_t end = now_ms() + o->scan_ms, now;
	struct sample s;

	for (;;) {
		struct timespec t;
		uint64_t nap;

		if (probe_sample(&s, e) < 0)
			return -1;
		usage_add(u, &s);
		now = now_ms();
		if (now >= end || stopped)
			return 0;
		nap = end - now < o->period_ms ? end - now : o->period_ms;
		t.tv_sec = (time_t)(nap / 1000);
		t.tv_nsec = (long)(nap % 1000) * 1000000;
		nanosleep(&t, NULL); /* a signal ends it */
	}
}

static int write_config(const struct hw *hw, const struct options *o, struct err *e)
{
	own_buf struct buf text = BUF_INIT;
	time_t now = time(NULL);
	struct tm tm;
	char when[64] = "";

	if (gmtime_r(&now, &tm))
		strftime(when, sizeof(when), "%Y-%m-%d %H:%M UTC", &tm);
	veconf_write(&text, hw, &o->scale, when);
	if (strcmp(o->out, "-") != 0)
		return file_replace(AT_FDCWD, o->out, text.data, text.len, 0644, e);
	return write_all(STDOUT_FILENO, text.data, text.len) < 0 ?
		       err_sys(e, "cannot write the configuration") :
		       0;
}

static void print_notices(const struct notices *f)
{
	for (size_t i = 0; i < f->n; i++) {
		own_free char *object = text_escape(f->item[i].object);
		own_free char *text = text_escape(f->item[i].text);

		printf("%s\t%s\t%s\n", f->item[i].kind, object, text);
	}
}

/* What the user should know when the file is written. */
static void print_excludes(const struct hw *hw, const char *file)
{
	fprintf(stderr, "vzhwcalc: the configuration is in %s\n", file);
	if (hw->excludes.n)
		fprintf(stderr, "These need not or must not be copied (--exclude):\n");
	for (size_t i = 0; i < hw->excludes.n; i++)
		fprintf(stderr, "  %-28s %s\n", hw->excludes.item[i].pattern,
			hw->excludes.item[i].reason);
	if (!hw->distribution)
		fprintf(stderr, "The distribution is not known: give pmigrate -d NAME.\n");
}

static int run(const struct options *o, struct err *e)
{
	struct hw hw = { 0 };
	own_notices struct notices found = NOTICES_INIT;
	int ret = -1;

	if (measure(&hw.usage, o, e) < 0 || probe_server(&hw, &o->detect, e) < 0)
		goto out;
	if (o->out && write_config(&hw, o, e) < 0)
		goto out;
	if (o->scan) {
		scan_server(&found, &hw, WALK_SECONDS);
		if (o->quota)
			quota_scan(&found, &hw, o->quota);
		print_notices(&found);
	} else if (o->out && strcmp(o->out, "-") != 0) {
		print_excludes(&hw, o->out);
	}
	if (fflush(stdout) != 0) {
		err_sys(e, "cannot write to stdout");
		goto out;
	}
	ret = 0;
out:
	hw_fini(&hw);
	return ret;
}

int main(int argc, char **argv)
{
	struct sigaction on_stop = { .sa_handler = on_signal };
	struct options o = { .scale = { 1.5, 1.5 } };
	struct err e = ERR_INIT;
	int ret = parse_options(argc, argv, &o, &e);

	if (!o.out && !o.scan)
		o.out = "ve.conf";
	sigaction(SIGINT, &on_stop, NULL);
	sigaction(SIGTERM, &on_stop, NULL);
	if (ret == 0)
		ret = run(&o, &e);
	strv_fini(&o.detect);
	if (ret >= 0)
		return 0;
	fprintf(stderr, "vzhwcalc: %s\n", e.msg);
	if (e.hint[0])
		fprintf(stderr, "  %s\n", e.hint);
	return e.code == ERR_USAGE ? 1 : 2;
}
