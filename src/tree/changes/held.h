/* SPDX-License-Identifier: MIT */
/*
 * tree/changes/held.h - which regular files processes hold: open, or mapped shared.  One look serves all areas.
 */
#ifndef TREE_CHANGES_HELD_H
#define TREE_CHANGES_HELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "tree/links.h"

enum held_how {
	HELD_OPEN,
	HELD_MAPPED,   /* shared, of a file open for writing, but not writable now */
	HELD_WRITABLE, /* shared and writable */
};

struct held_file {
	struct inode id; /* as the process sees it: of an overlay it has that one's device */
	int64_t ctime_s;
	enum held_how how;
	pid_t pid;
	char at[48]; /* below /proc/PID: leads to the file */
};

struct held {
	struct held_file *v;
	size_t n;
	/* Somebody has an overlay that can be written to, and on this kernel no event tells of that. */
	bool unseen_overlay;
	ino_t mnt_ns; /* the one that was looked at last */
};

#define HELD_INIT { .v = NULL }
#define own_held __attribute__((cleanup(held_fini)))

/* Adds the files of these processes; one that is gone has none.  Blocks for some microseconds a
 * descriptor. */
int held_look(struct held *h, const pid_t *pids, size_t n, struct err *e);
void held_fini(struct held *h);

/* Does fsnotify see writes through an overlay on the file system of its upper layer?  Since Linux 6.5 ("ovl:
 * enable fsnotify events on underlying real files"); before, such a file is opened with FMODE_NONOTIFY.
 * `release` is uname(2)'s. */
bool held_overlays_are_seen(const char *release);
/* A text of /proc/PID/mountinfo, which is written to: is there an overlay with an upper layer? */
bool held_has_overlay(char *mountinfo);

/* Opens it (O_PATH): -1 with errno when it is not held any more. */
int held_open(const struct held_file *f);

#endif
