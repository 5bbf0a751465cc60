/* SPDX-License-Identifier: MIT */
/*
 * move/online/online.h - the online move: what both ends say to each other beyond the cold
 * move's requests (move/msg.h).
 *
 *	source                                   agent
 *	LIVE_OPEN   streams, lazy?       ──>	registers and holds it by the engine's own means
 *	  memory frames on streams of their own, rounds of them; PASS next between
 *	LIVE_ARM    mounts, shared memory ──>	mounts, CRIU, page handler: all is started
 *	LIVE_PLACE  i, first            ──>	(tree frames) the memory file systems
 *	   --- frozen ---
 *	PASS last, LIVE_PLACE i, last    ──>	files;		beside: last memory frames
 *	LIVE_IMAGE… (one-way)		 ──>
 *	LIVE_RESTORE hidden memory       ──>	restored, held: READY
 *	COMMIT                           ──>	it runs
 *	   --- running there ---
 *	LIVE_WAIT                        ──>	answered when all memory is in place
 *
 * The memory streams carry only mem/'s frames, the last one is LIVE_MEM_END.
 */
#ifndef MOVE_ONLINE_ONLINE_H
#define MOVE_ONLINE_ONLINE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "criu/mounts.h"
#include "wire/frame.h"

struct msg_live_open {
	uint16_t n_streams; /* in all; the tree has n_tree of them, memory the others */
	uint16_t n_tree;
	bool lazy;
	uint64_t max_pages; /* of memory that may come */
};

struct msg_live_arm {
	struct ext_mounts mounts;
	uint32_t *shared; /* object numbers, owned */
	uint32_t n_shared;
	bool cgroups; /* the container's own travel */
};

struct msg_live_place {
	uint16_t index; /* of ext_mounts_memory */
	uint8_t kind;	/* enum pass_kind */
};

void msg_live_open_put(struct buf *b, const struct msg_live_open *m);
int msg_live_open_get(const struct frame *f, struct msg_live_open *m, struct err *e);

void msg_live_arm_put(struct buf *b, const struct msg_live_arm *m);
int msg_live_arm_get(const struct frame *f, struct msg_live_arm *m, struct err *e);
void msg_live_arm_fini(struct msg_live_arm *m);

void msg_live_place_put(struct buf *b, const struct msg_live_place *m);
int msg_live_place_get(const struct frame *f, struct msg_live_place *m, struct err *e);

#endif
