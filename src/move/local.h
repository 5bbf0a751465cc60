/* SPDX-License-Identifier: MIT */
/*
 * move/local.h - a local move: the same server, another id, name or place.
 *
 * Nothing is copied when source and destination lie on the same file system:
 * the private area is renamed.
 */
#ifndef MOVE_LOCAL_H
#define MOVE_LOCAL_H

#include "base/err.h"
#include "plan/event.h"
#include "plan/job.h"

int local_run(const struct job *job, struct events *ev, struct err *e);

#endif
