/* SPDX-License-Identifier: MIT */
/*
 * mem/inject/vfork.h - is a process just starting a program?  Between vfork(2) (posix_spawn(3) uses it) and
 * the exec, parent and child share their memory and the parent cannot be stopped by a tracer: CRIU
 * can save neither.  It is over in a millisecond; so whoever has frozen a container looks, and lets
 * it run on for a moment.
 */
#ifndef MEM_INJECT_VFORK_H
#define MEM_INJECT_VFORK_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Of these processes, which are frozen: does one wait for its child's exec?  Some 10 us for each. */
bool vfork_waits(const pid_t *pid, size_t n);

#endif
