// SPDX-License-Identifier: MIT
#include "move/msg.h"

#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "wire/proto.h"

enum { MAX_HOST = 255, MAX_STALE = 1000 };

static int ended(const struct reader *r, const char *what, struct err *e)
{
	if (reader_done(r))
		return 0;
	return err_set(e, ERR_PROTO, "a malformed %s message arrived", what);
}

static void put_err(struct buf *b, const struct err *why)
{
	buf_put_u16(b, why->code == ERR_NONE ? 0 : proto_code_of(why->code));
	buf_put_str(b, why->msg);
	buf_put_str(b, why->hint);
}

static void get_err(struct reader *r, struct err *why)
{
	uint16_t code = get_u16(r);

	*why = (struct err)ERR_INIT;
	why->code = code ? proto_code_to_err(code) : ERR_NONE;
	get_str_into(r, why->msg, sizeof(why->msg));
	get_str_into(r, why->hint, sizeof(why->hint));
}

static void get_id(struct reader *r, char id[static JOURNAL_ID_MAX])
{
	get_str_into(r, id, JOURNAL_ID_MAX);
	if (!r->bad && !journal_id_ok(id))
		r->bad = true;
}

void msg_hello_put(struct buf *b, const struct msg_hello *m)
{
	buf_put_u32(b, m->version);
	buf_put_u32(b, m->features);
	buf_put_u32(b, m->silence_ms);
	buf_put_str(b, m->host);
	buf_put_str(b, m->program);
}

int msg_hello_get(const struct frame *f, struct msg_hello *m, struct err *e)
{
	struct reader r = reader_of(f->data, f->len);

	*m = (struct msg_hello){ .version = get_u32(&r) };
	m->features = get_u32(&r);
	m->silence_ms = get_u32(&r);
	m->host = get_str(&r, MAX_HOST);
	m->program = get_str(&r, MAX_HOST);
	if (ended(&r, "HELLO", e) == 0)
		return 0;
	msg_hello_fini(m);
	return -1;
}

void msg_hello_fini(struct msg_hello *m)
{
	free(m->host);
	free(m->program);
	*m = (struct msg_hello){ 0 };
}

void msg_open_put(struct buf *b, const struct msg_open *m)
{
	buf_put_str(b, m->id);
	buf_put_u32(b, m->flags);
	buf_put_str(b, m->source);
	ct_desc_put(b, &m->desc);
	need_put(b, &m->need);
}

int msg_open_get(const struct frame *f, struct msg_open *m, struct err *e)
{
	struct reader r = reader_of(f->data, f->len);

	memset(m, 0, sizeof(*m));
	get_id(&r, m->id);
	m->flags = get_u32(&r);
	m->source = get_str(&r, MAX_HOST);
	if (ct_desc_get(&r, &m->desc, e) == 0 && need_get(&r, &m->need, e) == 0 &&
	    ended(&r, "OPEN", e) == 0)
		return 0;
	msg_open_fini(m);
	return -1;
}

void msg_open_fini(struct msg_open *m)
{
	free(m->source);
	ct_desc_fini(&m->desc);
	need_fini(&m->need);
	memset(m, 0, sizeof(*m));
}

void msg_opened_put(struct buf *b, const struct msg_opened *m)
{
	facts_put(b, &m->facts);
	buf_put_u32(b, (uint32_t)m->stale.n);
	for (size_t i = 0; i < m->stale.n; i++)
		buf_put_str(b, m->stale.item[i]);
}

int msg_opened_get(const struct frame *f, struct msg_opened *m, struct err *e)
{
	struct reader r = reader_of(f->data, f->len);
	uint32_t n;

	memset(m, 0, sizeof(*m));
	if (facts_get(&r, &m->facts, e) < 0)
		return -1;
	n = get_u32(&r);
	if (n > MAX_STALE)
		r.bad = true;
	for (uint32_t i = 0; i < n && !r.bad; i++) {
		char id[JOURNAL_ID_MAX];

		get_id(&r, id);
		strv_add(&m->stale, id);
	}
	if (ended(&r, "OPEN reply", e) == 0)
		return 0;
	msg_opened_fini(m);
	return -1;
}

void msg_opened_fini(struct msg_opened *m)
{
	facts_fini(&m->facts);
	strv_fini(&m->stale);
	memset(m, 0, sizeof(*m));
}

void msg_pass_put(struct buf *b, const struct msg_pass *m)
{
	buf_put_u8(b, (uint8_t)m->kind);
	buf_put_u16(b, m->n_streams);
}

int msg_pass_get(const struct frame *f, struct msg_pass *m, struct err *e)
{
	struct reader r = reader_of(f->data, f->len);
	uint8_t kind = get_u8(&r);

	m->kind = (enum pass_kind)kind;
	m->n_streams = get_u16(&r);
	if (kind < PASS_FIRST || kind > PASS_LAST || m->n_streams < 1)
		r.bad = true;
	return ended(&r, "PASS", e);
}

void msg_ask_put(struct buf *b, const struct msg_ask *m)
{
	buf_put_str(b, m->id);
	buf_put_u8(b, (uint8_t)m->verdict);
}

int msg_ask_get(const struct frame *f, struct msg_ask *m, struct err *e)
{
	struct reader r = reader_of(f->data, f->len);
	uint8_t verdict;

	get_id(&r, m->id);
	verdict = get_u8(&r);
	m->verdict = (enum verdict)verdict;
	if (verdict > VERDICT_LOST)
		r.bad = true;
	return ended(&r, "ASK", e);
}

/* On the wire the states have numbers of their own. */
static const enum journal_state wire_states[] = {
	[0] = JOURNAL_NONE,	 [1] = JOURNAL_ACTIVE, [2] = JOURNAL_READY,
	[3] = JOURNAL_COMMITTED, [4] = JOURNAL_DONE,   [5] = JOURNAL_UNDONE,
};

void msg_asked_put(struct buf *b, const struct msg_asked *m)
{
	uint8_t n = 0;

	while (wire_states[n] != m->state)
		n++;
	buf_put_u8(b, n);
	put_err(b, &m->why);
}

int msg_asked_get(const struct frame *f, struct msg_asked *m, struct err *e)
{
	struct reader r = reader_of(f->data, f->len);
	uint8_t n = get_u8(&r);

	if (n >= array_len(wire_states))
		r.bad = true;
	m->state = r.bad ? JOURNAL_NONE : wire_states[n];
	get_err(&r, &m->why);
	return ended(&r, "ASK reply", e);
}

void msg_committed_put(struct buf *b, const struct msg_committed *m)
{
	buf_put_u8(b, m->done);
	put_err(b, &m->why);
}

int msg_committed_get(const struct frame *f, struct msg_committed *m, struct err *e)
{
	struct reader r = reader_of(f->data, f->len);
	uint8_t done = get_u8(&r);

	if (done > 1)
		r.bad = true;
	m->done = done == 1;
	get_err(&r, &m->why);
	return ended(&r, "COMMIT reply", e);
}

int msg_bool_get(const struct frame *f, bool *out, struct err *e)
{
	struct reader r = reader_of(f->data, f->len);
	uint8_t v = get_u8(&r);

	if (v > 1)
		r.bad = true;
	*out = v == 1;
	return ended(&r, "yes-or-no", e);
}
