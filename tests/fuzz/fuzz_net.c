// SPDX-License-Identifier: MIT
/* Any bytes as the state of a container's network: refused, or the same bytes when written again. */
#include <stdint.h>
#include <string.h>

#include "base/own.h"
#include "net/state/netstate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	own_netstate struct netstate s = NETSTATE_INIT;
	own_buf struct buf again = BUF_INIT;
	own_free uint8_t *exact = xmalloc(size + 1);
	struct reader r;

	memcpy(exact, data, size);
	r = reader_of(exact, size);
	if (netstate_get(&r, &s, NULL) < 0)
		return 0;
	netstate_put(&again, &s);
	if (again.len != (size_t)(r.at - exact) || memcmp(again.data, exact, again.len) != 0)
		__builtin_trap();
	return 0;
}
