/* SPDX-License-Identifier: MIT */
/*
 * commit/witness.h - what happens when the agent is killed while a restored container still gets its
 * memory from it.
 *
 * A small process (pmigrate agent --witness ID) of a session of its own holds a duplicate of every
 * userfaultfd.  So the agent's death does not turn pages that are not there yet into
 * zeros: whoever touches one goes on waiting.  Then it looks at the journal:
 *
 *	all memory was there	  nothing is lost; a file of /run/pmigrate says so
 *	not, and it may have run  cuts it off and kills it, before it can see a wrong byte
 *	not, and it was held	  nothing: the source decides, and it will be undone
 *
 * Its own death changes nothing.
 */
#ifndef COMMIT_WITNESS_H
#define COMMIT_WITNESS_H

#include <stdbool.h>

#include "base/err.h"
#include "base/spawn.h"

struct witness {
	struct child child;
	int fd; /* -1: none */
};

#define WITNESS_INIT { .child = CHILD_INIT, .fd = -1 }

/* The journal says which container it is. */
int witness_start(struct witness *w, const char *id, struct err *e);

/* See struct lazy_opts; arg is the witness. */
void witness_met(void *arg, int uffd);
void witness_filled(void *arg);

/* As if the agent had been killed. */
void witness_leave(struct witness *w);
/* Nothing is to be watched any more: it ends. */
void witness_end(struct witness *w);

/* The agent of migration `id` is dead: waits until its witness has done what it had to do, and tells
 * whether all memory was there. */
bool witness_says_filled(const char *id);
/* Once that stands in the journal: removes its files. */
void witness_forget(const char *id);

/* `pmigrate agent --witness ID`, the socket being its stdin; the exit code. */
int witness_main(const char *id);

#endif
