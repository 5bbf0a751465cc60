// SPDX-License-Identifier: MIT
/* --help, from the tables. */
#include <string.h>

#include "pmigrate/options.h"

enum { HELP_COLUMN = 30 };

static void help_row(FILE *out, const struct option_row *row)
{
	char left[96];
	int n = 0;

	n += snprintf(left, sizeof(left), row->letter ? "  -%c" : "    ", row->letter);
	if (row->name)
		n += snprintf(left + n, sizeof(left) - (size_t)n, "%s--%s",
			      row->letter ? ", " : "  ", row->name);
	if (row->arg != OPTION_PLAIN)
		n += snprintf(left + n, sizeof(left) - (size_t)n,
			      row->arg == OPTION_MAYBE ? "[=%s]" : row->name ? "=%s" : " %s",
			      row->arg_name);
	if (n < HELP_COLUMN)
		fprintf(out, "%-*s%s\n", HELP_COLUMN, left, row->help);
	else
		fprintf(out, "%s\n%*s%s\n", left, HELP_COLUMN, "", row->help);
}

static size_t own_rows(enum pair p)
{
	const struct option_row *row;
	size_t n = 0;

	/* The common rows begin with --nodeps. */
	while ((row = options_row(p, n)) && (!row->name || strcmp(row->name, "nodeps")))
		n++;
	return n;
}

static void help_pair(FILE *out, enum pair p)
{
	size_t n = own_rows(p);

	fprintf(out, "\nOptions of %s:\n", options_pair_text(p));
	for (size_t i = 0; i < n; i++)
		help_row(out, options_row(p, i));
}

void options_help(FILE *out, const struct options *o)
{
	const struct option_row *row;

	fputs("Usage: pmigrate TYPE ADDRESS TYPE ADDRESS [OPTION...]\n"
	      "       pmigrate recover [ID]     finish or undo what a crash left in between\n"
	      "       pmigrate status           running and unfinished migrations of this server\n"
	      "\n"
	      "Moves a Container (c), a virtual machine (v) or a physical server (h).\n"
	      "  ADDRESS of h:        [user[:password]@]host[:port]\n"
	      "  ADDRESS of c and v:  [[user[:password]@]host[:port]/]NAME\n"
	      "No host means this server; a destination may leave out the name.\n"
	      "  pmigrate c 101 c root@other           (a Container, stopped for the move)\n"
	      "  pmigrate c 101 c root@other --online  (a running one, nobody notices)\n",
	      out);
	for (int p = 0; p < PAIR_MAX; p++) {
		if (!o->pair_known || (int)o->pair == p)
			help_pair(out, (enum pair)p);
	}
	fputs("\nOptions of all:\n", out);
	for (size_t i = own_rows(o->pair); (row = options_row(o->pair, i)); i++)
		help_row(out, row);
	fputs("\nSee pmigrate(1).\n", out);
}
