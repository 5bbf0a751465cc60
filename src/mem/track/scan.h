/* SPDX-License-Identifier: MIT */
/*
 * mem/track/scan.h - the kernel's view of pages: userfaultfd write-protect-async and
 * PAGEMAP_SCAN, wrapped with the rules that make them safe.
 *
 * Rules found in fs/proc/task_mmu.c and by trying:
 *  - An anonymous page that is gone (MADV_DONTNEED) has no page table entry: rich masks do
 *    not report it.  So "clean" is only believed of pages that the final scan finds present.
 *  - Page table entries of shared memory vanish when the page is reclaimed, and with them
 *    what they knew: there a missing entry counts as written (written-only mask), and a page
 *    table that went (MADV_DONTNEED since Linux 6.14) counts as all written.
 *  - A marker left in a private file mapping looks like swap: it is told apart by the swap
 *    type in /proc/PID/pagemap.
 *  - A page of a private file mapping that was given back (MADV_DONTNEED) leaves a marker behind; the
 *    next write makes a private copy of the file's page that still looks clean until the instruction
 *    has run again, and a freeze may come in between.  So without `arm` all copies count as dirty.
 *  - Bits survive mremap on Linux before 6.12.11 although the registration does not: so
 *    what was not registered is taken whole, whatever the bits say.
 *  - Registering a part of a mapping (it grew since we looked) splits it, and a program's own
 *    mremap over both parts then fails.  So a registration goes from obstacle to obstacle, over
 *    neighbours and holes, in one step; not on kernels with surviving bits: there it would
 *    make a neighbour look tracked whose bits are old.
 */
#ifndef MEM_TRACK_SCAN_H
#define MEM_TRACK_SCAN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "mem/maps.h"
#include "mem/pageset.h"

struct soft;

/* The descriptors of one address space; all are bound to it, not to the pid. */
struct scan_space {
	int uffd;    /* API done, or -1: not tracked */
	struct soft *soft; /* not NULL: soft-dirty bits instead (mem/track/soft.h); not owned */
	int pagemap; /* /proc/PID/pagemap, opened while it was stopped or checked after */
	const struct maps *maps; /* what the maps given below are part of; borrowed */
	atomic_bool *guarded;	 /* set where a guard region is met (Linux 6.15); NULL: nobody wants to know */
};

/* Handshake on a fresh userfaultfd; ERR_UNSUPPORTED on kernels before 6.7. */
int scan_handshake(int uffd, struct err *e);

/* Does PAGEMAP_SCAN work here (on ourselves)? */
int scan_usable(struct err *e);

enum scan_result {
	SCAN_TRACKED,	/* the sets are exact */
	SCAN_WHOLE,	/* was not tracked until now: everything counts as dirty */
	SCAN_UNTRACKED, /* and cannot be */
	SCAN_GONE,	/* the mapping or address space is not there any more */
};

/*
 * Private mappings.  Adds the pages that exist and differ from the file to `present` (may
 * be NULL), and of these the ones written since they were last armed to `dirty`.
 */
enum scan_result scan_private(const struct scan_space *s, const struct map *m, struct pageset *present,
			      struct pageset *dirty);

/*
 * The same of a part of `m`, which is one of s->maps, and armed again in the same step, atomically for each
 * page.  Parts of a mapping in rising order; after SCAN_WHOLE for one the others are taken `whole`, too: the
 * mapping was registered then, and no bit of before counts.  (With soft-dirty bits that is
 * mem/track/softround.c's work.)
 */
enum scan_result scan_arm(const struct scan_space *s, const struct map *m, uint64_t from, uint64_t to,
			  bool whole, struct pageset *dirty);

/*
 * Shared mappings of a shared object: what this mapping may have written, in offsets of
 * the object, is added to `dirty`.  `tables` (start addresses of this mapping's known page
 * tables, kept by the caller between calls; may be NULL at the first) finds tables that went.
 * With soft-dirty bits it is an estimate and the object remains suspect.
 */
enum scan_result scan_shared(const struct scan_space *s, const struct map *m, bool arm,
			     struct pageset *tables, struct pageset *dirty);

#endif
