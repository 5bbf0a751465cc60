/* SPDX-License-Identifier: MIT */
/*
 * commit/guard.h - what happens when the source's pmigrate is killed.
 *
 * A small process (pmigrate agent --guard) is forked at the start, in a session of its own.  When its
 * parent dies without having stood it down, it runs `pmigrate recover ID`:
 * the container is running again, or the migration is finished, without
 * anybody having to type.  It is a convenience: the journal alone suffices.
 */
#ifndef COMMIT_GUARD_H
#define COMMIT_GUARD_H

#include "base/err.h"

struct guard {
	int fd; /* -1: none */
};

#define GUARD_INIT { .fd = -1 }

/* `pmigrate agent --guard`: it. */
void guard_main(void) __attribute__((noreturn));

/* Before any thread is started. */
int guard_start(struct guard *g, struct err *e);
/* From here on it cares for this migration. */
void guard_arm(struct guard *g, const char *id);
/* All is well, or undone by ourselves. */
void guard_stand_down(struct guard *g);

#endif
