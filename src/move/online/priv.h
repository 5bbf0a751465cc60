/* SPDX-License-Identifier: MIT */
/* move/online/priv.h - between the source's online_*.c only. */
#ifndef MOVE_ONLINE_PRIV_H
#define MOVE_ONLINE_PRIV_H

#include "move/msg.h"
#include "move/online/source.h"

/* One tree pass of memory file system i: request, frames, reply. */
int online_pass_place(struct source *s, size_t i, enum pass_kind kind, struct err *e);

/* Lazy: begin before the restore, end when all is there; give_up: or at once. */
int online_serve_begin(struct source *s, struct err *e);
int online_serve_end(struct source *s, bool give_up, struct err *e);

/* Tracks the container's memory as a move does, or says why that is not possible. */
int online_track(const struct ct_parts *parts, struct track **out, struct err *e);

/* Tracking is not possible (e says why): go on without, if the user allows. */
int online_downgrade(struct source *s, struct err *e);

/* online_memory.c: findings for the check; and shortly before the freeze, whether memory that is shared since a fork must stay
 * so. */
struct findings;
void online_check_memory(struct source *s, const struct ct_parts *parts, struct findings *found);
int online_keep_sharing(struct source *s, struct err *e);

#endif
