/* SPDX-License-Identifier: MIT */
/*
 * engine/ugquota.h - user and group quotas of a Container, as text and in the
 * kernel.
 *
 * Text: one line an id, `u|g ID BLOCK-SOFT BLOCK-HARD INODE-SOFT INODE-HARD`, blocks of
 * 1 KiB, as vzhwcalc --quota prints them.
 */
#ifndef ENGINE_UGQUOTA_H
#define ENGINE_UGQUOTA_H

#include <stdbool.h>
#include <stdint.h>

struct ugquota {
	bool group;
	uint32_t id;
	uint64_t block_soft_kib, block_hard_kib, inode_soft, inode_hard;
};

/* One line, up to its newline or the end; *at moves behind it.  1: read, 0: the end,
 * -1: a line that is none (skipped).  Pure. */
int ugquota_line(const char **at, struct ugquota *out);

/*
 * Sets them on the file system of `area`, when it is the Container's own one: a quota
 * counts for a whole file system, and a shared one's ids are everybody's.  *set and *left
 * count; *why (fresh, NULL when left is 0) tells what stands in the way.
 */
void ugquota_apply(const char *area, const char *text, unsigned *set, unsigned *left,
		   char **why);

#endif
