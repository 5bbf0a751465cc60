// SPDX-License-Identifier: MIT
#include "plan/codec.h"

#include <stdlib.h>
#include <string.h>

#include "base/own.h"

/* A line that may be shown: no control characters (tab excepted). */
static bool is_line(const char *s)
{
	for (; *s; s++) {
		if (((unsigned char)*s < ' ' && *s != '\t') || *s == 0x7f)
			return false;
	}
	return true;
}

void codec_put_text(struct buf *b, const char *s)
{
	size_t n = s ? strnlen(s, CODEC_TEXT_MAX) : 0;
	own_free char *line = NULL;

	buf_put_u8(b, s != NULL);
	if (!s)
		return;
	line = xstrndup(s, n);
	for (char *p = line; *p; p++) {
		if (!is_line((const char[]){ *p, '\0' }))
			*p = '?';
	}
	buf_put_str(b, line);
}

char *codec_get_text(struct reader *r)
{
	char *s;

	if (!codec_get_bool(r))
		return NULL;
	s = get_str(r, CODEC_TEXT_MAX);
	if (!r->bad && is_line(s))
		return s;
	r->bad = true;
	free(s);
	return NULL;
}

void codec_put_list(struct buf *b, const struct strv *v)
{
	size_t n = v->n < CODEC_LIST_MAX ? v->n : CODEC_LIST_MAX;

	buf_put_u32(b, (uint32_t)n);
	for (size_t i = 0; i < n; i++)
		codec_put_text(b, v->item[i]);
}

void codec_get_list(struct reader *r, struct strv *v)
{
	uint32_t n = get_u32(r);

	if (n > CODEC_LIST_MAX)
		r->bad = true;
	for (uint32_t i = 0; i < n && !r->bad; i++) {
		own_free char *s = codec_get_text(r);

		if (s)
			strv_add(v, s);
		else
			r->bad = true;
	}
	if (r->bad)
		strv_fini(v);
}

void codec_put_bool(struct buf *b, bool v)
{
	buf_put_u8(b, v);
}

bool codec_get_bool(struct reader *r)
{
	uint8_t v = get_u8(r);

	if (v > 1)
		r->bad = true;
	return v == 1 && !r->bad;
}
