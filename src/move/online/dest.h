/* SPDX-License-Identifier: MIT */
/*
 * move/online/dest.h - the agent's part of the online move.
 *
 * Life: online_dest_open ── arm ── place… ── image… ── restore ── (COMMIT by dest_commit)
 * ── wait.  online_dest_free before the commit takes away what is held; after
 * online_dest_ran it waits until the container's memory is complete.
 */
#ifndef MOVE_ONLINE_DEST_H
#define MOVE_ONLINE_DEST_H

#include "commit/dest.h"
#include "move/online/online.h"
#include "move/streams.h"

struct online_dest;

/* Registers and holds the container; memory frames are taken from now on. */
int online_dest_open(struct online_dest **out, struct dest *d, const struct ct_desc *desc,
		     struct streams *streams, const struct msg_live_open *m, struct err *e);
int online_dest_arm(struct online_dest *o, const struct msg_live_arm *m, struct err *e);
int online_dest_place(struct online_dest *o, const struct msg_live_place *m, struct err *e);
/* *asked: an answer is waited for */
int online_dest_net(struct online_dest *o, const struct frame *f, bool *asked, struct err *e);
int online_dest_image(struct online_dest *o, const struct frame *f, struct err *e);
/* Behind the restore: connections that its programs had closed.  *refused: how many could not be made. */
int online_dest_closed(struct online_dest *o, const struct frame *f, size_t *refused, bool *asked, struct err *e);
/* All of it is there: its sockets may speak to each other. */
void online_dest_loud(struct online_dest *o);
/* The files are complete: they go to the disk while the processes are restored. */
struct tree_dest;
int online_dest_sync(struct online_dest *o, struct tree_dest *files, struct err *e);
/* Restored and held; the journal says ready. */
int online_dest_restore(struct online_dest *o, const struct frame *f, struct err *e);

/* Shortly before the commit: fails when the kernel has ended processes of it for lack of memory. */
int online_dest_intact(struct online_dest *o, struct err *e);

/* It runs: its processes are no longer ours to end. */
void online_dest_ran(struct online_dest *o);
/* The link is lost while it is held: makes its memory complete and lets go of it. */
void online_dest_leave(struct online_dest *o);
/* Blocks until all its memory is there. */
int online_dest_wait(struct online_dest *o, struct err *e);
void online_dest_free(struct online_dest *o); /* NULL is fine */

#endif
