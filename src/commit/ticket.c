// SPDX-License-Identifier: MIT
#include "commit/ticket.h"

#include <string.h>

#include "base/log.h"
#include "base/own.h"

/* Has it ended at all its ends that are here (a local move has both)? */
static bool migration_ended(const char *id)
{
	bool known = false;

	for (enum journal_role role = ROLE_SOURCE; role <= ROLE_DEST; role++) {
		struct journal *j = NULL;
		enum journal_state now;
		bool live;

		if (journal_peek(id, role, &j, &live, NULL) < 0)
			continue;
		now = journal_get_state(j);
		journal_free(j);
		if (live || (now != JOURNAL_DONE && now != JOURNAL_UNDONE))
			return false;
		known = true;
	}
	return known;
}

/* The ticket on the lock of `ct`, when its migration has ended. */
static void ticket_clear(const struct engine_ops *ops, const char *ct, const char *id)
{
	int fd = -1;

	if (!migration_ended(id) || ops->lock(ct, "its ticket is cleared", id, &fd, NULL) < 0)
		return;
	log_info("%s: the lock that the ended migration %s had left is cleared", ct, id);
	ops->unlock(ct, &fd);
}

int ticket_take(const struct engine_ops *ops, const char *ct, const char *why, const char *id, int *lock_fd, struct err *e)
{
	own_free char *there = ops->ticket ? ops->ticket(ct) : NULL;

	if (there && strcmp(there, id) != 0)
		ticket_clear(ops, ct, there);
	return ops->lock(ct, why, id, lock_fd, e);
}

void ticket_sweep(const char *id, enum journal_role role)
{
	struct journal *j = NULL;
	bool live;

	if (journal_peek(id, role, &j, &live, NULL) < 0)
		return;
	if (journal_get(j, "engine") && journal_get(j, "ct")) {
		const struct engine_ops *ops = engine_by_name(journal_get(j, "engine"));
		own_free char *there = ops && ops->ticket ? ops->ticket(journal_get(j, "ct")) : NULL;

		if (there && strcmp(there, id) == 0)
			ticket_clear(ops, journal_get(j, "ct"), id);
	}
	journal_free(j);
}
