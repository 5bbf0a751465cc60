/* SPDX-License-Identifier: MIT */
/*
 * criu/save/calls.h - system calls that the freeze met half-way, as the images have them.
 *
 * The kernel ends a call for the freeze and would have gone on with it after the thaw.  CRIU has it
 * begun again after the restore, which is the same for nearly every call, or has it fail with EINTR, though
 * no signal came.  What a program would notice of that is mended here:
 *
 *	connect()	its connection was made meanwhile: it has succeeded, for begun again it
 *			would fail with EISCONN
 *	nanosleep(), clock_nanosleep(), poll() without a timeout, FUTEX_WAIT_BITSET
 *			begun again instead of EINTR (shim_call_may_begin_again); a sleep whose
 *			caller did not ask for the rest begins as a whole: it may last longer, but never
 *			shorter
 *
 * poll() and FUTEX_WAIT with a timeout end with EINTR, which their callers must expect: nobody knows how
 * much of it is left.  x86-64 only; elsewhere, and for 32-bit programs, all is as CRIU has it.
 *
 * At the destination, and here when the move is given up, the preload library goes on from there (criu/shim/calls.h).
 */
#ifndef CRIU_SAVE_CALLS_H
#define CRIU_SAVE_CALLS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "criu/img.pb-c.h"
#include "mem/inject/callnote.h"

/* The state (TCP_ESTABLISHED, ...) of the thread's socket `fd`; 0: it is none of TCP, or not known. */
typedef int calls_tcp_state(void *arg, uint32_t fd);

/* Pure.  Returns whether the thread was mended. */
bool calls_mend_thread(Img__Core *core, const struct call_notes *notes, calls_tcp_state *tcp_state, void *arg);

/* All threads, in the directory of a complete dump. */
int calls_mend(int images, const struct call_notes *notes, struct err *e);

#endif
