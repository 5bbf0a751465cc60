// SPDX-License-Identifier: MIT
/* Any bytes as a frame header and payload: must be refused or consistent. */
#include <stdint.h>
#include <string.h>

#include "wire/frame.h"
#include "wire/proto.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct frame f;

	if (size < FRAME_HEAD || frame_decode_head(data, &f, NULL) < 0)
		return 0;
	if (f.len > PROTO_MAX_FRAME)
		__builtin_trap();
	if (f.len > size - FRAME_HEAD)
		return 0;
	f.data = (uint8_t *)(uintptr_t)(data + FRAME_HEAD);
	(void)frame_verify(data, 0, &f, NULL);
	return 0;
}
