/* SPDX-License-Identifier: MIT */
/*
 * wire/frame.h - one message on the link.
 *
 *	 0        4     5     6      8      12    16          24
 *	 +--------+-----+-----+------+------+-----+-----------+---------
 *	 | length |type |flags|  0   |  id  |  0  | checksum  | payload
 *	 +--------+-----+-----+------+------+-----+-----------+---------
 *
 * Big-endian.  The checksum is XXH3-64 of the payload, seeded with XXH3-64 of
 * the first 16 bytes, which is seeded with the frame's number on this
 * direction of the link: a frame that is lost, doubled, swapped, cut or
 * changed is noticed at once.
 */
#ifndef WIRE_FRAME_H
#define WIRE_FRAME_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/err.h"

enum { FRAME_HEAD = 24 };

struct frame {
	uint8_t type; /* enum proto_type */
	uint8_t flags;
	uint32_t id;
	uint32_t len;
	uint8_t *data; /* owned, malloc'ed; NULL when len is 0 */
};

#define FRAME_INIT { .data = NULL }
#define own_frame __attribute__((cleanup(frame_fini)))

void frame_fini(struct frame *f);
/* Hands the payload over to the caller (free it). */
uint8_t *frame_take(struct frame *f);

/* Writes the header of frame number `seq` whose payload is `iov`. */
void frame_head(uint8_t head[static FRAME_HEAD], uint64_t seq, uint8_t type, uint8_t flags,
		uint32_t id, const struct iovec *iov, int n_iov);

/* Decodes a header: type, flags, id and the length (capped at PROTO_MAX_FRAME);
 * the payload is not there yet. */
int frame_decode_head(const uint8_t head[static FRAME_HEAD], struct frame *f, struct err *e);

/* Does the checksum in `head` fit f's payload, as frame number `seq`? */
int frame_verify(const uint8_t head[static FRAME_HEAD], uint64_t seq, const struct frame *f,
		 struct err *e);

#endif
