/* SPDX-License-Identifier: MIT */
/* criu/image/mm.h - mm-PID.img: the mappings of one process, and its program. */
#ifndef CRIU_IMAGE_MM_H
#define CRIU_IMAGE_MM_H

#include "base/err.h"
#include "criu/img.pb-c.h"
#include "mem/pageset.h"

/* *out: the caller's, img__mm__free_unpacked. */
int mm_read(int images, const char *name, Img__Mm **out, struct err *e);
int mm_write(int images, const char *name, const Img__Mm *mm, struct err *e);

/* These mappings, as a whole, are executable after all (shim_unfit). */
int mm_set_exec(int images, const char *name, const struct pageset *mappings, struct err *e);

/* These are empty in a child of the process (MADV_WIPEONFORK), as CRIU before 4.2 does not write down by itself. */
int mm_set_wiped(int images, const char *name, const struct pageset *mappings, struct err *e);

/*
 * Marks what is only reserved (SHIM_RESERVED): private anonymous mappings that may not be written and have
 * no page in `pagemap` (pagemap-PID.img).  InnoDB reserves terabytes so, and what finds bugs in memory, too.
 */
int mm_mark_reserved(int images, const char *name, const char *pagemap, struct err *e);

#endif
