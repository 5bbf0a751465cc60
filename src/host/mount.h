/* SPDX-License-Identifier: MIT */
/* host/mount.h - bind mounts of containers' trees. */
#ifndef HOST_MOUNT_H
#define HOST_MOUNT_H

#include <stdbool.h>

#include "base/err.h"

/* Is something mounted on exactly this path?  False when it is not there. */
bool mount_is_point(const char *path);

/* Makes the directory `at` and mounts the tree `from` on it, private: nothing that is
 * mounted below spreads. */
int mount_bind(const char *from, const char *at, struct err *e);

/* Unmounts all that is mounted on it; fine when nothing is.  A busy one is detached. */
int mount_remove(const char *at, struct err *e);

#endif
