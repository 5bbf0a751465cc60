// SPDX-License-Identifier: MIT
#include "wire/bucket.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/own.h"

struct bucket {
	pthread_mutex_t lock;
	double rate;   /* bytes per ns */
	double burst;  /* most that can be saved up */
	double tokens; /* may be negative: debt */
	uint64_t at;   /* when tokens was right */
	bool open;
};

struct bucket *bucket_new(uint64_t rate_bps)
{
	struct bucket *b = xcalloc(1, sizeof(*b));

	pthread_mutex_init(&b->lock, NULL);
	b->rate = (double)rate_bps / 1e9;
	b->burst = (double)rate_bps / 20;
	if (b->burst < 64 << 10)
		b->burst = 64 << 10;
	b->at = clock_ns();
	return b;
}

void bucket_free(struct bucket *b)
{
	if (!b)
		return;
	pthread_mutex_destroy(&b->lock);
	free(b);
}

/* Pays; returns how many ns the payer must wait for its debt to be gone. */
static uint64_t pay(struct bucket *b, uint64_t bytes)
{
	uint64_t now, wait = 0;

	pthread_mutex_lock(&b->lock);
	now = clock_ns();
	b->tokens += (double)(now - b->at) * b->rate;
	if (b->tokens > b->burst)
		b->tokens = b->burst;
	b->at = now;
	if (!b->open)
		b->tokens -= (double)bytes;
	if (b->tokens < 0 && !b->open)
		wait = (uint64_t)(-b->tokens / b->rate);
	pthread_mutex_unlock(&b->lock);
	return wait;
}

void bucket_take(struct bucket *b, uint64_t bytes)
{
	uint64_t wait = b ? pay(b, bytes) : 0;

	if (wait > 1000000)
		clock_sleep_ms((unsigned)(wait / 1000000));
}

void bucket_open(struct bucket *b, bool open)
{
	if (!b)
		return;
	pthread_mutex_lock(&b->lock);
	b->open = open;
	pthread_mutex_unlock(&b->lock);
}

void bucket_debit(struct bucket *b, uint64_t bytes)
{
	if (b)
		pay(b, bytes);
}
