/* SPDX-License-Identifier: MIT */
/*
 * plan/codec.h - texts and lists of texts in messages, as need and facts have
 * them.  Everything that comes in is capped; control characters make the
 * reader bad, because these texts end on terminals and in logs.
 */
#ifndef PLAN_CODEC_H
#define PLAN_CODEC_H

#include "base/buf.h"
#include "base/strv.h"

enum { CODEC_TEXT_MAX = 4096, CODEC_LIST_MAX = 4096 };

/* A text that may be NULL.  What is longer than the cap is cut. */
void codec_put_text(struct buf *b, const char *s);
/* The caller's; NULL as it was put, or when the reader is bad. */
char *codec_get_text(struct reader *r);

/* At most CODEC_LIST_MAX items are put. */
void codec_put_list(struct buf *b, const struct strv *v);
/* Fills *v, which is empty; empty again when the reader is bad. */
void codec_get_list(struct reader *r, struct strv *v);

/* A 0/1 byte; anything else makes the reader bad. */
void codec_put_bool(struct buf *b, bool v);
bool codec_get_bool(struct reader *r);

#endif
