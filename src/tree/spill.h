/* SPDX-License-Identifier: MIT */
/*
 * tree/spill.h - bytes that are needed later in a pass and must not stay in
 * memory: an append-only file without a name, written and read in large
 * pieces.  Appending is safe from several threads.
 */
#ifndef TREE_SPILL_H
#define TREE_SPILL_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct spill;

/* The file is made when the first 64 KiB are full: below /var/tmp, else /tmp. */
struct spill *spill_new(void);
void spill_free(struct spill *s); /* NULL is fine */

/* Appends one item; *at (may be NULL) is where it begins. */
int spill_put(struct spill *s, const void *data, size_t len, uint64_t *at, struct err *e);
uint64_t spill_size(const struct spill *s);
/* Exactly len bytes from `at`. */
int spill_read(struct spill *s, uint64_t at, void *data, size_t len, struct err *e);
/* Forgets everything. */
int spill_clear(struct spill *s, struct err *e);

#endif
