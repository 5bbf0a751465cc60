/* SPDX-License-Identifier: MIT */
/*
 * criu/shim_calls.h - system calls that a restored thread begins again, and signals.
 *
 * A thread that was saved inside a call comes back in front of it, and makes it again when it runs.
 * A signal that comes first, even one that waited, would run its handler before the call: a
 * pause() that it should have ended waits for ever, and so does read() with an alarm() for its limit.
 * Told that the thread is inside the call, the kernel does what it does for a signal: it ends the call
 * with EINTR, or has it made again.  Pure; no library but libc.
 */
#ifndef CRIU_SHIM_CALLS_H
#define CRIU_SHIM_CALLS_H

#include <stdint.h>

/* What the kernel has for the program to never see (linux/errno.h). */
enum {
	CALL_AGAIN = 512,	    /* ERESTARTSYS: again when there is no handler, or it has SA_RESTART */
	CALL_AGAIN_NO_HANDLER = 514, /* ERESTARTNOHAND: again when there is no handler */
};

/* How a signal ends this call of x86-64 while it waits: one of these, or 0 for a call that is not known
 * to wait for things outside.  `arg`: its first four. */
int shim_call_ends(uint64_t nr, const uint64_t arg[static 4]);

#endif
