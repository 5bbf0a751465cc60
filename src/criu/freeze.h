/* SPDX-License-Identifier: MIT */
/*
 * criu/freeze.h - stopping every process of a container at once, and never
 * leaving it stopped by accident.
 *
 * The cgroup freezer (v1 `freezer.state`, v2 `cgroup.freeze`) stops them where they
 * are: no signal, nothing a process could see; thawing is one write.  (One exception: a process
 * that is stopped by a signal, on v1, see freeze.c.)  Both ends use it:
 *
 *	source       freezer_open ── freezer_freeze ── … ── freezer_disarm ── COMMIT
 *	                  └ guard: thaws when this process dies before disarm
 *	destination  freezer_open ── CRIU at "pre-resume": freezer_freeze ── HELD
 *	                  ── COMMIT ── freezer_thaw
 *
 * The guard is a process of its own that waits for the end of a pipe: it costs
 * nothing, survives any death of ours, and is started before the freeze.  A CRIU that dumps holds
 * that pipe, too: it ends what it has begun when we die, and leaves the cgroup frozen as it found it.
 */
#ifndef CRIU_FREEZE_H
#define CRIU_FREEZE_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/spawn.h"

struct freezer {
	char *dir;	     /* the cgroup's directory, owned: CRIU's freeze_cgroup */
	bool v2;
	int control;	     /* freezer.state or cgroup.freeze */
	int events;	     /* v2: cgroup.events */
	struct child guard;
};

#define FREEZER_INIT { .control = -1, .events = -1, .guard = CHILD_INIT }
#define own_freezer __attribute__((cleanup(freezer_close)))

/*
 * The cgroup directory `name` ("/pmigrate/101", as the first line of /proc/PID/cgroup would show it) in
 * the hierarchy that can freeze; name NULL: the one `pid` is in.  The caller's; NULL
 * with e set.
 */
char *freezer_find(pid_t pid, const char *name, struct err *e);

/* guarded: start the guard; it thaws the cgroup when we are gone. */
int freezer_open(struct freezer *f, const char *dir, bool guarded, struct err *e);

/* Until all are stopped, at most timeout_ms; after a failure the cgroup is thawed. */
int freezer_freeze(struct freezer *f, int timeout_ms, struct err *e);
int freezer_thaw(struct freezer *f, struct err *e);

/* Only says so: for tasks that are held by ptrace and will stop when they are let go. */
int freezer_order(struct freezer *f, struct err *e);

/* Are all stopped now? 1, 0, or -1. */
int freezer_is_frozen(struct freezer *f, struct err *e);

/* Open on the file that freezes and thaws, for a CRIU in the cgroup's namespace, which may not write it if it opens it itself: borrowed. */
int freezer_control_fd(const struct freezer *f);

/* The guard's pipe, for a process that it shall wait for as for us: borrowed; -1: there is no guard. */
int freezer_guard_fd(const struct freezer *f);

/* Waits until no CRIU traces process `pid`, as one that outlived its command may, at most timeout_ms.  At its end it freezes the
 * cgroup again, as it found it: so before a thaw. */
void freezer_wait_for_criu(pid_t pid, int timeout_ms);

/* Before COMMIT is written: from now on a death of ours leaves the container frozen. */
int freezer_disarm(struct freezer *f, struct err *e);

/* With the guard still armed: thaws. */
void freezer_close(struct freezer *f);

#endif
