/* SPDX-License-Identifier: MIT */
/*
 * base/buf.h - a growing run of bytes to write messages into, and a reader
 * that takes them out again.
 *
 * All numbers are big-endian.  The reader never reads past its end: after the
 * first short read it is `bad` and every further get returns zero or an empty
 * string, so that a decoder may read all fields and ask once at the end.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
	uint8_t *data; /* owned */
	size_t len;
	size_t cap;
};

#define BUF_INIT { NULL, 0, 0 }
#define own_buf __attribute__((cleanup(buf_fini)))

void buf_fini(struct buf *b);
void buf_clear(struct buf *b); /* keeps the memory */
/* Room for `n` more bytes at data + len; the caller adds to len itself. */
uint8_t *buf_reserve(struct buf *b, size_t n);

void buf_put(struct buf *b, const void *data, size_t n);
void buf_put_u8(struct buf *b, uint8_t v);
void buf_put_u16(struct buf *b, uint16_t v);
void buf_put_u32(struct buf *b, uint32_t v);
void buf_put_u64(struct buf *b, uint64_t v);
/* u32 length, then the bytes (no NUL).  NULL counts as "". */
void buf_put_str(struct buf *b, const char *s);
void buf_put_bytes(struct buf *b, const void *data, size_t n);

struct reader {
	const uint8_t *at; /* borrowed */
	const uint8_t *end;
	bool bad;	   /* something was missing */
};

struct reader reader_of(const void *data, size_t n);
uint8_t get_u8(struct reader *r);
uint16_t get_u16(struct reader *r);
uint32_t get_u32(struct reader *r);
uint64_t get_u64(struct reader *r);
/* Borrowed bytes; NULL and bad when there are fewer than n. */
const uint8_t *get_raw(struct reader *r, size_t n);
/* u32 length and bytes, at most `max`; borrowed; *n is set to 0 on failure. */
const uint8_t *get_bytes(struct reader *r, size_t max, size_t *n);
/* The same as a fresh NUL-terminated string (the caller's; never NULL).  A NUL
 * byte inside makes the reader bad. */
char *get_str(struct reader *r, size_t max);
/* The same into a fixed array; too long makes the reader bad. */
void get_str_into(struct reader *r, char *out, size_t out_size);
/* True when nothing was missing and nothing is left over. */
bool reader_done(const struct reader *r);

static inline void put_be16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void put_be32(uint8_t *p, uint32_t v)
{
	put_be16(p, (uint16_t)(v >> 16));
	put_be16(p + 2, (uint16_t)v);
}

static inline void put_be64(uint8_t *p, uint64_t v)
{
	put_be32(p, (uint32_t)(v >> 32));
	put_be32(p + 4, (uint32_t)v);
}

static inline uint16_t be16_at(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t be32_at(const uint8_t *p)
{
	return (uint32_t)be16_at(p) << 16 | be16_at(p + 2);
}

static inline uint64_t be64_at(const uint8_t *p)
{
	return (uint64_t)be32_at(p) << 32 | be32_at(p + 4);
}

#endif
