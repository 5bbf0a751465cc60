// SPDX-License-Identifier: MIT
/* The list that both ends share: see criu/save/save.h. */
#include <stdlib.h>

#include "base/own.h"
#include "criu/save/save.h"

enum {
	SPACES_MAX = 1 << 16,
	RUNS_MAX = 1 << 20,
};

void hidden_spaces_fini(struct hidden_spaces *h)
{
	for (size_t i = 0; i < h->n; i++) {
		pageset_fini(&h->v[i].lazy);
		pageset_fini(&h->v[i].eager);
	}
	free(h->v);
	*h = (struct hidden_spaces)HIDDEN_SPACES_INIT;
}

static void put_runs(struct buf *b, const struct pageset *p)
{
	buf_put_u32(b, (uint32_t)p->n);
	for (size_t k = 0; k < p->n; k++) {
		buf_put_u64(b, p->v[k].start);
		buf_put_u64(b, p->v[k].pages);
	}
}

void hidden_spaces_put(struct buf *b, const struct hidden_spaces *h)
{
	buf_put_u32(b, (uint32_t)h->n);
	for (size_t i = 0; i < h->n; i++) {
		buf_put_u32(b, h->v[i].vpid);
		put_runs(b, &h->v[i].lazy);
		put_runs(b, &h->v[i].eager);
	}
}

static int get_runs(struct reader *r, struct pageset *p)
{
	uint64_t floor = 0;
	uint32_t n = get_u32(r);

	if (n > RUNS_MAX)
		return -1;
	for (uint32_t i = 0; i < n && !r->bad; i++) {
		uint64_t start = get_u64(r), pages = get_u64(r);

		if (start % 4096 || start < floor || !pages || start >> 57 || pages >> 45)
			return -1;
		floor = start + pages * 4096;
		pageset_add(p, start, pages);
	}
	return r->bad ? -1 : 0;
}

static int get_one(struct reader *r, struct hidden_space *sp)
{
	sp->vpid = get_u32(r);
	return get_runs(r, &sp->lazy) < 0 || get_runs(r, &sp->eager) < 0 ? -1 : 0;
}

int hidden_spaces_get(struct reader *r, struct hidden_spaces *h, struct err *e)
{
	uint32_t n = get_u32(r);
	bool bad = n > SPACES_MAX;

	for (uint32_t i = 0; i < n && !bad && !r->bad; i++) {
		h->v = xrealloc(h->v, (h->n + 1) * sizeof(*h->v));
		h->v[h->n] = (struct hidden_space){ .vpid = 0 };
		bad = get_one(r, &h->v[h->n++]) < 0;
	}
	if (!bad && !r->bad)
		return 0;
	hidden_spaces_fini(h);
	return err_set(e, ERR_PROTO, "the list of hidden memory cannot be understood");
}
