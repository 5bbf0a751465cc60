/* SPDX-License-Identifier: MIT */
/*
 * criu/shim/calls.h - system calls that a thread begins again, and signals.
 *
 * CRIU leaves a thread that it stopped inside a call in front of it, where it was saved and where it is restored, or has
 * the call fail with EINTR.  A signal that comes before the thread runs, even one that waited, runs its handler before the
 * call then: a pause() that it should have ended waits for ever, and so does read() with an alarm() for its limit.
 * Told that the thread is inside the call, the kernel does what it does for a signal: it ends the call
 * with EINTR, or has it made again.
 *
 * x86-64's calls, by signal(7).  Pure; no library but libc.
 */
#ifndef CRIU_SHIM_CALLS_H
#define CRIU_SHIM_CALLS_H

#include <stdbool.h>
#include <stdint.h>

/* What the kernel has for a program to never see (linux/errno.h). */
enum {
	CALL_AGAIN = 512,	     /* ERESTARTSYS: again when there is no handler, or it has SA_RESTART */
	CALL_AGAIN_NO_HANDLER = 514, /* ERESTARTNOHAND: again when there is no handler */
	CALL_CONTINUE = 516,	     /* ERESTART_RESTARTBLOCK: the kernel knows how it goes on */
};

/* How a signal ends this call while it waits: one of the first two, or 0 for a call that is not known to wait
 * for things outside. */
int shim_call_ends(uint64_t nr, const uint64_t arg[static 6]);

/* A call that the kernel goes on with as restart_syscall: do its arguments say all, so that it may as well be made again?
 * A sleep whose caller did not ask for the rest begins as a whole: it lasts longer. */
bool shim_call_may_begin_again(uint64_t nr, const uint64_t arg[static 6]);

/* May the kernel go on with it as restart_syscall? */
bool shim_call_is_continued(uint64_t nr);

#endif
