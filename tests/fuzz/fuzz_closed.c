// SPDX-License-Identifier: MIT
/* Any bytes as a TCP segment; and as closed connections: refused, or the same bytes when written again. */
#include <stdint.h>
#include <string.h>

#include "base/own.h"
#include "net/traffic/closed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	own_closed struct closed c = CLOSED_INIT;
	own_buf struct buf again = BUF_INIT;
	own_free uint8_t *exact = xmalloc(size + 1);
	struct tcpseg s;
	struct reader r;

	memcpy(exact, data, size);
	if (tcpseg_read(&s, exact, size) && s.data + s.len > exact + size)
		__builtin_trap();
	r = reader_of(exact, size);
	if (closed_get(&r, &c, NULL) < 0)
		return 0;
	closed_put(&again, &c);
	if (again.len != (size_t)(r.at - exact))
		__builtin_trap();
	return 0;
}
