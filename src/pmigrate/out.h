/* SPDX-License-Identifier: MIT */
/*
 * pmigrate/out.h - everything this program says.
 *
 * The events of a migration go to all of: the screen (terminal, plain lines, or
 * --batch), syslog, and the record that --stats and --report are written from.
 * Log lines go to syslog and, with -v, to the screen.  One lock makes each line
 * whole.  A display thread looks at the progress counters while a phase runs;
 * it lives from the first phase to the end of a migration.
 */
#ifndef PMIGRATE_OUT_H
#define PMIGRATE_OUT_H

#include <stdbool.h>
#include <stdio.h>

#include "base/err.h"
#include "plan/event.h"

struct out;

struct out_opts {
	bool batch, no_progress, verbose;
	const char *report;   /* file, or NULL; borrowed */
	const char *stats;
	FILE *to, *errors;    /* stdout and stderr; not to be used by others meanwhile */
	int terminal;	      /* set by out_new: the descriptor behind `to`, or -1 */
};

/* Sets base/log's sink as well. */
struct out *out_new(const struct out_opts *o);
/* What a migration tells; the same for several, one after the other. */
struct events *out_events(struct out *out);
/* An error that no migration told (command line, connection). */
void out_error(struct out *out, const struct err *e);
/* Was the last error told already, by event_finish or out_error? */
bool out_told(const struct out *out);
void out_warning(struct out *out, const char *text);
/* Writes --stats and --report, frees.  -1: one could not be written (told already). */
int out_close(struct out *out);

#endif
