/* SPDX-License-Identifier: MIT */
/* base/prio.h - who goes first where there are not CPUs enough for all. */
#ifndef BASE_PRIO_H
#define BASE_PRIO_H

#include <sys/types.h>

/* As much nicer than usual, beside programs that people wait for. */
enum { PRIO_GENTLE = 10 };

/* Our niceness of this moment. */
int prio_get(void);

/* Gives every thread of a process this niceness (their children start with it).  Where that is not allowed things
 * go on as they were. */
void prio_set(pid_t pid, int nice);

#endif
