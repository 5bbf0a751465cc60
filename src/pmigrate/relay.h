/* SPDX-License-Identifier: MIT */
/*
 * pmigrate/relay.h - a migration that another server's pmigrate carries out.
 *
 *	here  ── ssh ──> pmigrate relay            on the server that does the work:
 *	      request: options, addresses, secrets  the source of c -> c and v -> v,
 *	      <── events, one JSON object a line    the destination of h -> c, v -> c
 *
 * The data goes straight between the two.  Our stdin there is the life line: when
 * it ends, the migration is cancelled and undone.  Passwords travel in the
 * request, never in an argument.
 */
#ifndef PMIGRATE_RELAY_H
#define PMIGRATE_RELAY_H

#include "base/buf.h"
#include "plan/event.h"
#include "pmigrate/options.h"

#define RELAY_GREETING "PMIGRATE-RELAY-1"

/* Is the server that does the work another one? */
bool relay_wanted(const struct job *j);

/* Has o->job done there (src.name is the one container), telling ev what it tells. */
int relay_run(const struct options *o, struct events *ev, struct err *e);

/* What the working server is asked.  Plain, owned. */
struct relay_request {
	struct strv words;	   /* options and operands, as on a command line */
	char *source_password, *destination_password; /* or NULL */
	/* The operand (its number, 1 or 3) that is the asking server itself, or 0; its
	 * place in words has only the name behind "HOST/". */
	uint8_t caller;
	char *user;		   /* to log in with there */
};

void relay_request_fini(struct relay_request *q);
void relay_request_put(struct buf *b, const struct relay_request *q);
/* Pure, capped.  Empty after a failure. */
int relay_request_get(struct reader *r, struct relay_request *q, struct err *e);

/*
 * One line of the far end.  Pure but for what ev does with it.  *done is set by the
 * last event; e then says how it ended (untouched when well).  Anything that is
 * not an event is ignored: the far end may be newer.
 */
void relay_tell(const char *line, const struct job *j, struct events *ev, bool *done,
		struct err *e);

#endif
