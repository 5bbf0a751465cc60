// SPDX-License-Identifier: MIT
/* Any bytes as a control message: the first byte chooses which. What decodes must encode
 * to the same bytes again. */
#include <stdint.h>
#include <string.h>

#include "move/msg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void same(const struct buf *b, const struct frame *f)
{
	if (b->len != f->len || (b->len && memcmp(b->data, f->data, b->len)))
		__builtin_trap();
}

static void open_and_opened(const struct frame *f, struct buf *b, int which)
{
	struct msg_open open;
	struct msg_opened opened;

	if (which == 0 && msg_open_get(f, &open, NULL) == 0) {
		msg_open_put(b, &open);
		same(b, f);
		msg_open_fini(&open);
	}
	if (which == 1 && msg_opened_get(f, &opened, NULL) == 0)
		msg_opened_fini(&opened); /* word lists may repeat: not always the same bytes */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	own_buf struct buf b = BUF_INIT;
	struct msg_hello hello;
	struct msg_asked asked;
	struct msg_pass pass;
	struct msg_ask ask;
	struct msg_committed committed;
	struct frame f;
	bool yes;

	if (size < 1)
		return 0;
	f = (struct frame){ .data = (uint8_t *)(uintptr_t)(data + 1), .len = (uint32_t)size - 1 };
	switch (data[0] % 8) {
	case 0:
	case 1:
		open_and_opened(&f, &b, data[0] % 8);
		break;
	case 2:
		if (msg_hello_get(&f, &hello, NULL) == 0) {
			msg_hello_put(&b, &hello);
			same(&b, &f);
			msg_hello_fini(&hello);
		}
		break;
	case 3:
		if (msg_pass_get(&f, &pass, NULL) == 0) {
			msg_pass_put(&b, &pass);
			same(&b, &f);
		}
		break;
	case 4:
		if (msg_ask_get(&f, &ask, NULL) == 0) {
			msg_ask_put(&b, &ask);
			same(&b, &f);
		}
		break;
	case 5:
		(void)msg_asked_get(&f, &asked, NULL);
		break;
	case 6:
		(void)msg_committed_get(&f, &committed, NULL);
		break;
	default:
		(void)msg_bool_get(&f, &yes, NULL);
	}
	return 0;
}
