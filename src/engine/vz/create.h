/* SPDX-License-Identifier: MIT */
/* engine/vz/create.h - new native containers, and the end of old ones. */
#ifndef ENGINE_VZ_CREATE_H
#define ENGINE_VZ_CREATE_H

#include "engine/vz/vz.h"

/* The text of a new container's config: sample NAME (CONFIGFILE of vz.conf when NULL) without
 * what belongs to one container only.  A sample that is not asked for may be missing. */
int vz_sample(const char *name, struct conf *out, struct err *e);

/* Makes private area and registers: ct tells id, name and paths; config the rest.  template:
 * see template_unpack.  same_identity: the tree is a backup of it, not a template (vz_identity.h).  After a failure
 * there is nothing.  The caller has the lock. */
int vz_create(const struct ct *ct, const struct conf *config, const char *template, bool same_identity, struct err *e);

/* Makes an empty private area for an id, registered or not: mkvzfs. */
int vz_make_area(const char *id, char **path, struct err *e);

/* Removes a stopped container with everything.  The caller has the lock. */
int vz_destroy(const struct ct *ct, struct err *e);

#endif
