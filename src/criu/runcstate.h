/* SPDX-License-Identifier: MIT */
/*
 * criu/runcstate.h - runc goes on with a container that runc did not restore.
 *
 * `runc create` made the container's cgroups and wrote its state (/run/runc/ID/
 * state.json, runc 1.1); its waiting init is ended, and the restored first
 * process is put in its place there.  `runc list, exec, kill, delete` then
 * work as with any other.  runc trusts a pid only together with its start time.
 */
#ifndef CRIU_RUNCSTATE_H
#define CRIU_RUNCSTATE_H

#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/* dir: the container's directory, "/run/runc/101".  The old init must be gone or going. */
int runcstate_adopt(const char *dir, pid_t init, struct err *e);

/* Pure: the same state with another first process; the caller's text, NULL with e set. */
char *runcstate_text(const char *state, pid_t init, uint64_t start_ticks, struct err *e);

/* Pure: the start time in /proc/PID/stat, 0 when it cannot be understood.  (A name in it may
 * hold blanks and parentheses.) */
uint64_t stat_start_ticks(const char *stat);

#endif
