/* SPDX-License-Identifier: MIT */
/*
 * criu/save_watch.h - inotify watches that CRIU saved by file handle only.
 *
 * A handle means nothing on another server's file system.  CRIU 4.2 finds no path for a watch on a
 * symlink itself (systemd's on /etc/localtime).  Such a watch gets the link's path; CRIU then
 * watches what the link leads to, or its directory when that is not there.
 */
#ifndef CRIU_SAVE_WATCH_H
#define CRIU_SAVE_WATCH_H

#include "base/err.h"

/* Mends files.img of a dump.  `rootfs`: where the container's root is mounted here. */
int save_watches(int images, const char *rootfs, struct err *e);

#endif
