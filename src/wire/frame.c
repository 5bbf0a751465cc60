// SPDX-License-Identifier: MIT
#include "wire/frame.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#define XXH_STATIC_LINKING_ONLY /* the streaming state on our stack */
#include <xxhash.h>

#include "base/buf.h"
#include "wire/proto.h"

void frame_fini(struct frame *f)
{
	free(f->data);
	f->data = NULL;
	f->len = 0;
}

uint8_t *frame_take(struct frame *f)
{
	uint8_t *data = f->data;

	f->data = NULL;
	f->len = 0;
	return data;
}

static uint64_t checksum(const uint8_t head[static 16], uint64_t seq,
			 const struct iovec *iov, int n_iov)
{
	XXH64_hash_t seed = XXH3_64bits_withSeed(head, 16, seq);
	XXH3_state_t state;

	if (n_iov == 1)
		return XXH3_64bits_withSeed(iov[0].iov_base, iov[0].iov_len, seed);
	XXH3_INITSTATE(&state); /* the reset looks at what the seed was */
	XXH3_64bits_reset_withSeed(&state, seed);
	for (int i = 0; i < n_iov; i++)
		XXH3_64bits_update(&state, iov[i].iov_base, iov[i].iov_len);
	return XXH3_64bits_digest(&state);
}

void frame_head(uint8_t head[static FRAME_HEAD], uint64_t seq, uint8_t type, uint8_t flags,
		uint32_t id, const struct iovec *iov, int n_iov)
{
	size_t len = 0;

	for (int i = 0; i < n_iov; i++)
		len += iov[i].iov_len;
	put_be32(head, (uint32_t)len);
	head[4] = type;
	head[5] = flags;
	put_be16(head + 6, 0);
	put_be32(head + 8, id);
	put_be32(head + 12, 0);
	put_be64(head + 16, checksum(head, seq, iov, n_iov));
}

int frame_decode_head(const uint8_t head[static FRAME_HEAD], struct frame *f, struct err *e)
{
	*f = (struct frame){
		.len = be32_at(head),
		.type = head[4],
		.flags = head[5],
		.id = be32_at(head + 8),
	};
	if (be16_at(head + 6) || be32_at(head + 12))
		return err_set(e, ERR_PROTO, "a frame with reserved bits set arrived");
	if (f->len > PROTO_MAX_FRAME)
		return err_set(e, ERR_PROTO, "a frame of %" PRIu32 " bytes arrived", f->len);
	return 0;
}

int frame_verify(const uint8_t head[static FRAME_HEAD], uint64_t seq, const struct frame *f,
		 struct err *e)
{
	struct iovec iov = { f->data, f->len };

	if (checksum(head, seq, &iov, 1) == be64_at(head + 16))
		return 0;
	return err_set(e, ERR_PROTO,
		       "frame %" PRIu64 " (type %u) is damaged: its checksum does not fit", seq,
		       f->type);
}
