// SPDX-License-Identifier: MIT
#include "criu/image/mm.h"

#include <stdbool.h>
#include <sys/mman.h>

#include "base/file.h"
#include "base/own.h"
#include "criu/image/image.h"
#include "criu/image/imgdir.h"
#include "criu/shim/text.h"
#include "mem/maps.h"

static const size_t image_max = 256u << 20;

int mm_read(int images, const char *name, Img__Mm **out, struct err *e)
{
	own_free char *data = NULL;
	struct image_reader ir;
	struct image_msg msg;
	size_t len;

	*out = NULL;
	if (file_read(images, name, image_max, &data, &len, e) < 0 ||
	    image_begin(&ir, name, IMAGE_MM, data, len, e) < 0)
		return -1;
	if (image_next(&ir, &msg, e) > 0)
		*out = img__mm__unpack(NULL, msg.len, msg.data);
	return *out ? 0 : err_set(e, ERR_PROTO, "the image %s is broken", name);
}

int mm_write(int images, const char *name, const Img__Mm *mm, struct err *e)
{
	own_buf struct buf out = BUF_INIT;

	image_put_head(&out, IMAGE_MM);
	image_put(&out, &mm->base);
	return imgdir_put(images, name, out.data, out.len, e);
}

static int change_mappings(int images, const char *name, const struct pageset *mappings, void (*change)(Img__Vma *v), struct err *e)
{
	Img__Mm *mm;
	int ret;

	if (mm_read(images, name, &mm, e) < 0)
		return -1;
	for (size_t i = 0; i < mm->n_vmas; i++) {
		if (pageset_has(mappings, mm->vmas[i]->start))
			change(mm->vmas[i]);
	}
	ret = mm_write(images, name, mm, e);
	img__mm__free_unpacked(mm, NULL);
	return ret;
}

static void add_exec(Img__Vma *v)
{
	v->prot |= PROT_EXEC;
}

static void add_wiped(Img__Vma *v)
{
	v->has_madv = true;
	v->madv |= 1ull << MADV_WIPEONFORK;
}

int mm_set_exec(int images, const char *name, const struct pageset *mappings, struct err *e)
{
	return change_mappings(images, name, mappings, add_exec, e);
}

int mm_set_wiped(int images, const char *name, const struct pageset *mappings, struct err *e)
{
	return change_mappings(images, name, mappings, add_wiped, e);
}

static bool has_pages(const struct pagemap *pm, const Img__Vma *v)
{
	size_t lo = 0, hi = pm->n;

	/* the first run that ends behind the mapping's start */
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (pm->run[mid].start + (pm->run[mid].nr_pages << MEM_PAGE_SHIFT) <= v->start)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < pm->n && pm->run[lo].start < v->end;
}

static bool is_reserved(const struct pagemap *pm, const Img__Vma *v)
{
	return v->flags & MAP_PRIVATE && v->flags & MAP_ANONYMOUS && !(v->flags & (MAP_HUGETLB | MAP_GROWSDOWN)) &&
	       !(v->prot & PROT_WRITE) && !has_pages(pm, v);
}

int mm_mark_reserved(int images, const char *name, const char *pagemap, struct err *e)
{
	own_pagemap struct pagemap pm = PAGEMAP_INIT;
	own_free char *data = NULL;
	bool changed = false;
	Img__Mm *mm;
	size_t len;
	int ret = 0;

	if (file_read(images, pagemap, image_max, &data, &len, e) < 0 || pagemap_read(&pm, data, len, e) < 0 ||
	    mm_read(images, name, &mm, e) < 0)
		return -1;
	for (size_t i = 0; i < mm->n_vmas; i++) {
		if (is_reserved(&pm, mm->vmas[i])) {
			mm->vmas[i]->flags |= SHIM_RESERVED;
			changed = true;
		}
	}
	if (changed)
		ret = mm_write(images, name, mm, e);
	img__mm__free_unpacked(mm, NULL);
	return ret;
}
