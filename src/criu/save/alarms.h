/* SPDX-License-Identifier: MIT */
/*
 * criu/save/alarms.h - timers that went off while CRIU looked.
 *
 * CRIU saves the signals that wait for a process, and some milliseconds later its timers.  What goes off between
 * is in neither: the timer has its next time or none, and its signal was not there yet.  A program that waits for
 * its only alarm would wait for ever.  The preload library lists what waits when CRIU lets the threads go
 * (shim_text.h); what was added since CRIU looked, by a timer whose time is over, is added to the images.
 * Without the library it is as CRIU has it.
 */
#ifndef CRIU_SAVE_ALARMS_H
#define CRIU_SAVE_ALARMS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "criu/img.pb-c.h"
#include "criu/shim/text.h"
#include "mem/procs.h"

/*
 * Pure.  *queue (NULL: empty) is one of a process with these timers, in the images; `now` are the n signals that
 * wait in it now, in the kernel's order.  Returns whether some were added.
 */
bool alarms_add(Img__SignalQueue **queue, const Img__TaskTimers *timers, const struct shim_signal *now, size_t n,
		uint64_t dump_ns);

/* `signals`: the library's list; these processes are stopped since before the dump, which took dump_ns and is in `images`. */
int alarms_mend(int images, const struct shim_signal *signals, size_t n_signals, const struct proc *p, size_t n,
		uint64_t dump_ns, struct err *e);

#endif
