/* SPDX-License-Identifier: MIT */
/*
 * commit/ticket.h - the lock of a container, kept for a migration by its id (engine/engine.h: lock).
 *
 * A migration ends in its journal first and gives its lock back then; who dies in between leaves a ticket of a migration that has
 * ended.  Such a ticket holds nothing: whoever meets it here clears it.
 */
#ifndef COMMIT_TICKET_H
#define COMMIT_TICKET_H

#include "commit/journal.h"
#include "engine/engine.h"

/* Takes the lock of container `ct` for migration `id`.  ERR_LOCKED: somebody has it, or an unfinished migration. */
int ticket_take(const struct engine_ops *ops, const char *ct, const char *why, const char *id, int *lock_fd, struct err *e);

/* Clears what the ended migration `id` has left; does nothing while it has not ended, or runs. */
void ticket_sweep(const char *id, enum journal_role role);

#endif
