/* SPDX-License-Identifier: MIT */
/*
 * tree/held.h - which regular files processes hold: open, or mapped shared.  One look serves all areas.
 */
#ifndef TREE_HELD_H
#define TREE_HELD_H

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
};

#define HELD_INIT { .v = NULL }
#define own_held __attribute__((cleanup(held_fini)))

/* Adds the files of these processes; one that is gone has none.  Blocks for some microseconds a
 * descriptor. */
int held_look(struct held *h, const pid_t *pids, size_t n, struct err *e);
void held_fini(struct held *h);

/* Opens it (O_PATH): -1 with errno when it is not held any more. */
int held_open(const struct held_file *f);

#endif
