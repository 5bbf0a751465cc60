/* SPDX-License-Identifier: MIT */
/*
 * mem/track/direct.h - transfers between a device and a process's memory that pass by its page tables (O_DIRECT).
 *
 * Such a read counts as written when it begins, and its data may come much later, without a trace.  Nobody tells which
 * pages those are, but the kernel counts all that are pinned anywhere (nr_foll_pin_* in /proc/vmstat; a bio of O_DIRECT pins since
 * Linux 6.3, "block: Convert bio_iov_iter_get_pages to use iov_iter_extract_pages").  Where none is, none is on its way.
 */
#ifndef MEM_TRACK_DIRECT_H
#define MEM_TRACK_DIRECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "mem/maps.h"
#include "mem/procs.h"

/* May one be under way just now, of anybody on this server?  Some 100 us. */
bool direct_under_way(void);

/* The ring of a context of native AIO (io_setup), in the process whose /proc/PID/mem is open as `mem` (borrowed). */
struct direct_ring {
	int mem;
	uint64_t at;
};

/* Is this mapping such a ring? */
bool direct_is_ring(const struct map *m);

/*
 * A frozen process has no system call under way, but requests of native AIO go on, and CRIU does not wait for them: their events
 * would come nowhere.  Waits until none is under way, 5 s at most (ERR_TIMEOUT).  Without rings it returns at once.
 */
int direct_wait(const struct direct_ring *rings, size_t n, struct err *e);
/* The same for who has only the list of the frozen processes: reads the maps of each. */
int direct_wait_processes(const struct procs *p, struct err *e);

#endif
