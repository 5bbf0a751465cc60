// SPDX-License-Identifier: MIT
/*
 * Everything of tree frames that comes from the other end.  The first byte
 * chooses the decoder.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "tree/msg.h"
#include "tree/pack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void records(const uint8_t *data, size_t size)
{
	struct reader r = reader_of(data, size);
	struct rec rec;

	while (rec_get(&r, &rec, NULL) > 0)
		if (rec.name && *rec.name && (rec.name[0] == '/' || rec.name[0] == '\0'))
			abort();
}

static void list(const uint8_t *data, size_t size)
{
	struct reader r = reader_of(data, size);
	struct list_rec rec;

	while (list_get(&r, &rec, NULL) > 0)
		;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct begin_msg begin;
	struct sums_ask ask;
	struct sums_msg sums;
	uint8_t *raw = NULL;
	size_t len;

	if (!size)
		return 0;
	switch (data[0] % 6) {
	case 0:
		records(data + 1, size - 1);
		break;
	case 1:
		list(data + 1, size - 1);
		break;
	case 2:
		begin_get(data + 1, size - 1, &begin, NULL);
		break;
	case 3:
		sums_ask_get(data + 1, size - 1, &ask, NULL);
		break;
	case 4:
		sums_get(data + 1, size - 1, &sums, NULL);
		break;
	default:
		if (pack_unzip(data + 1, size - 1, &raw, &len, NULL) == 0)
			records(raw, len);
		free(raw);
	}
	return 0;
}
