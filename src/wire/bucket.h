/* SPDX-License-Identifier: MIT */
/*
 * wire/bucket.h - one token bucket over all streams of a migration (--limit).
 *
 * A sender first pays, then sends: bucket_take blocks until the bytes fit the
 * rate.  The bucket may go into debt by one payment, so that frames larger
 * than the burst pass.  Safe to share between threads.
 */
#ifndef WIRE_BUCKET_H
#define WIRE_BUCKET_H

#include <stdbool.h>
#include <stdint.h>

struct bucket;

/* rate in bytes a second, > 0; the burst is 50 ms' worth, at least 64 KiB. */
struct bucket *bucket_new(uint64_t rate_bps);
void bucket_free(struct bucket *b);
/* NULL: no limit, returns at once. */
void bucket_take(struct bucket *b, uint64_t bytes);
/* Pays without waiting: for what must not be late (control). */
void bucket_debit(struct bucket *b, uint64_t bytes);
/* While it is open (the frozen window) nobody pays or waits, nor for what was paid in it.  NULL is fine. */
void bucket_open(struct bucket *b, bool open);

#endif
