/* SPDX-License-Identifier: MIT */
/*
 * criu/save/watches.h - what the container's programs watch by inotify keeps its name until it is saved.
 *
 * The kernel tells of a watch only the inode.  CRIU opens that by its handle and asks for the path (criu/fsnotify.c); once
 * memory was short nobody may know a file's name, and CRIU 4.2 then saves the handle, which means nothing at the
 * destination.  So each watched file is looked up before the freeze and held open until the dump is over.
 *
 * A watch ends with its file.  What is removed in the meantime lives on as long as we hold it, and its watch, which nobody can
 * restore: so it is let go of in the freeze (watches_forget), and the program that runs on for a moment is told.
 */
#ifndef CRIU_SAVE_WATCHES_H
#define CRIU_SAVE_WATCHES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct watches {
	int *fd; /* O_PATH */
	size_t n;
};

#define WATCHES_INIT { .fd = NULL }

/*
 * Of all processes below the control group `cgroup` (mem/procs.h) of the container whose first process is `init`: their
 * watches on the file system of `rootfs`, a mount here.  Where there are any the tree is read until all are found, without a
 * look at the files (some 50 ms for 100,000).  What is not found is CRIU's to tell.
 */
void watches_hold(struct watches *w, pid_t init, const char *cgroup, const char *rootfs);
void watches_release(struct watches *w);

/* Lets go of those that have lost their name since; returns how many. */
size_t watches_forget(struct watches *w);

/* The next watch of an fdinfo text ("inotify wd:1 ino:2afe sdev:100001 mask:…"): its inode when it is on `dev`, else 0;
 * *at goes on behind it, NULL at the end.  Pure. */
uint64_t watches_next(const char **at, dev_t dev);
/* Is what watches_next() has just told a symbolic link itself (IN_DONT_FOLLOW)?  CRIU would watch what it leads to.  `root`: a
 * directory of its file system, not O_PATH. */
bool watches_is_link(const char *at, int root);

#endif
