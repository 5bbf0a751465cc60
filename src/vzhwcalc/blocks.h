/* SPDX-License-Identifier: MIT */
/*
 * vzhwcalc/blocks.h - block devices whose content is not files: it stays behind.
 */
#ifndef VZHWCALC_BLOCKS_H
#define VZHWCALC_BLOCKS_H

#include "vzhwcalc/scan.h"

/* Adds "raw-device" notices: bound raw devices, block devices that a process has
 * open; and "unused-device" ones: partitions and volumes that are neither mounted
 * nor swap nor part of another device. */
void blocks_scan(struct notices *f, const struct hw *hw);

#endif
