/* SPDX-License-Identifier: MIT */
/*
 * vzhwcalc/quota.h - the user and group quotas of one partition.
 */
#ifndef VZHWCALC_QUOTA_H
#define VZHWCALC_QUOTA_H

#include "vzhwcalc/scan.h"

/* Adds a "limit" notice for every id that has one, whose object is the line
 * `u|g ID BLOCK-SOFT BLOCK-HARD INODE-SOFT INODE-HARD` (KiB); none when `dir` is no mount
 * with quotas. */
void quota_scan(struct notices *f, const struct hw *hw, const char *dir);

/* The ids of a passwd or group file, in its third field.  Pure; the caller's array. */
unsigned *quota_ids(const char *text, size_t *n);

#endif
