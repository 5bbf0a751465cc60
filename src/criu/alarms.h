/* SPDX-License-Identifier: MIT */
/*
 * criu/alarms.h - timers that went off while CRIU looked.
 *
 * CRIU saves the signals that wait for a process, and some milliseconds later its timers.  What goes off between
 * is in neither: the timer has no time left, its signal was not there yet.  A program that waits for
 * its only alarm would wait for ever.  The process still has the signal when the dump is complete; so a timer at zero whose
 * signal waits now and is not in the images is given the shortest time there is.
 */
#ifndef CRIU_ALARMS_H
#define CRIU_ALARMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "criu/img.pb-c.h"
#include "mem/procs.h"

/* Does this signal wait, without being in the images: for the process (thread 0) or one thread (its number in the container)? */
typedef bool alarms_lost(void *arg, uint32_t thread, uint32_t signal);

/* Pure.  `core` is that of a process's first thread.  Returns whether one of its timers was changed. */
bool alarms_mend_process(Img__Core *core, alarms_lost *lost, void *arg);

/* These processes, which are stopped since before the dump; `images`: a complete one. */
int alarms_mend(int images, const struct proc *p, size_t n, struct err *e);

#endif
