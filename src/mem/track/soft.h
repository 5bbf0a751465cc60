/* SPDX-License-Identifier: MIT */
/*
 * mem/track/soft.h - which private pages of one address space were written, by the kernel's soft-dirty
 * bits: the back end for kernels without PAGEMAP_SCAN
 * (Documentation/admin-guide/mm/soft-dirty.rst).
 *
 * /proc/PID/pagemap tells the bits, a 4 written to /proc/PID/clear_refs takes all of them away.  A write
 * between the two would be forgotten: so nobody may run from the first page looked at until
 * soft_clear has returned.  Pages are read afterwards, while all run: what is written then has its
 * bit set again.
 *
 * Rules found in fs/proc/task_mmu.c and mm/:
 *  - The bits alone are not enough.  mremap moves whole page tables without setting them, and a
 *    new mapping that is merged with an old one loses its mark of being new.  So a page is clean
 *    only when its entry also names the same page frame (or swap slot) as when the bits were
 *    taken away; whatever changes that (swapping, compaction, collapse) makes it dirty.
 *  - Pages that are pinned for I/O keep their bit: always dirty.
 *  - The zero page is no page; a huge one is, on kernels before 6.11, and is sent as zeros.
 *  - In shared memory an entry that vanished (reclaim, MADV_DONTNEED) takes its bit along: there
 *    the bits are an estimate, and the objects are compared (mem/track/shm.h).
 *  - pagemap has 8 bytes for every page of the address space, mapped or not: when much more is
 *    reserved than there is, smaps is asked first what is empty.
 */
#ifndef MEM_TRACK_SOFT_H
#define MEM_TRACK_SOFT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "mem/maps.h"
#include "mem/pageset.h"

struct soft;

/* What one look saw: which page was which frame.  Zeroed: nothing. */
struct soft_record {
	struct soft_slot **v; /* sorted by address */
	size_t n, cap;
};

/* Does this kernel have the bits, and do we see page frames?  Tried on a page of ours; ERR_UNSUPPORTED
 * when not. */
int soft_usable(struct err *e);

struct soft *soft_new(void);
void soft_free(struct soft *k); /* NULL is fine */

/* Before a look at all of an address space: are there large empty mappings?  Optional. */
void soft_begin(struct soft *k, pid_t pid, const struct maps *maps);

/*
 * A private mapping (or a part of one), from any thread.  Adds its pages that differ from the file to `present`
 * and those not known clean to `dirty`; what it saw to `record`, in rising order.  All three may be
 * NULL.  False: the address space has ended.
 */
bool soft_private(const struct soft *k, int pagemap, const struct map *m, struct pageset *present,
		  struct pageset *dirty, struct soft_record *record);
/* Behind what was taken since soft_begin; the record is empty then. */
void soft_take(struct soft *k, struct soft_record *record);

/* What a shared mapping wrote, as far as can be seen; offsets of the object. */
bool soft_shared(int pagemap, const struct map *m, struct pageset *dirty);

/* All bits of the address space go; what was taken counts from now on. */
int soft_clear(struct soft *k, pid_t pid, struct err *e);

/* The other end has lost these (NULL: all): they are dirty, whatever the bits say. */
void soft_forget(struct soft *k, const struct pageset *gone);

/* Pure: of the text of smaps, the mappings that hold no page and no swap. */
void soft_empty(const char *smaps, struct pageset *out);

#endif
