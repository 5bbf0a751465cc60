/* SPDX-License-Identifier: MIT */
/*
 * engine/lockfile.h - one worker at a time for each thing that can be moved.
 *
 * A file that is flock'ed; the kernel lets go of it when its holder dies, so that there
 * are no stale locks, and the file is never removed.  Its lines:
 *
 *	the holder's process number
 *	what it does, for people
 *	a ticket, perhaps
 *
 * With a ticket the file alone keeps others out, until the release takes its text away: it
 * is written to the disk before the lock counts as taken.
 */
#ifndef ENGINE_LOCKFILE_H
#define ENGINE_LOCKFILE_H

#include "base/err.h"

/* `what` is what is locked, in messages; for the rest see engine.h, lock.  The
 * directories of `file` are made. */
int lockfile_take(const char *file, const char *what, const char *why, const char *ticket,
		  int *lock_fd, struct err *e);
/* Empties and closes it; -1 is fine. */
void lockfile_release(const char *what, int *lock_fd);
/* The ticket in it, whoever has it, or NULL; the caller's. */
char *lockfile_ticket(const char *file);
/* "process 812: moving", or for whom it is kept; NULL when nobody has it.  The caller's. */
char *lockfile_holder(const char *file);

#endif
