// SPDX-License-Identifier: MIT
#include "mem/msg.h"

#include <inttypes.h>

#include "mem/maps.h"

enum { FLAG_DENSE = 1, RUN_BYTES = 16, HEAD_BYTES = 9 };

const char *memmsg_name(uint8_t type)
{
	static const char *const names[] = {
		"memory object", "pages", "compressed pages", "zero pages", "dropped pages",
		"end of a memory object", "memory barrier", "page list", "wanted pages",
		"end of the push", "end of lazy memory", "pages owed",
	};

	if (type < PROTO_MEM_FIRST || type >= MEMMSG_TYPE_END)
		return "memory frame";
	return names[type - PROTO_MEM_FIRST];
}

void memmsg_put_object(struct buf *b, const struct memobj *o)
{
	buf_put_u32(b, o->nr);
	buf_put_u8(b, (uint8_t)o->kind);
	buf_put_u64(b, o->id);
	buf_put_u64(b, o->dev);
	buf_put_u64(b, o->size);
	buf_put_str(b, o->name);
}

int memmsg_get_object(const struct frame *f, struct memobj *o, struct err *e)
{
	struct reader r = reader_of(f->data, f->len);
	unsigned kind;

	*o = (struct memobj){ .nr = get_u32(&r) };
	kind = get_u8(&r);
	o->id = get_u64(&r);
	o->dev = get_u64(&r);
	o->size = get_u64(&r);
	get_str_into(&r, o->name, sizeof(o->name));
	if (!reader_done(&r) || !o->nr || (kind != MEMOBJ_SPACE && kind != MEMOBJ_SHARED) ||
	    o->size > MEMMSG_MAX_ADDR || (kind == MEMOBJ_SPACE && (!o->id || o->id > INT32_MAX)))
		return err_set(e, ERR_PROTO, "a memory object that cannot be arrived");
	o->kind = (enum memobj_kind)kind;
	return 0;
}

void memmsg_put_runs(struct buf *b, uint32_t nr, bool dense, const struct run *v, uint32_t n)
{
	uint8_t *p = buf_reserve(b, HEAD_BYTES + (size_t)n * RUN_BYTES);

	put_be32(p, nr);
	p[4] = dense ? FLAG_DENSE : 0;
	put_be32(p + 5, n);
	p += HEAD_BYTES;
	for (uint32_t i = 0; i < n; i++, p += RUN_BYTES) {
		put_be64(p, v[i].start);
		put_be64(p + 8, v[i].pages);
	}
	b->len += HEAD_BYTES + (size_t)n * RUN_BYTES;
}

/* Rising, apart from each other, aligned, inside of what an address can be. */
static bool runs_fit(const struct memmsg_runs *m, const struct run *v)
{
	uint64_t at = 0;

	for (uint32_t i = 0; i < m->n; i++) {
		if (v[i].start < at || v[i].start & (MEM_PAGE - 1) || !v[i].pages ||
		    v[i].start >= MEMMSG_MAX_ADDR ||
		    v[i].pages > (MEMMSG_MAX_ADDR - v[i].start) >> MEM_PAGE_SHIFT)
			return false;
		at = run_end(&v[i]);
	}
	return true;
}

static bool data_fits(const struct frame *f, const struct memmsg_runs *m)
{
	switch (f->type) {
	case MEMMSG_PAGES:
		return m->n <= MEMMSG_MAX_RUNS && m->pages <= MEMMSG_MAX_PAGES &&
		       m->data_len == m->pages << MEM_PAGE_SHIFT;
	case MEMMSG_ZPAGES:
		return m->n <= MEMMSG_MAX_RUNS && m->pages <= MEMMSG_MAX_PAGES && m->data_len > 0 &&
		       m->data_len <= m->pages << MEM_PAGE_SHIFT;
	case MEMMSG_WANT:
		return m->n == 1 && m->pages <= MEMMSG_MAX_PAGES && m->data_len == 0;
	default:
		return m->data_len == 0;
	}
}

int memmsg_get_runs(const struct frame *f, struct memmsg_runs *m, struct run *v, struct err *e)
{
	struct reader r = reader_of(f->data, f->len);
	const uint8_t *p;
	unsigned flags;

	*m = (struct memmsg_runs){ .nr = get_u32(&r) };
	flags = get_u8(&r);
	m->n = get_u32(&r);
	if (r.bad || !m->nr || flags & ~(unsigned)FLAG_DENSE || m->n > MEMMSG_MAX_LIST)
		goto bad;
	m->dense = flags & FLAG_DENSE;
	p = get_raw(&r, (size_t)m->n * RUN_BYTES);
	if (!p)
		goto bad;
	for (uint32_t i = 0; i < m->n; i++, p += RUN_BYTES) {
		v[i] = (struct run){ be64_at(p), be64_at(p + 8) };
		m->pages += v[i].pages;
	}
	if (!runs_fit(m, v))
		goto bad;
	m->data_len = (size_t)(r.end - r.at);
	m->data = m->data_len ? r.at : NULL;
	if (!data_fits(f, m))
		goto bad;
	return 0;
bad:
	return err_set(e, ERR_PROTO, "a damaged list of %s arrived (object %" PRIu32 ")",
		       memmsg_name(f->type), m->nr);
}
