/* SPDX-License-Identifier: MIT */
/*
 * criu/save/mend.h - what CRIU 4.2 saves in files.img such that it would come back otherwise.
 *
 * Inotify watches by file handle only: a handle means nothing on another server's file
 * system, and CRIU finds no path for a watch on a symlink itself (systemd's on /etc/localtime).
 * Such a watch gets the link's path; CRIU then watches what the link leads to, or its directory
 * when that is not there.
 *
 * Periodic timerfds that have expired unread: the kernel shows no time left for them until they are
 * read, and CRIU would restore them disarmed.  They get a whole period.
 */
#ifndef CRIU_SAVE_MEND_H
#define CRIU_SAVE_MEND_H

#include "base/err.h"

/* Mends files.img of a dump.  `rootfs`: where the container's root is mounted here. */
int save_mend(int images, const char *rootfs, struct err *e);

#endif
