/* SPDX-License-Identifier: MIT */
/*
 * move/live.h - the progress of a running migration, for those who watch.
 *
 * A thread looks at the mover's atomic counters five times a second: it passes
 * them on to the watcher's (plan/event.h), and once a second rewrites the line
 * in /run/pmigrate/ID that `pmigrate status` shows.  Gone when the migration
 * ends.  Not a journal: nothing is decided by it.
 */
#ifndef MOVE_LIVE_H
#define MOVE_LIVE_H

#include "plan/event.h"
#include "tree/tree.h"

struct live;

/* Starts the thread; NULL when that is not possible (only `status` misses it).  What the
 * first pass will come to (0: not known) is told as long as the mover does not know. */
struct live *live_start(const char *id, const struct tree_progress *tree, uint64_t first_bytes,
			uint64_t first_items, struct progress *out);
/* The phase it is in; any time.  NULL live is fine. */
void live_phase(struct live *l, enum phase p);
void live_stop(struct live *l);

/* The line of migration `id`, or NULL; the caller's. */
char *live_read(const char *id);

#endif
