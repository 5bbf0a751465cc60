// SPDX-License-Identifier: MIT
#include "criu/revive/img.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/own.h"
#include "criu/image/image.h"
#include "criu/image/imgdir.h"
#include "criu/image/mm.h"
#include "criu/shim/text.h"
#include "mem/track/shm.h"

static const size_t image_max = 256u << 20;

enum { ROOM_PAGES = 64 };

static int read_pagemap(int images, const char *name, struct pagemap *pm, struct err *e)
{
	own_free char *data = NULL;
	size_t len;

	if (file_read(images, name, image_max, &data, &len, e) < 0)
		return -1;
	return pagemap_read(pm, data, len, e);
}

/* Joins runs of a pageset. */
static void add_pages(struct pagemap *pm, const struct pageset *s, uint32_t flags)
{
	own_free struct page_run *runs = xcalloc(s->n + 1, sizeof(*runs));

	for (size_t i = 0; i < s->n; i++)
		runs[i] = (struct page_run){ s->v[i].start, s->v[i].pages, 0 };
	pagemap_add(pm, runs, s->n, flags);
}

/*
 * CRIU marks dumped anonymous pages as present and lazy; a restore with a handler would
 * leave them to it.  They are in the images: present only.
 */
static void keep_dumped(struct pagemap *pm)
{
	for (size_t i = 0; i < pm->n; i++) {
		if (pm->run[i].flags & PAGE_PRESENT)
			pm->run[i].flags &= ~(uint32_t)PAGE_LAZY;
	}
}

/* So many pages from one file to another, or out of the store. */
struct pages_out {
	int from, to;
	struct store *store;
	uint32_t nr; /* its object */
	uint8_t *room;
};

static int put_run(const struct pages_out *o, const struct page_run *run, struct err *e)
{
	for (uint64_t done = 0; done < run->nr_pages;) {
		uint64_t some = run->nr_pages - done < ROOM_PAGES ? run->nr_pages - done : ROOM_PAGES;
		const size_t len = some << MEM_PAGE_SHIFT;

		if (run->flags & PAGE_OURS) {
			if (store_read(o->store, o->nr, run->start + (done << MEM_PAGE_SHIFT), some, o->room, e) < 0)
				return -1;
		} else if (read_all(o->from, o->room, len) < 0) {
			return err_sys(e, "CRIU's pages are fewer than it says");
		}
		if (write_all(o->to, o->room, len) < 0)
			return err_sys(e, "cannot write pages into the images");
		done += some;
	}
	return 0;
}

