/* SPDX-License-Identifier: MIT */
/*
 * vzhwcalc/walk.h - looks at every file that would be copied: which extended
 * attributes there are, and which licences are bound to a network card.
 */
#ifndef VZHWCALC_WALK_H
#define VZHWCALC_WALK_H

#include "vzhwcalc/scan.h"

/* Adds "xattr" notices (one a name, with the number of files and an example),
 * "mac-licence" ones, and "unfinished" when `seconds` were not enough. */
void walk_scan(struct notices *f, const struct hw *hw, unsigned seconds);

#endif
