// SPDX-License-Identifier: MIT
#include "criu/image/image.h"

#include <stdlib.h>
#include <string.h>

#include "base/own.h"

enum {
	IMG_COMMON = 0x54564319,
	HEAD = 8,
	MSG_MAX = 64 << 20,
	TASKS_MAX = 1 << 20,
	PAGE = 4096,
};

static uint32_t le32_at(const uint8_t *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void put_le32(struct buf *b, uint32_t v)
{
	const uint8_t bytes[4] = { (uint8_t)v, (uint8_t)(v >> 8), (uint8_t)(v >> 16),
				   (uint8_t)(v >> 24) };

	buf_put(b, bytes, 4);
}

static int broken(const char *name, struct err *e)
{
	return err_set(e, ERR_PROTO, "the image %s is broken", name);
}

int image_begin(struct image_reader *ir, const char *name, enum image_magic magic,
		const void *data, size_t len, struct err *e)
{
	const uint8_t *head;

	ir->r = reader_of(data, len);
	ir->name = name;
	head = get_raw(&ir->r, HEAD);
	if (!head || le32_at(head) != IMG_COMMON || le32_at(head + 4) != (uint32_t)magic)
		return broken(name, e);
	return 0;
}

int image_next(struct image_reader *ir, struct image_msg *msg, struct err *e)
{
	const uint8_t *size;

	if (ir->r.at == ir->r.end)
		return 0;
	size = get_raw(&ir->r, 4);
	if (!size || le32_at(size) > MSG_MAX)
		return broken(ir->name, e);
	msg->len = le32_at(size);
	msg->data = get_raw(&ir->r, msg->len);
	if (!msg->data && msg->len)
		return broken(ir->name, e);
	return 1;
}

void image_put_head(struct buf *b, enum image_magic magic)
{
	put_le32(b, IMG_COMMON);
	put_le32(b, (uint32_t)magic);
}

void image_put_raw(struct buf *b, const void *data, size_t len)
{
	put_le32(b, (uint32_t)len);
	buf_put(b, data, len);
}

void image_put(struct buf *b, const ProtobufCMessage *msg)
{
	size_t n = protobuf_c_message_get_packed_size(msg);

	put_le32(b, (uint32_t)n);
	b->len += protobuf_c_message_pack(msg, buf_reserve(b, n));
}

/* ---- pagemap ---- */

void pagemap_fini(struct pagemap *pm)
{
	free(pm->run);
	*pm = (struct pagemap)PAGEMAP_INIT;
}

static uint64_t run_end(const struct page_run *r)
{
	return r->start + r->nr_pages * PAGE;
}

static void add_run(struct pagemap *pm, struct page_run r)
{
	struct page_run *last = pm->n ? &pm->run[pm->n - 1] : NULL;

	if (!r.nr_pages)
		return;
	if (last && last->flags == r.flags && run_end(last) == r.start) {
		last->nr_pages += r.nr_pages;
		return;
	}
	if (pm->n == pm->cap) {
		pm->cap = pm->cap ? pm->cap * 2 : 64;
		pm->run = xrealloc(pm->run, pm->cap * sizeof(*pm->run));
	}
	pm->run[pm->n++] = r;
}

static int add_entry(struct pagemap *pm, const Img__PagemapEntry *pe, struct err *e)
{
	const struct page_run r = {
		.start = pe->vaddr,
		.nr_pages = pe->has_nr_pages ? pe->nr_pages : pe->compat_nr_pages,
		.flags = pe->flags & ~PAGE_OURS,
	};
	const uint64_t floor = pm->n ? run_end(&pm->run[pm->n - 1]) : 0;

	if (r.start % PAGE || r.start < floor || r.nr_pages > (UINT64_MAX - r.start) / PAGE)
		return broken("pagemap", e);
	add_run(pm, r);
	return 0;
}

int pagemap_read(struct pagemap *pm, const void *data, size_t len, struct err *e)
{
	struct image_reader ir;
	struct image_msg msg;
	Img__PagemapHead *head = NULL;
	int ret;

	if (image_begin(&ir, "pagemap", IMAGE_PAGEMAP, data, len, e) < 0)
		return -1;
	ret = image_next(&ir, &msg, e);
	if (ret > 0)
		head = img__pagemap_head__unpack(NULL, msg.len, msg.data);
	if (!head)
		return ret < 0 ? -1 : broken("pagemap", e);
	pm->pages_id = head->pages_id;
	img__pagemap_head__free_unpacked(head, NULL);
	while ((ret = image_next(&ir, &msg, e)) > 0) {
		Img__PagemapEntry *pe = img__pagemap_entry__unpack(NULL, msg.len, msg.data);

		ret = pe ? add_entry(pm, pe, e) : broken("pagemap", e);
		if (pe)
			img__pagemap_entry__free_unpacked(pe, NULL);
		if (ret < 0)
			break;
	}
	if (ret < 0)
		pagemap_fini(pm);
	return ret;
}

void pagemap_write(const struct pagemap *pm, struct buf *out)
{
	Img__PagemapHead head = IMG__PAGEMAP_HEAD__INIT;

	image_put_head(out, IMAGE_PAGEMAP);
	head.pages_id = pm->pages_id;
	image_put(out, &head.base);
	for (size_t i = 0; i < pm->n; i++) {
		Img__PagemapEntry pe = IMG__PAGEMAP_ENTRY__INIT;
		const struct page_run *r = &pm->run[i];

		pe.vaddr = r->start;
		pe.has_nr_pages = pe.has_flags = true;
		pe.nr_pages = r->nr_pages;
		pe.compat_nr_pages = r->nr_pages > UINT32_MAX ? UINT32_MAX : (uint32_t)r->nr_pages;
		pe.flags = r->flags & ~(uint32_t)PAGE_OURS;
		image_put(out, &pe.base);
	}
}

/* What of `run` lies before `limit`; the rest stays in it. */
static struct page_run cut_before(struct page_run *run, uint64_t limit)
{
	struct page_run head = *run;

	if (run_end(run) > limit)
		head.nr_pages = run->start < limit ? (limit - run->start) / PAGE : 0;
	run->start += head.nr_pages * PAGE;
	run->nr_pages -= head.nr_pages;
	return head;
}

static void skip_until(struct page_run *run, uint64_t limit)
{
	uint64_t pages = run->start < limit ? (limit - run->start) / PAGE : 0;

	if (pages > run->nr_pages)
		pages = run->nr_pages;
	run->start += pages * PAGE;
	run->nr_pages -= pages;
}

void pagemap_add(struct pagemap *pm, const struct page_run *runs, size_t n, uint32_t flags)
{
	struct pagemap out = PAGEMAP_INIT;
	struct page_run rest = { 0 };
	size_t next = 0;

	out.pages_id = pm->pages_id;
	for (size_t i = 0; i <= pm->n; i++) {
		const struct page_run *own = i < pm->n ? &pm->run[i] : NULL;
		const uint64_t limit = own ? own->start : UINT64_MAX;

		while (rest.nr_pages || next < n) {
			if (!rest.nr_pages) {
				rest = runs[next++];
				rest.flags = flags;
			}
			if (rest.start >= limit)
				break;
			add_run(&out, cut_before(&rest, limit));
			if (own)
				skip_until(&rest, run_end(own));
		}
		if (!own)
			break;
		skip_until(&rest, run_end(own));
		add_run(&out, *own);
	}
	free(pm->run);
	*pm = out;
}

/* ---- pstree, core ---- */

int pstree_read(const void *data, size_t len, struct image_task **out, size_t *n,
		struct err *e)
{
	own_free struct image_task *tasks = NULL;
	struct image_reader ir;
	struct image_msg msg;
	size_t have = 0;
	int ret;

	if (image_begin(&ir, "pstree", IMAGE_PSTREE, data, len, e) < 0)
		return -1;
	while ((ret = image_next(&ir, &msg, e)) > 0) {
		Img__Task *t = img__task__unpack(NULL, msg.len, msg.data);

		if (!t || have >= TASKS_MAX) {
			if (t)
				img__task__free_unpacked(t, NULL);
			return broken("pstree", e);
		}
		tasks = xrealloc(tasks, (have + 1) * sizeof(*tasks));
		tasks[have++] = (struct image_task){ .pid = t->pid, .ppid = t->ppid };
		img__task__free_unpacked(t, NULL);
	}
	if (ret < 0)
		return -1;
	*out = take_ptr(&tasks);
	*n = have;
	return 0;
}

int core_read_state(const void *data, size_t len, uint32_t *state, struct err *e)
{
	struct image_reader ir;
	struct image_msg msg;
	Img__Core *core = NULL;
	int ret;

	if (image_begin(&ir, "core", IMAGE_CORE, data, len, e) < 0)
		return -1;
	ret = image_next(&ir, &msg, e);
	if (ret > 0)
		core = img__core__unpack(NULL, msg.len, msg.data);
	if (!core)
		return ret < 0 ? -1 : broken("core", e);
	/* A thread that is no leader has no tc: it has no state of its own. */
	*state = core->tc ? core->tc->task_state : (uint32_t)TASK_STATE_ALIVE;
	img__core__free_unpacked(core, NULL);
	return 0;
}
