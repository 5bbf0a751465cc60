/* SPDX-License-Identifier: MIT */
/*
 * move/online/source.h - the source's part of the online move: the steps between the copy of
 * the files and the commit.
 *
 *	open      the agent registers it and makes namespaces, cgroups, network
 *	ready     our CRIU, the freeze's guard; what CRIU would refuse ends it here
 *	memory    rounds of pre-copy (not with --noiter)
 *	arm       the agent starts all that the restore needs
 *	freeze    ─┐
 *	save       │ dump, last pages and last files beside each other     downtime
 *	restore    │ images over; restored and held there: READY
 *	commit    ─┘
 *	follow    its memory is complete there (lazy: pages follow)
 */
#ifndef MOVE_ONLINE_SOURCE_H
#define MOVE_ONLINE_SOURCE_H

#include <stdbool.h>

#include "move/source.h"

void online_fini(struct online *o);

/* The steps' functions; ctx is the struct source. */
bool online_wanted(const void *ctx);
int online_step_open(void *ctx, struct err *e);
int online_step_ready(void *ctx, struct err *e);
void online_undo_ready(void *ctx);
int online_step_memory(void *ctx, struct err *e);
int online_step_arm(void *ctx, struct err *e);
int online_step_freeze(void *ctx, struct err *e);
void online_undo_freeze(void *ctx);
int online_step_save(void *ctx, struct err *e);
int online_step_restore(void *ctx, struct err *e);
/* Immediately before the source's journal says committed. */
int online_before_commit(struct source *s, struct err *e);
/* It runs there: what waited for it here is sent on. */
void online_after_commit(struct source *s);
int online_step_follow(void *ctx, struct err *e);

/*
 * --dry-run: how much memory there is and how fast it changes.  begin arms all pages; read,
 * some time later, gives the bytes in use and those written a second meanwhile; end takes the
 * tracking away again.  An error of begin says why memory cannot be tracked.
 */
struct online_watch {
	struct track *track;
	uint64_t armed_ns;
};
int online_watch_begin(struct source *s, struct online_watch *w, struct err *e);
int online_watch_read(struct online_watch *w, uint64_t *bytes, double *bps, struct err *e);
void online_watch_end(struct online_watch *w); /* fine when begin failed */

/* Before the freeze the container and its neighbours go first, from then on this command, its ssh and its CRIU
 * do. */
void online_be_gentle(struct source *s, bool gentle);

/* Fills the account: mode, rounds, parts of the downtime. */
void online_account(const struct source *s, struct account *a);

#endif