/* pages-ID.img anew: CRIU's own pages and those of the store, by address, as the pagemap has them. */
static int put_pages(int images, const struct pagemap *pm, struct store *store, uint32_t nr, struct err *e)
{
	own_free char *name = xasprintf("pages-%u.img", pm->pages_id);
	own_free uint8_t *room = xmalloc((size_t)ROOM_PAGES << MEM_PAGE_SHIFT);
	own_fd int from = openat(images, name, O_RDONLY | O_CLOEXEC), to = -1;
	struct pages_out o = { .from = from, .store = store, .nr = nr, .room = room };

	/* The old file, if CRIU found any pages, lives as long as `from`. */
	unlinkat(images, name, 0);
	o.to = to = openat(images, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (to < 0)
		return err_sys(e, "cannot make the image %s", name);
	for (size_t i = 0; i < pm->n; i++) {
		if (pm->run[i].flags & PAGE_PRESENT && put_run(&o, &pm->run[i], e) < 0)
			return -1;
	}
	return 0;
}

static int one_pagemap(int images, const struct hidden_space *h, struct store *store,
		       struct lazy *lazy, struct err *e)
{
	own_free char *name = xasprintf("pagemap-%u.img", h->vpid);
	own_free char *mm = xasprintf("mm-%u.img", h->vpid);
	own_pagemap struct pagemap pm = PAGEMAP_INIT;
	own_buf struct buf out = BUF_INIT;
	own_pageset struct pageset pages = PAGESET_INIT, eager = PAGESET_INIT;
	uint32_t nr = store_find_space(store, (pid_t)h->vpid);

	if (h->lazy.n || h->eager.n) {
		if (!nr)
			return err_set(e, ERR_PROTO, "the memory of process %u was never sent", h->vpid);
		if (store_present(store, nr, &pages, e) < 0)
			return -1;
		pageset_add_set(&eager, &h->eager);
		pageset_keep(&eager, &pages);
		pageset_keep(&pages, &h->lazy);
	}
	if (read_pagemap(images, name, &pm, e) < 0)
		return -1;
	keep_dumped(&pm);
	/* What CRIU dumped all the same is restored from its images. */
	for (size_t i = 0; i < pm.n; i++)
		pageset_remove(&pages, pm.run[i].start, pm.run[i].nr_pages);
	add_pages(&pm, &pages, PAGE_LAZY);
	add_pages(&pm, &eager, PAGE_PRESENT | PAGE_OURS);
	pagemap_write(&pm, &out);
	if ((eager.n && put_pages(images, &pm, store, nr, e) < 0) ||
	    imgdir_put(images, name, out.data, out.len, e) < 0)
		return -1;
	return mm_mark_reserved(images, mm, name, e) < 0 ? -1 : lazy_only(lazy, (pid_t)h->vpid, &pages, e);
}

/* Of shared memory that CRIU saved: CRIU 4.2 writes the number of pages to a field that older ones do not read (afb2e6c3f), and
 * these restore empty memory without a word.  pagemap_write fills both. */
static int shared_pagemap(int images, const char *name, struct err *e)
{
	own_pagemap struct pagemap pm = PAGEMAP_INIT;
	own_buf struct buf out = BUF_INIT;

	if (read_pagemap(images, name, &pm, e) < 0)
		return -1;
	pagemap_write(&pm, &out);
	return imgdir_put(images, name, out.data, out.len, e);
}

static const struct hidden_space *hidden_of(const struct hidden_spaces *hidden, uint32_t vpid)
{
	for (size_t i = 0; i < hidden->n; i++) {
		if (hidden->v[i].vpid == vpid)
			return &hidden->v[i];
	}
	return NULL;
}

int revive_pagemaps(int images, const struct hidden_spaces *hidden, struct store *store,
		    struct lazy *lazy, struct err *e)
{
	static const struct pageset nothing = PAGESET_INIT;
	char **names = NULL;
	size_t n = 0;
	int ret = imgdir_list(images, &names, &n, e);

	for (size_t i = 0; i < n; i++) {
		struct hidden_space none = { .vpid = 0 };
		const struct hidden_space *h;
		unsigned vpid;
		char end;

		if (ret == 0 && sscanf(names[i], "pagemap-%u.im%c", &vpid, &end) == 2) {
			none.vpid = vpid;
			h = hidden_of(hidden, vpid);
			ret = one_pagemap(images, h ? h : &none, store, lazy, e);
		} else if (ret == 0 && sscanf(names[i], "pagemap-shmem-%u.im%c", &vpid, &end) == 2) {
			ret = shared_pagemap(images, names[i], e);
		}
		free(names[i]);
	}
	free(names);
	/* A process without images of memory shares another's. */
	for (size_t i = 0; ret == 0 && i < hidden->n; i++) {
		if (hidden->v[i].lazy.n == 0)
			ret = lazy_only(lazy, (pid_t)hidden->v[i].vpid, &nothing, e);
	}
	return ret;
}

/* ---- shared memory ---- */

/* Which of `shared` has this inode; -1: none. */
static ssize_t object_of(struct store *store, const uint32_t *shared, size_t n, uint32_t ino)
{
	struct memobj o;

	for (size_t i = 0; i < n; i++) {
		if (store_get(store, shared[i], &o) && o.kind == MEMOBJ_SHARED && !shm_is_sysv(o.name) &&
		    (uint32_t)o.id == ino)
			return (ssize_t)i;
	}
	return -1;
}

/* Bits that no memory file of a container has: CRIU takes them away when it takes ours. */
enum { NOT_TAKEN = 07000 };

int revive_memfds(int images, struct store *store, const uint32_t *shared, size_t n,
		  struct shared_use *use, struct err *e)
{
	own_free char *data = NULL;
	own_buf struct buf out = BUF_INIT;
	struct image_reader ir;
	struct image_msg msg;
	size_t len;
	int ret;

	if (n == 0 || faccessat(images, "memfd.img", F_OK, 0) < 0)
		return 0;
	if (file_read(images, "memfd.img", image_max, &data, &len, e) < 0 ||
	    image_begin(&ir, "memfd", IMAGE_MEMFD, data, len, e) < 0)
		return -1;
	image_put_head(&out, IMAGE_MEMFD);
	while ((ret = image_next(&ir, &msg, e)) > 0) {
		Img__MemfdInode *inode = img__memfd_inode__unpack(NULL, msg.len, msg.data);
		ssize_t i = inode ? object_of(store, shared, n, inode->shmid) : -1;

		if (!inode)
			return err_set(e, ERR_PROTO, "the image memfd is broken");
		if (i >= 0) {
			own_free char *name = xasprintf(SHIM_SHARED "%u", shared[i]);
			char *old = inode->name;

			use[i] = (struct shared_use){ true, inode->mode & 07777 };
			inode->name = name;
			inode->size = 0; /* CRIU has nothing to fill in */
			image_put(&out, &inode->base);
			inode->name = old;
			if (!inode->has_mode || fchmod(store_shared_fd(store, shared[i]), NOT_TAKEN) < 0)
				ret = err_set(e, ERR_UNSUPPORTED, "the mode of shared memory %.64s is unknown", old);
		} else {
			image_put_raw(&out, msg.data, msg.len);
		}
		img__memfd_inode__free_unpacked(inode, NULL);
		if (ret < 0)
			return -1;
	}
	return ret < 0 ? -1 : imgdir_put(images, "memfd.img", out.data, out.len, e);
}

int revive_memfds_taken(struct store *store, const uint32_t *shared, size_t n,
			const struct shared_use *use, struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		struct stat st;

		if (!use[i].used)
			continue;
		if (fstat(store_shared_fd(store, shared[i]), &st) < 0 || (st.st_mode & 07777) != use[i].mode)
			return err_set(e, ERR_CHILD, "CRIU did not take the shared memory %u", shared[i]);
	}
	return 0;
}
