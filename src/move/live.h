/* SPDX-License-Identifier: MIT */
/*
 * move/live.h - the progress of a running migration, for `pmigrate status`.
 *
 * One line in /run/pmigrate/ID, rewritten about once a second by a thread that
 * looks at the atomic counters; gone when the migration ends.  Not a journal:
 * nothing is decided by it.
 */
#ifndef MOVE_LIVE_H
#define MOVE_LIVE_H

#include "plan/event.h"

struct live;

/* Starts the thread; NULL when that is not possible (only `status` misses it). */
struct live *live_start(const char *id, const struct progress *progress);
/* The phase it is in; any time.  NULL live is fine. */
void live_phase(struct live *l, enum phase p);
void live_stop(struct live *l);

/* The line of migration `id`, or NULL; the caller's. */
char *live_read(const char *id);

#endif
