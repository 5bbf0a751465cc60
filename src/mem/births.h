/* SPDX-License-Identifier: MIT */
/*
 * mem/births.h - did a task of a pid namespace live and die while nobody looked?
 *
 * A small process of ours inside the namespace reads there which pid was handed out last
 * (/proc/loadavg tells it for the reader's namespace) and whether all pids since the
 * look before are still in use.  It ends with its socket, is no child of any process of the container, and has nothing
 * of the server that root in there could take hold of (births_helper.c).  While it exists the namespace cannot end: it
 * is ended at the freeze, and noticed and reaped when it was killed.
 *
 * Without it (no right to enter) the same is asked of our own namespace, which counts all
 * tasks of this server: then others' short-lived processes count as the container's.
 */
#ifndef MEM_BIRTHS_H
#define MEM_BIRTHS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct births {
	pid_t pid; /* of the helper, here; 0: none */
	int sock;
	uint64_t last; /* pid handed out at the last look; 0: never looked */
};

#define BIRTHS_INIT { 0, -1, 0 }

/* Enters the namespace of `init`; without success b asks our own. */
void births_init(struct births *b, pid_t init);
void births_fini(struct births *b);

/* True: since the last call a task may have been born and ended (or this is the first call). */
bool births_missed(struct births *b);

#endif
