/* SPDX-License-Identifier: MIT */
/*
 * criu/save/pairs.h - which process restores a pair of connected unix sockets, by the order of files.img.
 *
 * One process makes both ends and fills both queues.  CRIU 4.2 (sk-unix.c, interconnected_pair) takes the one that owns
 * the end which stands later in files.img (an end's owner: the process with the lowest number that has it open), and
 * gets two cases wrong where the ends have different owners, and a third one always:
 *
 *	that process has the other end open, too, as between a fork and the closes after it
 *						"BUG at criu/sk-unix.c:1713", the restore fails
 *	descriptors wait in the end that it owns	they are sent by their numbers in the other end's owner:
 *						the restore fails, or another file arrives
 *
 *	a descriptor that waits in one of them, and whose file another process makes again, has not come yet
 *						the pair is taken for restored, without its messages
 *
 * The third is the preload library's: it lets the processes of SHIM_PAIRS_WAITING wait for what is to come (shim/queues.c).
 * The order of the two ends is free, so they are put such that neither of the others happens.  Where both would (descriptors
 * that wait in both directions, at the least), the move ends here, and the container runs on.
 */
#ifndef CRIU_SAVE_PAIRS_H
#define CRIU_SAVE_PAIRS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct pair_socket {
	uint32_t file, ino, peer; /* file: its id in the images; peer: an inode, 0 for none */
};

struct pair_holder {
	uint32_t file, pid; /* pid: that restores the table of descriptors */
};

/* A descriptor that waits. */
struct pair_flight {
	uint32_t queue, file; /* queue: the socket's id in the images */
	uint32_t sender;      /* set by pairs_choose: the process whose numbers CRIU takes */
};

/*
 * Pure.  Sockets and flights: in the order of the images; holders: in any.  Swaps sockets where that is needed.  Returns how many
 * pairs were swapped, -1 for one that cannot be restored.
 */
int pairs_choose(struct pair_socket *s, size_t n, struct pair_holder *h, size_t n_holders, struct pair_flight *f, size_t n_flights,
		 struct err *e);

/* In the directory of a complete dump.  Makes SHIM_PAIRS_WAITING. */
int pairs_mend(int images, struct err *e);

#endif
