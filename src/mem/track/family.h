/* SPDX-License-Identifier: MIT */
/*
 * mem/track/family.h - memory that processes share since a fork, copy on write.
 *
 * The destination gives each process pages of its own (UFFDIO_COPY cannot share them), so what N
 * processes share is needed N times there.  Only CRIU's own restore shares again: it forks a
 * child after its parent's pages were read, and compares (restore_priv_vma_content in criu/pie, of mappings that both have
 * at the same place).  That is done, in the freeze, where the memory would not suffice otherwise.
 */
#ifndef MEM_TRACK_FAMILY_H
#define MEM_TRACK_FAMILY_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "mem/maps.h"
#include "mem/pageset.h"

struct family {
	size_t n;	/* address spaces */
	uint64_t bytes; /* of their own memory (anonymous, swapped too), each counted for itself */
	pid_t pid;	/* the one with most, here */
	uint64_t most;	/* its bytes */
	char name[64];	/* of its program */
};

/* All processes of a container (as for procs_init), now; some 20 us each. */
int family_measure(struct family *f, pid_t init, const char *cgroup, struct err *e);

/* Frozen: adds to `shared` the pages of a mapping that belong to another process, too, or are swapped.  `pagemap` is
 * the process's; -1: it cannot be read. */
int family_pages(int pagemap, const struct map *m, struct pageset *shared);

#endif
