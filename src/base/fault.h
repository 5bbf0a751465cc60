/* SPDX-License-Identifier: MIT */
/*
 * base/fault.h - named places where a test may break us.
 *
 * PMIGRATE_FAULT="PLACE:ACTION[,…]" in the environment of either end.  A PLACE is
 * "source.STEP", "source.STEP.done", "agent.REQUEST" or "agent.REQUEST.done" (the names
 * that --verbose logs), or "source.memory.stopped" (in a round that stops the container, see mem/track/soft.h), or inside a journal
 * write (commit/journal.h: journal_put); an ACTION is
 *	kill	SIGKILL to this process
 *	exit	this process ends at once, without undo
 *	fail	the step fails with an error
 *	stop	SIGSTOP to this process: the other end sees silence
 *	typed	what ^C on a terminal does: SIGINT to the process group
 *	nospc	the step fails as if the disk were full
 * Without the variable, fault_point costs one compare.
 */
#ifndef BASE_FAULT_H
#define BASE_FAULT_H

#include "base/err.h"

int fault_point(const char *end, const char *place, const char *suffix, struct err *e);

#endif
