/* SPDX-License-Identifier: MIT */
/*
 * tree/leases.h - files under a write lease, or one that is being broken (fcntl(2), F_SETLEASE): an open of ours would break
 * it, and in the freeze its holder cannot give it up.  Such a file is read through its holder's own
 * descriptor.  One that is only for writing does for an empty file.
 *
 * That one's position is the container's: never lseek it, which SEEK_DATA does, too.
 */
#ifndef TREE_LEASES_H
#define TREE_LEASES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "tree/links.h"

struct lease {
	uint64_t ino;
	pid_t pid;
	bool breaking;
};

struct leases {
	struct lease *v;
	size_t n;
};

#define LEASES_INIT { .v = NULL }

/* Those leases of this server, anew.  A file that cannot be read has none. */
void leases_read(struct leases *l);
void leases_fini(struct leases *l);

/* Takes one line of /proc/locks (proc(5)): is it such a lease?  Pure. */
int lease_parse(const char *line, struct lease *out);

/* The holder's descriptor of this file, ours to close and to pread: -1 when it has no lease, or
 * not one that can be read through. */
int leases_borrow(const struct leases *l, struct inode id);

#endif
