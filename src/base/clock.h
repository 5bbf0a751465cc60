/* SPDX-License-Identifier: MIT */
/*
 * base/clock.h - time: durations on the monotonic clock, deadlines, and the
 * text of a moment for logs and journals.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

/* CLOCK_MONOTONIC in nanoseconds. */
uint64_t clock_ns(void);
/* CLOCK_REALTIME in nanoseconds: comparable between servers as far as NTP goes. */
uint64_t clock_real_ns(void);

/* Milliseconds left until `deadline_ns` (of clock_ns), never negative; -1 for
 * the deadline 0, which means none: the form poll(2) takes. */
int clock_left_ms(uint64_t deadline_ns);

/* The deadline `ms` from now; 0 (none) for ms < 0. */
uint64_t clock_deadline(int ms);

void clock_sleep_ms(unsigned ms);

/* "2026-11-22T14:15:16Z" */
void clock_text(char out[static 32], uint64_t real_ns);

#endif
