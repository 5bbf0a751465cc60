/* SPDX-License-Identifier: MIT */
/*
 * tree/known.h - block hashes of large files at the destination, remembered
 * while their contents are written: a later pass need not read the file here
 * to compare it.
 *
 *	known_data, known_zeros	what was written where
 *	known_seal		the file is complete; from now on any change that is
 *				not told here shows in its ctime, and the hashes are
 *				of no use
 *	known_open		for a file that still is as it was sealed
 *
 * Only what lies behind the first KNOWN_FROM bytes of a file is remembered, so
 * that many files of middle size cost nothing.  The hashes lie in an unnamed
 * file, 8 KiB for 32 MiB of contents; in memory are 4 bytes for that.
 * What cannot be kept is forgotten: that is never an error.  Safe from several
 * threads; one file's blocks are told by one thread at a time or apart.
 */
#ifndef TREE_KNOWN_H
#define TREE_KNOWN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "tree/msg.h"

#define KNOWN_FROM (UINT64_C(32) << 20)

struct known;

struct known *known_new(void);
void known_free(struct known *k); /* NULL is fine */

/* `fresh`: the file was made in this pass, what is not written is a hole. */
void known_data(struct known *k, ino_t ino, bool fresh, const void *data, uint64_t len,
		uint64_t offset);
/* A run of zeros; hole: as a hole. */
void known_zeros(struct known *k, ino_t ino, bool fresh, bool hole, uint64_t len,
		 uint64_t offset);
/* The hash of the block at `offset`, by somebody who has read it. */
void known_sum(struct known *k, ino_t ino, const uint8_t sum[TREE_SUM], uint64_t offset);
void known_seal(struct known *k, const struct stat *st);
void known_forget(struct known *k, ino_t ino);

/* Is this file as it was sealed? */
bool known_open(struct known *k, const struct stat *st);
/* The hashes of up to `max` blocks of such a file from the one at `offset` on (all zero: a
 * hole); how many there are before one that must be read.  One call reads no more than 32 MiB's. */
size_t known_get(struct known *k, ino_t ino, uint64_t offset, uint8_t (*sums)[TREE_SUM], size_t max);

/* The XXH3-128 of a block, as it travels. */
void known_hash(const void *block, size_t len, uint8_t sum[TREE_SUM]);

#endif
