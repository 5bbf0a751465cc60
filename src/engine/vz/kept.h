/* SPDX-License-Identifier: MIT */
/*
 * engine/vz/kept.h - what a migration left behind: containers that live elsewhere now, whose config and private area
 * here have the suffix .migrated (vz_retire).  They cannot be started; "101.migrated" names one.
 */
#ifndef ENGINE_VZ_KEPT_H
#define ENGINE_VZ_KEPT_H

#include "engine/vz/vz.h"

#define VZ_KEPT_SUFFIX ".migrated"

/* By id; *out is an array of *n, each of which the caller ends by ct_fini, with the id and the area they have now. */
int vz_kept_list(struct ct **out, size_t *n, struct err *e);
/* "101.migrated"; ERR_ABSENT. */
int vz_kept_find(const char *id, struct ct *out, struct err *e);
/* Removes area, config and scripts.  The caller has the lock of the id without the suffix. */
int vz_kept_destroy(const struct ct *kept, struct err *e);
/* The id without the suffix, the caller's; NULL when it has none. */
char *vz_kept_origin(const char *id);

#endif
