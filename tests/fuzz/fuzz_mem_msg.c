// SPDX-License-Identifier: MIT
/* Any bytes as frames of memory, decoded and applied to a store: refused, or within its bounds. */
#include <stdint.h>
#include <string.h>

#include "base/own.h"
#include "mem/msg.h"
#include "mem/store/store.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Input: records of u8 type, u16 length, payload. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct store_opts opts = { .max_pages = 2000, .max_objects = 8 };
	struct store *s = store_new(&opts);

	while (size >= 3) {
		size_t len = (size_t)(data[1] << 8 | data[2]);
		struct frame f = { .type = (uint8_t)(PROTO_MEM_FIRST + data[0] % 16) };

		data += 3;
		size -= 3;
		len = len < size ? len : size;
		f.len = (uint32_t)len;
		if (len) {
			f.data = xmalloc(len); /* exact, so that ASan sees an overrun */
			memcpy(f.data, data, len);
		}
		if (store_takes(f.type))
			store_frame(s, NULL, &f, NULL);
		frame_fini(&f);
		data += len;
		size -= len;
	}
	if (store_stats(s).data_pages + store_stats(s).zero_pages > 2000)
		__builtin_trap();
	store_free(s);
	return 0;
}
