// SPDX-License-Identifier: MIT
#include "base/buf.h"

#include <stdlib.h>
#include <string.h>

#include "base/own.h"

void buf_fini(struct buf *b)
{
	free(b->data);
	*b = (struct buf)BUF_INIT;
}

void buf_clear(struct buf *b)
{
	b->len = 0;
}

uint8_t *buf_reserve(struct buf *b, size_t n)
{
	if (n > b->cap - b->len) {
		size_t cap = b->cap ? b->cap : 256;

		while (cap - b->len < n)
			cap *= 2;
		b->data = xrealloc(b->data, cap);
		b->cap = cap;
	}
	return b->data + b->len;
}

void buf_put(struct buf *b, const void *data, size_t n)
{
	if (!n)
		return;
	memcpy(buf_reserve(b, n), data, n);
	b->len += n;
}

void buf_put_u8(struct buf *b, uint8_t v)
{
	buf_put(b, &v, 1);
}

void buf_put_u16(struct buf *b, uint16_t v)
{
	put_be16(buf_reserve(b, 2), v);
	b->len += 2;
}

void buf_put_u32(struct buf *b, uint32_t v)
{
	put_be32(buf_reserve(b, 4), v);
	b->len += 4;
}

void buf_put_u64(struct buf *b, uint64_t v)
{
	put_be64(buf_reserve(b, 8), v);
	b->len += 8;
}

void buf_put_bytes(struct buf *b, const void *data, size_t n)
{
	buf_put_u32(b, (uint32_t)n);
	buf_put(b, data, n);
}

void buf_put_str(struct buf *b, const char *s)
{
	buf_put_bytes(b, s, s ? strlen(s) : 0);
}

struct reader reader_of(const void *data, size_t n)
{
	const uint8_t *p = data;

	return (struct reader){ .at = p, .end = n ? p + n : p };
}

const uint8_t *get_raw(struct reader *r, size_t n)
{
	const uint8_t *p = r->at;

	if (r->bad || n > (size_t)(r->end - r->at)) {
		r->bad = true;
		return NULL;
	}
	r->at += n;
	return p;
}

uint8_t get_u8(struct reader *r)
{
	const uint8_t *p = get_raw(r, 1);

	return p ? *p : 0;
}

uint16_t get_u16(struct reader *r)
{
	const uint8_t *p = get_raw(r, 2);

	return p ? be16_at(p) : 0;
}

uint32_t get_u32(struct reader *r)
{
	const uint8_t *p = get_raw(r, 4);

	return p ? be32_at(p) : 0;
}

uint64_t get_u64(struct reader *r)
{
	const uint8_t *p = get_raw(r, 8);

	return p ? be64_at(p) : 0;
}

const uint8_t *get_bytes(struct reader *r, size_t max, size_t *n)
{
	uint32_t len = get_u32(r);
	const uint8_t *p;

	*n = 0;
	if (len > max)
		r->bad = true;
	p = get_raw(r, len);
	if (p)
		*n = len;
	return p;
}

char *get_str(struct reader *r, size_t max)
{
	size_t n;
	const uint8_t *p = get_bytes(r, max, &n);

	if (p && n && memchr(p, '\0', n)) {
		r->bad = true;
		n = 0;
	}
	return n ? xstrndup((const char *)p, n) : xstrdup("");
}

void get_str_into(struct reader *r, char *out, size_t out_size)
{
	own_free char *s = get_str(r, out_size - 1);

	memcpy(out, s, strlen(s) + 1);
}

bool reader_done(const struct reader *r)
{
	return !r->bad && r->at == r->end;
}
