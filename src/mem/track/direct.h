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

/* May one be under way just now, of anybody on this server?  Some 100 us. */
bool direct_under_way(void);

#endif
