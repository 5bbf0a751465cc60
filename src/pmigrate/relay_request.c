// SPDX-License-Identifier: MIT
#include "pmigrate/relay.h"

#include <string.h>

#include "base/own.h"

enum { REQUEST_VERSION = 1, WORDS_MAX = 1024, WORD_MAX = 8192, SECRET_MAX = 1024 };

static void secret_fini(char **secret)
{
	if (*secret)
		explicit_bzero(*secret, strlen(*secret));
	free(*secret);
	*secret = NULL;
}

void relay_request_fini(struct relay_request *q)
{
	strv_fini(&q->words);
	secret_fini(&q->source_password);
	secret_fini(&q->destination_password);
	free(q->user);
	*q = (struct relay_request){ .caller = 0 };
}

static void put_secret(struct buf *b, const char *secret)
{
	buf_put_u8(b, secret != NULL);
	buf_put_str(b, secret);
}

static char *get_secret(struct reader *r)
{
	bool there = get_u8(r) == 1;
	char *secret = get_str(r, SECRET_MAX);

	if (there && !r->bad)
		return secret;
	free(secret);
	return NULL;
}

void relay_request_put(struct buf *b, const struct relay_request *q)
{
	buf_put_u8(b, REQUEST_VERSION);
	buf_put_u8(b, q->caller);
	buf_put_str(b, q->user);
	put_secret(b, q->source_password);
	put_secret(b, q->destination_password);
	buf_put_u32(b, (uint32_t)q->words.n);
	for (size_t i = 0; i < q->words.n; i++)
		buf_put_str(b, q->words.item[i]);
}

int relay_request_get(struct reader *r, struct relay_request *q, struct err *e)
{
	uint32_t n;

	*q = (struct relay_request){ .caller = 0 };
	if (get_u8(r) != REQUEST_VERSION)
		r->bad = true;
	q->caller = get_u8(r);
	q->user = get_str(r, WORD_MAX);
	q->source_password = get_secret(r);
	q->destination_password = get_secret(r);
	n = get_u32(r);
	if (n > WORDS_MAX || (q->caller != 0 && q->caller != 1 && q->caller != 3))
		r->bad = true;
	for (uint32_t i = 0; i < n && !r->bad; i++) {
		own_free char *word = get_str(r, WORD_MAX);

		if (!r->bad)
			strv_add(&q->words, word);
	}
	if (reader_done(r))
		return 0;
	relay_request_fini(q);
	return err_set(e, ERR_PROTO, "the request of another server's pmigrate is garbled");
}
