/* SPDX-License-Identifier: MIT */
/*
 * tree/changes/touched.h - files that processes can have written without any event.
 *
 *	by io_submit (libaio): the kernel tells nobody, only the last close does.
 *	    Every write changes the file's ctime when it is submitted.
 *	through a shared mapping: the first write to a clean page changes ctime,
 *	    further ones nothing until it was written back.  The mapping need not
 *	    be writable at the moment.
 *	through a descriptor whose name is gone while another name lives.
 *
 * So what counts is whether a process holds the file, and whether its ctime is
 * later than its contents were last sent for sure.  The latter is remembered over
 * the passes: what was sent in one before is not read again in the freeze.
 */
#ifndef TREE_CHANGES_TOUCHED_H
#define TREE_CHANGES_TOUCHED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "tree/changes/held.h"
#include "tree/changes/journal.h"
#include "tree/links.h"

struct touched;

/* `now_s`: the time (CLOCK_REALTIME) when the first pass begins. */
struct touched *touched_new(int64_t now_s);
void touched_free(struct touched *t); /* NULL is fine */

/*
 * A pass begins: the names in the area of held files that may have been written since they
 * were sent last are added to c (may be NULL).  `frozen`: nobody writes any more, so that
 * files mapped for writing count whatever the ctime.  After a failure nothing is known of
 * this pass.
 */
int touched_look(struct touched *t, int root, const char *root_path, const struct held *held,
		 bool frozen, int64_t now_s, struct changes *c, struct err *e);

/* Was it met by the last look?  Safe from several threads.  NULL: false. */
bool touched_has(const struct touched *t, struct inode id);

#endif
