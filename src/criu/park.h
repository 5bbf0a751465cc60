/* SPDX-License-Identifier: MIT */
/*
 * criu/park.h - takes CRIU out of the container's cgroup in the middle of a restore: what it forked
 * stays there and will be frozen, and CRIU has to go on.
 *
 * Whoever moves a process between cgroups waits for a grace period of the kernel (4 to 15 ms), if nobody has
 * moved one just before.  So a thread moves us to where we are, again and again, until CRIU may go; then that takes
 * no time.
 */
#ifndef CRIU_PARK_H
#define CRIU_PARK_H

#include <sys/types.h>

#include "base/err.h"

struct park;

/* `dir`: where CRIU shall go, the cgroup that we are in. Before the freeze. */
int park_start(struct park **out, const char *dir, struct err *e);

/* Process `criu` may go now. Does not block. */
void park_go(struct park *p, pid_t criu);

/* Waits until it has gone. */
int park_wait(struct park *p, struct err *e);

/* NULL is fine. */
void park_free(struct park *p);

#endif
