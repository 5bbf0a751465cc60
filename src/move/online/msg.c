// SPDX-License-Identifier: MIT
/* The messages of move/online/online.h: pure. */
#include <stdlib.h>

#include "base/own.h"
#include "move/msg.h"
#include "move/online/online.h"
#include "move/streams.h"

enum { SHARED_MAX = 65536 };

static int done(const struct reader *r, const char *what, struct err *e)
{
	return reader_done(r) ? 0 : err_set(e, ERR_PROTO, "%s cannot be understood", what);
}

void msg_live_open_put(struct buf *b, const struct msg_live_open *m)
{
	buf_put_u16(b, m->n_streams);
	buf_put_u16(b, m->n_tree);
	buf_put_u8(b, m->lazy);
	buf_put_u64(b, m->max_pages);
}

int msg_live_open_get(const struct frame *f, struct msg_live_open *m, struct err *e)
{
	struct reader r = reader_of(f->data, f->len);

	m->n_streams = get_u16(&r);
	m->n_tree = get_u16(&r);
	m->lazy = get_u8(&r) != 0;
	m->max_pages = get_u64(&r);
	if (m->n_tree < 1 || m->n_streams <= m->n_tree || m->n_streams > STREAMS_MAX)
		r.bad = true;
	return done(&r, "LIVE_OPEN", e);
}

void msg_live_arm_put(struct buf *b, const struct msg_live_arm *m)
{
	ext_mounts_put(b, &m->mounts);
	buf_put_u32(b, m->n_shared);
	for (uint32_t i = 0; i < m->n_shared; i++)
		buf_put_u32(b, m->shared[i]);
	buf_put_u8(b, m->cgroups);
}

void msg_live_arm_fini(struct msg_live_arm *m)
{
	ext_mounts_fini(&m->mounts);
	free(m->shared);
	*m = (struct msg_live_arm){ .shared = NULL };
}

int msg_live_arm_get(const struct frame *f, struct msg_live_arm *m, struct err *e)
{
	struct reader r = reader_of(f->data, f->len);

	*m = (struct msg_live_arm){ .shared = NULL };
	if (ext_mounts_get(&r, &m->mounts, e) < 0)
		return -1;
	m->n_shared = get_u32(&r);
	if (m->n_shared > SHARED_MAX)
		r.bad = true;
	if (!r.bad) {
		m->shared = xcalloc(m->n_shared + 1, sizeof(*m->shared));
		for (uint32_t i = 0; i < m->n_shared; i++)
			m->shared[i] = get_u32(&r);
	}
	m->cgroups = get_u8(&r) != 0;
	if (done(&r, "LIVE_ARM", e) == 0)
		return 0;
	msg_live_arm_fini(m);
	return -1;
}

void msg_live_place_put(struct buf *b, const struct msg_live_place *m)
{
	buf_put_u16(b, m->index);
	buf_put_u8(b, m->kind);
}

int msg_live_place_get(const struct frame *f, struct msg_live_place *m, struct err *e)
{
	struct reader r = reader_of(f->data, f->len);

	m->index = get_u16(&r);
	m->kind = get_u8(&r);
	if (m->kind < PASS_FIRST || m->kind > PASS_LAST)
		r.bad = true;
	return done(&r, "LIVE_PLACE", e);
}
