/* SPDX-License-Identifier: MIT */
/*
 * pmigrate/options.h - the command line of a migration.
 *
 *	pmigrate TYPE ADDRESS TYPE ADDRESS [options, anywhere]
 *
 * One table of options per pair of types (the same letter means different
 * things for different pairs) gives the parser, --help, the shell's completion
 * and the check that the manual names every option.
 */
#ifndef PMIGRATE_OPTIONS_H
#define PMIGRATE_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/err.h"
#include "base/strv.h"
#include "plan/job.h"

/* The pairs that have an option table. */
enum pair {
	PAIR_CC = 0, /* c -> c */
	PAIR_INTO,   /* h -> c, v -> c */
	PAIR_VV,     /* v -> v */
	PAIR_MAX
};

enum options_mode { OPTIONS_RUN = 0, OPTIONS_HELP, OPTIONS_VERSION };

struct options {
	enum options_mode mode;
	enum pair pair;
	bool pair_known;     /* for --help: else all pairs are told */
	struct job job;	     /* src.name: the first of names */
	struct strv names;   /* what to migrate, in order; empty for a physical server */
	struct strv warnings;/* options that were given and have no effect */
	struct strv carried; /* the options as words, for another server's pmigrate */
};

#define own_options __attribute__((cleanup(options_fini)))

void options_init(struct options *o);
void options_fini(struct options *o);

/*
 * Understands argv[1..].  Passwords are wiped from argv before it returns, on
 * failure too.  ERR_USAGE with one line saying why; ERR_SAME for a local move that
 * would change nothing.
 */
int options_parse(int argc, char **argv, struct options *out, struct err *e);

/* vzp2v [options] --ctid ID [user[:password]@]host[:port] = pmigrate h … c ID … */
int options_parse_vzp2v(int argc, char **argv, struct options *out, struct err *e);

enum option_arg { OPTION_PLAIN = 0, OPTION_VALUE, OPTION_MAYBE /* --x or --x=value */ };

/* One row of a table. */
struct option_row {
	char letter;	      /* 0: has none */
	const char *name;     /* without "--"; NULL: has none */
	enum option_arg arg;
	const char *arg_name; /* for people: "RATE" */
	const char *values;   /* for completion: words, or "@file", "@dir", NULL */
	bool local;	      /* not carried to another server's pmigrate */
	int (*set)(struct options *o, const char *value, struct err *e);
	const char *help;
};

/* The i-th row for a pair (its own rows, then the common ones); NULL at the end. */
const struct option_row *options_row(enum pair p, size_t i);
/* "c -> c" */
const char *options_pair_text(enum pair p);

/* What fits together (pmigrate/rules.c): called by the parser once all is read. */
int options_rules(struct options *o, struct err *e);

/* --help; for one pair when it is known. */
void options_help(FILE *out, const struct options *o);

#endif
