/* SPDX-License-Identifier: MIT */
/*
 * tree/pool.h - a few threads that work off a short queue, each with its own
 * current directory and umask 0.
 *
 * The first failure stops the work: what is queued or pushed later is dropped.
 */
#ifndef TREE_POOL_H
#define TREE_POOL_H

#include <stdbool.h>

#include "base/err.h"

struct pool;

struct pool_ops {
	/* Works one item off and frees it.  `worker` counts from 0. */
	int (*work)(void *arg, unsigned worker, void *item, struct err *e);
	void (*drop)(void *item); /* frees one that is not wanted any more */
	int wake_fd;		  /* an eventfd to be written on failure, or -1 */
};

int pool_new(struct pool **out, const struct pool_ops *ops, void *arg, unsigned n_threads,
	     unsigned queue_max, struct err *e);
/* Drops what is queued, ends the threads.  NULL is fine. */
void pool_free(struct pool *p);
/* Takes the item in any case; waits while the queue is full; -1 with the first failure. */
int pool_push(struct pool *p, void *item, struct err *e);
/* Waits until all is done; -1 with the first failure. */
int pool_drain(struct pool *p, struct err *e);
bool pool_failed(struct pool *p);

#endif
