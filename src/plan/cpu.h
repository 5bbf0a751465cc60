/* SPDX-License-Identifier: MIT */
/*
 * plan/cpu.h - which CPU features count.
 *
 * /proc/cpuinfo mixes instructions that a program may be using with what only
 * the kernel cares about, and with remarks.  Only the first can break a
 * program that goes on running on another CPU.
 */
#ifndef PLAN_CPU_H
#define PLAN_CPU_H

#include <stdbool.h>

#include "base/strv.h"

/* May a program notice that this feature vanished? */
bool cpu_flag_counts(const char *flag);

/* Adds to *out the flags of `have` that count and are not in `there`. */
void cpu_missing(const struct strv *have, const struct strv *there, struct strv *out);

#endif
