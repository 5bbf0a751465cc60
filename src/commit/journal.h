/* SPDX-License-Identifier: MIT */
/*
 * commit/journal.h - what a migration has done so far, so that a crash at any
 * instant can be undone or finished.
 *
 * One small text file per migration and end, ID.ROLE in journal_dir().  Lines are
 * "key value", appended and fsync'ed one by one; a later line of the same key
 * wins; a last line without newline was never written, and is cut off when the journal is resumed.  Only the process that
 * holds the file's flock may append.
 *
 * The state is itself such a line ("state WORD") and only ever goes down this list:
 *
 *	source   active ─> committed ─> done	 destination   active ─> ready ─> committed ─> done
 *		    └──> undone <──┘ (refused)			 └────────┴──> undone <──┘
 *
 * "committed" of the source is the one moment that decides who has the container.
 */
#ifndef COMMIT_JOURNAL_H
#define COMMIT_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

/* /var/lib/pmigrate, or what PMIGRATE_STATE_DIR says (tests). */
const char *journal_dir(void);

enum journal_state {
	JOURNAL_NONE = 0, /* there is no such migration here */
	JOURNAL_ACTIVE,
	JOURNAL_READY,
	JOURNAL_COMMITTED,
	JOURNAL_DONE,
	JOURNAL_UNDONE,
};

enum journal_role { ROLE_SOURCE, ROLE_DEST };

enum { JOURNAL_ID_MAX = 80 };

struct journal; /* open, and ours */

const char *journal_state_word(enum journal_state s);

/* "101-20261122T141516-3f9c2a7b": the container's id, the time, 32 random bits. */
void journal_make_id(char out[static JOURNAL_ID_MAX], const char *ct_id);
/* Letters, digits, '-', '_' and '.', not beginning with '.', fitting JOURNAL_ID_MAX. */
bool journal_id_ok(const char *id);

/* A new one, state active.  ERR_EXISTS when there is one. */
int journal_create(const char *id, enum journal_role role, struct journal **out,
		   struct err *e);

/* Could one be created?  Creates nothing. */
int journal_may_write(struct err *e);

/* An existing one.  ERR_ABSENT; ERR_LOCKED when its process lives (*owner, may be NULL). */
int journal_resume(const char *id, enum journal_role role, struct journal **out, pid_t *owner,
		 struct err *e);
void journal_free(struct journal *j); /* NULL is fine */

const char *journal_id(const struct journal *j);

/* Appends and syncs; on failure the line is not there.  The value must not contain a newline.  Fault points of either end
 * (base/fault.h): "journal.KEY", "journal.KEY.written" before it is synced; of a state, KEY is its word. */
int journal_put(struct journal *j, const char *key, const char *value, struct err *e);
int journal_set_state(struct journal *j, enum journal_state s, struct err *e);
enum journal_state journal_get_state(const struct journal *j);
/* The value, or NULL; borrowed until the next put. */
const char *journal_get(const struct journal *j, const char *key);

/* The ids of all journals of this role, oldest first; *out is a NULL-terminated
 * array, the caller's (each and it). */
int journal_list(enum journal_role role, char ***out, struct err *e);

/* Reads one without owning it: for status.  *live: its process is running. */
int journal_peek(const char *id, enum journal_role role, struct journal **out, bool *live,
		 struct err *e);

/* Removes finished ones that are older than 30 days or beyond the newest 200. */
void journal_prune(void);

#endif
