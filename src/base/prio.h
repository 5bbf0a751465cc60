/* SPDX-License-Identifier: MIT */
/* base/prio.h - who goes first where there are not CPUs enough for all. */
#ifndef BASE_PRIO_H
#define BASE_PRIO_H

#include <sys/types.h>

/* Our niceness of this moment. */
int prio_get(void);

/* One for work beside programs that people wait for: more than that of this moment, if we may come back from there (that takes
 * CAP_SYS_NICE), else the same. */
int prio_gentle(void);

/* One for what all of it waits for: less than a usual one. */
int prio_first(int usual);

/* Gives every thread of a process this niceness (their children start with it).  Where that is not allowed things
 * go on as they were. */
void prio_set(pid_t pid, int nice);

/* The same for the calling thread alone; those that it starts begin with it. */
void prio_thread(int nice);

#endif
