// SPDX-License-Identifier: MIT
#include "tree/pack.h"

#include <inttypes.h>
#include <string.h>
#include <zstd.h>

#include "base/clock.h"
#include "base/own.h"
#include "tree/msg.h"
#include "tree/zip.h"
#include "wire/proto.h"

void pack_init(struct pack *p, struct peer *peer, enum tree_zip zip)
{
	*p = (struct pack){ .peer = peer, .zip = zip_new(zip) };
}

void pack_fini(struct pack *p)
{
	buf_fini(&p->b);
	buf_fini(&p->path);
	zip_free(p->zip);
	p->zip = NULL;
}

int pack_flush(struct pack *p, struct err *e)
{
	own_buf struct buf zipped = BUF_INIT;
	uint64_t start;
	int ret;

	if (!p->b.len)
		return 0;
	if (zip_try(p->zip, p->b.data, p->b.len, &zipped)) {
		start = clock_ns();
		ret = peer_send(p->peer, PROTO_TREE_BATCH_ZSTD, 0, zipped.data, zipped.len, e);
		zip_sent(p->zip, p->b.len, zipped.len, clock_ns() - start);
	} else {
		start = clock_ns();
		ret = peer_send(p->peer, PROTO_TREE_BATCH, 0, p->b.data, p->b.len, e);
		zip_sent(p->zip, p->b.len, p->b.len, clock_ns() - start);
	}
	buf_clear(&p->b);
	return ret;
}

int pack_begin(struct pack *p, const char *path, size_t len, size_t need, struct err *e)
{
	if (p->b.len && p->b.len + need > PACK_TARGET && pack_flush(p, e) < 0)
		return -1;
	if (p->b.len && p->path.len == len && (!len || !memcmp(p->path.data, path, len)))
		return 0;
	if (!p->b.data)
		buf_reserve(&p->b, PACK_MOST); /* once: it never grows, and keeps its pages */
	rec_put_cd(&p->b, path, len);
	buf_clear(&p->path);
	buf_put(&p->path, path, len);
	return 0;
}

int pack_keep(struct spill *s, const struct buf *fragment, struct err *e)
{
	own_buf struct buf item = BUF_INIT;

	buf_put_bytes(&item, fragment->data, fragment->len);
	return spill_put(s, item.data, item.len, NULL, e);
}

int pack_replay(struct pack *p, struct spill *s, struct err *e)
{
	uint64_t end = spill_size(s);

	if (pack_flush(p, e) < 0)
		return -1;
	for (uint64_t at = 0; at < end;) {
		uint8_t head[4];
		uint32_t n;

		if (spill_read(s, at, head, 4, e) < 0)
			return -1;
		n = be32_at(head);
		if (p->b.len && p->b.len + n > PACK_TARGET && pack_flush(p, e) < 0)
			return -1;
		if (spill_read(s, at + 4, buf_reserve(&p->b, n), n, e) < 0)
			return -1;
		p->b.len += n;
		at += 4 + n;
	}
	return pack_flush(p, e);
}

int pack_unzip(const void *data, size_t len, uint8_t **out, size_t *out_len, struct err *e)
{
	struct reader r = reader_of(data, len);
	uint32_t raw = get_u32(&r);
	size_t n;

	if (r.bad || !raw || raw > PROTO_MAX_FRAME)
		return err_set(e, ERR_PROTO, "a compressed batch of %" PRIu32 " bytes arrived",
			       raw);
	*out = malloc(raw);
	if (!*out)
		return err_set(e, ERR_SYS, "no memory for a batch");
	n = ZSTD_decompress(*out, raw, r.at, (size_t)(r.end - r.at));
	if (ZSTD_isError(n) || n != raw) {
		free(*out);
		*out = NULL;
		return err_set(e, ERR_PROTO, "a compressed batch that cannot be unpacked arrived");
	}
	*out_len = n;
	return 0;
}
