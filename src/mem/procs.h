/* SPDX-License-Identifier: MIT */
/*
 * mem/procs.h - all processes of a container, as the server sees them.
 *
 * A process is known by its pidfd: while that is open, its pid cannot mean
 * somebody else.  Threads are not listed: they share what is asked about.
 */
#ifndef MEM_PROCS_H
#define MEM_PROCS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "mem/births.h"

struct proc {
	pid_t pid;	/* here */
	pid_t vpid;	/* in the container's pid namespace: CRIU's number in image names */
	int pidfd;	/* owned by the procs */
	bool zombie;	/* has no memory */
	bool seen;	/* by the last refresh */
};

struct procs {
	struct proc *v; /* sorted by pid */
	size_t n;
	/* private */
	pid_t init;
	uint64_t ns_ino;
	int depth;	/* of the container's pid namespace: index into NSpid */
	char *cgroup;
	struct births births;
	bool watched;
	uint64_t ended; /* processes that ended since the last refresh */
	bool missed;	/* and some may have been born and ended */
};

#define PROCS_INIT { .v = NULL, .births = BIRTHS_INIT }
#define own_procs __attribute__((cleanup(procs_fini)))

/* The last number of the line of a /proc/PID/status text that begins with `key` ("\nNSpid:"); -1: there is
 * none, or no text.  Pure. */
long proc_status_last(const char *status, const char *key);

/*
 * `init` is a process in the container's pid namespace, its first one.  `cgroup`
 * is the absolute directory of one cgroup hierarchy that holds all of the
 * container's processes (it and its children are read: fast), or NULL (all of
 * /proc is walked).  A process in the cgroup but outside the pid namespace is
 * not the container's.
 */
int procs_init(struct procs *p, pid_t init, const char *cgroup, struct err *e);
void procs_fini(struct procs *p);

/* From now on births are noted: before the first refresh.  It makes a process in the container's
 * namespace; two that watch see each other's. */
void procs_watch(struct procs *p);

/* Looks again: new ones are added, dead ones dropped (their pidfd closed). */
int procs_refresh(struct procs *p, struct err *e);

const struct proc *procs_find(const struct procs *p, pid_t pid);

/* True when between the last two refreshes a task of the container may have lived and
 * died, or died, without being looked at: what it alone could write is unknown.  True for who does
 * not watch. */
bool procs_missed_some(const struct procs *p);

/* No further refresh will be asked whether some were missed: the namespace is let go, and may
 * end.  (A refresh after that says that some were.) */
void procs_last_look(struct procs *p);

#endif
