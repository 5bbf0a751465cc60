/* SPDX-License-Identifier: MIT */
/*
 * criu/cgroups.h - in which cgroups a process is, whatever hierarchies this
 * server has, and putting another process into the same.
 */
#ifndef CRIU_CGROUPS_H
#define CRIU_CGROUPS_H

#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

/* Where a hierarchy is mounted: of a v1 controller ("freezer", "name=systemd"), or with NULL the
 * v2 one.  The caller's; NULL when it is not. */
char *cgroups_mount(const char *controller);

/* The directory that `pid` is in, in that hierarchy; "/" is the mount itself.  The caller's;
 * NULL with e set. */
char *cgroups_dir(pid_t pid, const char *controller, struct err *e);

/* Puts `pid` where `like` is, in every hierarchy.  Takes a millisecond each on v1: not in
 * the freeze. */
int cgroups_join(pid_t pid, pid_t like, struct err *e);

/*
 * Looks at each file in and below the directory `at` of a process's tree, so that the kernel knows its name.  CRIU opens what an
 * inotify watches by its handle and asks for its path (criu/fsnotify.c); when memory was short since somebody last used the name,
 * there is none, and CRIU 4.2 saves the handle, which means nothing at the destination.  Half a millisecond a directory at most.
 */
void cgroups_recall(pid_t pid, const char *at);

/* The line of a /proc/PID/cgroup text for a controller, or with NULL the v2 one ("0::PATH"):
 * its path, borrowed, length in *len; NULL when there is none.  Pure. */
const char *cgroup_line_path(const char *text, const char *controller, size_t *len);

#endif
