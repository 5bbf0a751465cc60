// SPDX-License-Identifier: MIT
/* Any bytes as a need or as facts: refused, or the same when written and read again. */
#include <stdint.h>
#include <string.h>

#include "plan/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	own_buf struct buf one = BUF_INIT, two = BUF_INIT;
	struct need n;
	struct facts f;
	struct reader r;

	if (size < 1)
		return 0;
	r = reader_of(data + 1, size - 1);
	if (data[0] & 1) {
		if (need_get(&r, &n, NULL) < 0)
			return 0;
		need_put(&one, &n);
		need_fini(&n);
		r = reader_of(one.data, one.len);
		if (need_get(&r, &n, NULL) < 0)
			__builtin_trap();
		need_put(&two, &n);
		need_fini(&n);
	} else {
		if (facts_get(&r, &f, NULL) < 0)
			return 0;
		facts_put(&one, &f);
		facts_fini(&f);
		r = reader_of(one.data, one.len);
		if (facts_get(&r, &f, NULL) < 0)
			__builtin_trap();
		facts_put(&two, &f);
		facts_fini(&f);
	}
	if (one.len != two.len || memcmp(one.data, two.data, one.len))
		__builtin_trap();
	return 0;
}
