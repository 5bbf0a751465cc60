// SPDX-License-Identifier: MIT
/* The pure parts of criu/: images, requests. */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/file.h"
#include "base/own.h"
#include "criu/image/image.h"
#include "criu/image/imgdir.h"
#include "criu/image/mm.h"
#include "criu/revive/img.h"
#include "criu/rpc.h"
#include "criu/save/watches.h"
#include "criu/shimdir.h"
#include "criu/shim/text.h"
#include "mem/store/store.h"
#include "wire/proto.h"

static struct pagemap example(void)
{
	static const struct page_run runs[] = {
		{ 0x10000, 2, PAGE_PRESENT },
		{ 0x20000, 1, PAGE_PRESENT },
		{ 0x7fff00000000, 3, PAGE_LAZY },
	};
	struct pagemap pm = { .pages_id = 7, .n = 3, .cap = 3 };

	pm.run = xmalloc(sizeof(runs));
	memcpy(pm.run, runs, sizeof(runs));
	return pm;
}

static void assert_runs(const struct pagemap *pm, const struct page_run *want, size_t n)
{
	assert_int_equal(pm->n, n);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(pm->run[i].start, want[i].start);
		assert_int_equal(pm->run[i].nr_pages, want[i].nr_pages);
		assert_int_equal(pm->run[i].flags, want[i].flags);
	}
}

static void pagemap_comes_back(void **state)
{
	own_pagemap struct pagemap pm = example();
	own_pagemap struct pagemap back = PAGEMAP_INIT;
	own_buf struct buf b = BUF_INIT;
	struct err e = ERR_INIT;

	(void)state;
	pagemap_write(&pm, &b);
	assert_int_equal(pagemap_read(&back, b.data, b.len, &e), 0);
	assert_int_equal(back.pages_id, 7);
	assert_runs(&back, pm.run, pm.n);
}

/* Every cut and every flipped bit: an error or something valid, never a crash. */
static void pagemap_survives_damage(void **state)
{
	own_pagemap struct pagemap pm = example();
	own_buf struct buf b = BUF_INIT;

	(void)state;
	pagemap_write(&pm, &b);
	for (size_t i = 0; i < b.len; i++) {
		own_pagemap struct pagemap back = PAGEMAP_INIT;

		pagemap_read(&back, b.data, i, NULL);
	}
	for (size_t bit = 0; bit < b.len * 8; bit++) {
		own_pagemap struct pagemap back = PAGEMAP_INIT;

		b.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		if (pagemap_read(&back, b.data, b.len, NULL) == 0) {
			for (size_t i = 1; i < back.n; i++)
				assert_true(back.run[i].start >=
					    back.run[i - 1].start +
						    back.run[i - 1].nr_pages * 4096);
		}
		b.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}

static void lazy_runs_fill_the_gaps(void **state)
{
	static const struct page_run lazy[] = {
		{ 0x1000, 0x12, 0 },   /* reaches into the first own run: cut */
		{ 0x13000, 2, 0 },     /* between */
		{ 0x1f000, 3, 0 },     /* around the second */
		{ 0x30000, 1, 0 },
		{ 0x31000, 1, 0 },     /* joins the one before */
		{ 0x7fff00003000, 1, 0 }, /* joins an own lazy run */
	};
	static const struct page_run want[] = {
		{ 0x1000, 0xf, PAGE_LAZY },    { 0x10000, 2, PAGE_PRESENT },
		{ 0x12000, 3, PAGE_LAZY },     { 0x1f000, 1, PAGE_LAZY },
		{ 0x20000, 1, PAGE_PRESENT },  { 0x21000, 1, PAGE_LAZY },
		{ 0x30000, 2, PAGE_LAZY },     { 0x7fff00000000, 4, PAGE_LAZY },
	};
	own_pagemap struct pagemap pm = example();

	(void)state;
	pagemap_add(&pm, lazy, array_len(lazy), PAGE_LAZY);
	assert_int_equal(pm.pages_id, 7);
	assert_runs(&pm, want, array_len(want));
}

static void lazy_runs_into_nothing(void **state)
{
	static const struct page_run lazy[] = { { 0x1000, 4, 0 } };
	static const struct page_run want[] = { { 0x1000, 4, PAGE_LAZY } };
	own_pagemap struct pagemap pm = PAGEMAP_INIT;

	(void)state;
	pagemap_add(&pm, NULL, 0, PAGE_LAZY);
	assert_int_equal(pm.n, 0);
	pagemap_add(&pm, lazy, 1, PAGE_LAZY);
	assert_runs(&pm, want, 1);
	pagemap_add(&pm, lazy, 1, PAGE_LAZY);
	assert_runs(&pm, want, 1);
}

static void core_and_pstree_are_read(void **state)
{
	own_buf struct buf b = BUF_INIT;
	own_buf struct buf c = BUF_INIT;
	own_free struct image_task *tasks = NULL;
	Img__Task task = IMG__TASK__INIT;
	Img__Core core = IMG__CORE__INIT;
	Img__TaskCore tc = IMG__TASK_CORE__INIT;
	struct err e = ERR_INIT;
	uint32_t st = 0;
	size_t n = 0;

	(void)state;
	image_put_head(&b, IMAGE_PSTREE);
	task.pid = 1;
	image_put(&b, &task.base);
	task.pid = 17;
	task.ppid = 1;
	image_put(&b, &task.base);
	assert_int_equal(pstree_read(b.data, b.len, &tasks, &n, &e), 0);
	assert_int_equal(n, 2);
	assert_int_equal(tasks[1].pid, 17);
	assert_int_equal(tasks[1].ppid, 1);
	assert_int_equal(core_read_state(b.data, b.len, &st, &e), -1);

	tc.task_state = TASK_STATE_STOPPED;
	tc.comm = (char *)"x";
	core.tc = &tc;
	image_put_head(&c, IMAGE_CORE);
	image_put(&c, &core.base);
	assert_int_equal(core_read_state(c.data, c.len, &st, &e), 0);
	assert_int_equal(st, TASK_STATE_STOPPED);
}

static int apply_piece(void *arg, const void *piece, size_t len, struct err *e)
{
	uint64_t budget = 1 << 20;
	int *to = arg;

	/* cut anywhere: never a crash, and never outside */
	for (size_t i = 1; i < len && i < 40; i++)
		imgdir_apply(*to, piece, i, &budget, NULL);
	return imgdir_apply(*to, piece, len, &budget, e) < 0 ? -1 : 0;
}

static void images_travel(void **state)
{
	own_fd int from = imgdir_open(NULL);
	own_fd int to = imgdir_open(NULL);
	own_fd int fd = -1;
	struct err e = ERR_INIT;
	char **names = NULL, text[4] = "";
	size_t n = 0;

	(void)state;
	if (from < 0 || to < 0)
		skip(); /* not root */
	assert_int_equal(imgdir_put(from, "core-1.img", "abc", 3, &e), 0);
	assert_int_equal(imgdir_put(from, "empty.img", "", 0, &e), 0);
	assert_int_equal(imgdir_put(from, "dump.log", "no", 2, &e), 0);
	assert_int_equal(imgdir_send(from, apply_piece, &to, &e), 0);
	assert_int_equal(imgdir_list(to, &names, &n, &e), 0);
	assert_int_equal(n, 2);
	assert_string_equal(names[0], "core-1.img");
	fd = openat(to, "core-1.img", O_RDONLY);
	assert_int_equal(read(fd, text, 4), 3);
	assert_string_equal(text, "abc");
	for (size_t i = 0; i < n; i++)
		free(names[i]);
	free(names);
}

static int count_frames(void *arg, const void *pieces, size_t len, struct err *e)
{
	int *n = arg;

	(void)pieces;
	assert_null(e);
	assert_true(len <= PROTO_MAX_FRAME);
	*n += len > 0;
	return 0;
}

static void small_images_share_frames(void **state)
{
	own_fd int from = imgdir_open(NULL);
	static const char large[PROTO_MAX_FRAME];
	int n = 0;

	(void)state;
	if (from < 0)
		skip();
	for (int i = 0; i < 100; i++) {
		own_free char *name = xasprintf("core-%d.img", i);

		assert_int_equal(imgdir_put(from, name, "abc", 3, NULL), 0);
	}
	assert_int_equal(imgdir_send(from, count_frames, &n, NULL), 0);
	assert_int_equal(n, 1);
	assert_int_equal(imgdir_put(from, "pages-1.img", large, PROTO_MAX_FRAME, NULL), 0);
	n = 0;
	assert_int_equal(imgdir_send(from, count_frames, &n, NULL), 0);
	assert_int_equal(n, 3);
}

static void bad_pieces_are_refused(void **state)
{
	static const char *const bad[] = { "../x.img", ".x.img", "a/b.img", "x.txt", "" };
	own_fd int to = imgdir_open(NULL);
	uint64_t budget = 1000;

	(void)state;
	if (to < 0)
		skip();
	for (size_t i = 0; i < array_len(bad); i++) {
		own_buf struct buf b = BUF_INIT;
		struct err e = ERR_INIT;

		buf_put_str(&b, bad[i]);
		buf_put_u64(&b, 0);
		buf_put_u32(&b, 0);
		assert_int_equal(imgdir_apply(to, b.data, b.len, &budget, &e), -1);
		assert_int_equal(e.code, ERR_PROTO);
	}
	for (int i = 0; i < 10; i++) { /* the budget ends */
		own_buf struct buf b = BUF_INIT;

		buf_put_str(&b, "a.img");
		buf_put_u64(&b, 0);
		buf_put_u32(&b, 0);
		if (imgdir_apply(to, b.data, b.len, &budget, NULL) < 0)
			return;
	}
	fail();
}

static void put_file(struct buf *b, uint32_t id, uint32_t flags)
{
	Img__File f = IMG__FILE__INIT;
	Img__RegFile reg = IMG__REG_FILE__INIT;

	reg.id = f.id = id;
	reg.flags = flags;
	reg.name = (char *)"/bin/x";
	f.type = 1;
	f.reg = &reg;
	image_put(b, &f.base);
}

static void put_mm(int dir, const char *name, uint32_t exe)
{
	own_buf struct buf b = BUF_INIT;
	Img__Mm mm = IMG__MM__INIT;

	mm.exe_file_id = exe;
	image_put_head(&b, IMAGE_MM);
	image_put(&b, &mm.base);
	assert_int_equal(imgdir_put(dir, name, b.data, b.len, NULL), 0);
}

static uint32_t exe_in(int dir, const char *name)
{
	own_free char *data = NULL;
	struct image_reader ir;
	struct image_msg msg;
	Img__Mm *mm;
	uint32_t exe;
	size_t n;

	assert_int_equal(file_read(dir, name, 4096, &data, &n, NULL), 0);
	assert_int_equal(image_begin(&ir, name, IMAGE_MM, data, n, NULL), 0);
	assert_int_equal(image_next(&ir, &msg, NULL), 1);
	mm = img__mm__unpack(NULL, msg.len, msg.data);
	exe = mm->exe_file_id;
	img__mm__free_unpacked(mm, NULL);
	return exe;
}

/* Programs that share the entry of an O_PATH descriptor get one plain twin. */
static void programs_get_plain_entries(void **state)
{
	own_fd int dir = imgdir_open(NULL);
	own_free char *data = NULL;
	own_buf struct buf b = BUF_INIT;
	struct err e = ERR_INIT;
	size_t n;

	(void)state;
	if (dir < 0)
		skip();
	image_put_head(&b, IMAGE_FILES);
	put_file(&b, 3, 0);
	put_file(&b, 4, 010000000);
	assert_int_equal(imgdir_put(dir, "files.img", b.data, b.len, &e), 0);
	put_mm(dir, "mm-1.img", 3);
	put_mm(dir, "mm-2.img", 4);
	put_mm(dir, "mm-3.img", 4);
	assert_int_equal(revive_exes(dir, &e), 0);
	assert_int_equal(exe_in(dir, "mm-1.img"), 3);
	assert_int_equal(exe_in(dir, "mm-2.img"), 5);
	assert_int_equal(exe_in(dir, "mm-3.img"), 5);
	put_file(&b, 5, 0);
	assert_int_equal(file_read(dir, "files.img", 4096, &data, &n, &e), 0);
	assert_int_equal(n, b.len);
	assert_memory_equal(data, b.data, n);
	/* again: nothing more to do */
	assert_int_equal(revive_exes(dir, &e), 0);
	assert_int_equal(exe_in(dir, "mm-2.img"), 5);
}

static void requests_have_crius_numbers(void **state)
{
	own_free unsigned char *bytes = NULL;
	Rpc__Request req = RPC__REQUEST__INIT;
	Rpc__Opts o = RPC__OPTS__INIT;
	/* type=1; opts{images_dir_fd=5, network_lock=3} */
	static const unsigned char want[] = { 0x08, 1, 0x12, 5, 0x08, 5, 0x80, 0x04, 3 };

	(void)state;
	req.type = RPC__TYPE__DUMP;
	req.opts = &o;
	o.images_dir_fd = 5;
	o.has_network_lock = true;
	o.network_lock = RPC__NETWORK_LOCK__SKIP;
	assert_int_equal(rpc_pack(&req, &bytes), sizeof(want));
	assert_memory_equal(bytes, want, sizeof(want));
}

/* ---- shared memory ---- */

static void tell(struct store *store, uint8_t type, struct buf *b)
{
	struct frame f = { .type = type, .len = (uint32_t)b->len, .data = b->data };

	assert_int_equal(store_frame(store, NULL, &f, NULL), 0);
	buf_clear(b);
}

static void put_memfd(struct buf *b, uint32_t ino)
{
	Img__MemfdInode m = IMG__MEMFD_INODE__INIT;

	m.name = (char *)"dev/zero";
	m.size = 4096;
	m.shmid = ino;
	m.has_mode = true;
	m.mode = 0100600;
	image_put(b, &m.base);
}

/* The names that memfd.img gives, in its order. */
static void read_names(int images, char names[][64], size_t n)
{
	own_free char *data = NULL;
	struct image_reader ir;
	struct image_msg msg;
	size_t len, i = 0;

	assert_int_equal(file_read(images, "memfd.img", 4096, &data, &len, NULL), 0);
	assert_int_equal(image_begin(&ir, "memfd", IMAGE_MEMFD, data, len, NULL), 0);
	for (; image_next(&ir, &msg, NULL) > 0; i++) {
		Img__MemfdInode *m = img__memfd_inode__unpack(NULL, msg.len, msg.data);

		assert_true(m && i < n);
		snprintf(names[i], sizeof(names[i]), "%s", m->name);
		img__memfd_inode__free_unpacked(m, NULL);
	}
	assert_int_equal(i, n);
}

/* Objects are found though others, with smaller numbers, have ended: processes come and go in the rounds.
 * One that is not found would be restored empty. */
static void shared_memory_is_found(void **state)
{
	static const uint32_t shared[] = { 2, 5 };
	own_fd int images = imgdir_open(NULL);
	own_buf struct buf b = BUF_INIT;
	struct shared_use use[2] = { { .used = false } };
	struct store *store;
	char names[3][64];

	(void)state;
	if (images < 0)
		skip();
	store = store_new(&(struct store_opts){ .max_pages = 64 });
	for (uint32_t nr = 1; nr <= 5; nr++) {
		struct memobj o = { .nr = nr, .kind = nr == 2 || nr == 5 ? MEMOBJ_SHARED : MEMOBJ_SPACE,
				    .id = 70 + nr, .dev = 1, .size = 4096, .name = "/dev/zero" };

		memmsg_put_object(&b, &o);
		tell(store, MEMMSG_OBJECT, &b);
	}
	buf_put_u32(&b, 1);
	tell(store, MEMMSG_GONE, &b);
	buf_put_u32(&b, 4);
	tell(store, MEMMSG_GONE, &b);
	image_put_head(&b, IMAGE_MEMFD);
	put_memfd(&b, 75);
	put_memfd(&b, 73); /* a process had this number */
	put_memfd(&b, 72);
	assert_int_equal(imgdir_put(images, "memfd.img", b.data, b.len, NULL), 0);
	assert_int_equal(revive_memfds(images, store, shared, 2, use, NULL), 0);
	read_names(images, names, 3);
	assert_string_equal(names[0], SHIM_SHARED "5");
	assert_string_equal(names[1], "dev/zero");
	assert_string_equal(names[2], SHIM_SHARED "2");
	assert_true(use[0].used && use[1].used);
	/* CRIU would have given them their mode. */
	assert_int_equal(revive_memfds_taken(store, shared, 2, use, NULL), -1);
	store_free(store);
}

/* ---- private memory ---- */

/* One page filled with each byte of `fill`, from `start` on. */
static void tell_pages(struct store *store, uint64_t start, const char *fill)
{
	own_buf struct buf b = BUF_INIT;
	size_t n = strlen(fill);

	memmsg_put_runs(&b, 1, false, &(struct run){ start, n }, 1);
	for (size_t i = 0; i < n; i++) {
		memset(buf_reserve(&b, 4096), fill[i], 4096);
		b.len += 4096;
	}
	tell(store, MEMMSG_PAGES, &b);
}

static struct store *store_of_process(uint32_t vpid)
{
	struct store *store = store_new(&(struct store_opts){ .max_pages = 64 });
	struct memobj o = { .nr = 1, .kind = MEMOBJ_SPACE, .id = vpid };
	own_buf struct buf b = BUF_INIT;

	memmsg_put_object(&b, &o);
	tell(store, MEMMSG_OBJECT, &b);
	tell_pages(store, 0xf000, "a");
	tell_pages(store, 0x12000, "bcd"); /* d went again: it is not in the list */
	tell_pages(store, 0x30000, "z");
	memmsg_put_runs(&b, 1, true, (struct run[]){ { 0xf000, 1 }, { 0x12000, 2 }, { 0x30000, 1 } }, 3);
	tell(store, MEMMSG_PRESENT, &b);
	return store;
}

static void put_dumped(int images, const char *fill)
{
	own_pagemap struct pagemap pm = example(); /* two pages and one, and three that it calls lazy */
	own_buf struct buf map = BUF_INIT, pages = BUF_INIT;

	pm.n = 2;
	pagemap_write(&pm, &map);
	assert_int_equal(imgdir_put(images, "pagemap-5.img", map.data, map.len, NULL), 0);
	for (; *fill; fill++) {
		memset(buf_reserve(&pages, 4096), *fill, 4096);
		pages.len += 4096;
	}
	assert_int_equal(imgdir_put(images, "pages-7.img", pages.data, pages.len, NULL), 0);
}

/* With its mappings: 0: 0x1000 up to 0x21000, has pages; 1: none; 2: none, but writable; 3: none, not anonymous. */
static void put_mappings(int images)
{
	enum { ANONYMOUS = 0x22, OF_FILE = 0x2 };
	static const struct {
		uint64_t start, end;
		uint32_t prot, flags;
	} v[] = { { 0x1000, 0x21000, 0, ANONYMOUS }, { 0x21000, 0x30000, 0, ANONYMOUS }, { 0x31000, 0x32000, 3, ANONYMOUS },
		  { 0x40000, 0x41000, 1, OF_FILE } };
	Img__Mm mm = IMG__MM__INIT;
	Img__Vma vma[array_len(v)];
	Img__Vma *list[array_len(v)];

	for (size_t i = 0; i < array_len(v); i++) {
		img__vma__init(&vma[i]);
		vma[i].start = v[i].start;
		vma[i].end = v[i].end;
		vma[i].prot = v[i].prot;
		vma[i].flags = v[i].flags;
		list[i] = &vma[i];
	}
	mm.n_vmas = array_len(v);
	mm.vmas = list;
	assert_int_equal(mm_write(images, "mm-5.img", &mm, NULL), 0);
}

static void only_what_is_reserved_is_marked(int images)
{
	own_pageset struct pageset one = PAGESET_INIT;
	Img__Mm *mm;

	assert_int_equal(mm_read(images, "mm-5.img", &mm, NULL), 0);
	for (size_t i = 0; i < mm->n_vmas; i++)
		assert_int_equal(!!(mm->vmas[i]->flags & SHIM_RESERVED), i == 1);
	img__mm__free_unpacked(mm, NULL);
	pageset_add(&one, 0x40000, 1);
	assert_int_equal(mm_set_exec(images, "mm-5.img", &one, NULL), 0);
	assert_int_equal(mm_read(images, "mm-5.img", &mm, NULL), 0);
	for (size_t i = 0; i < mm->n_vmas; i++)
		assert_int_equal(!!(mm->vmas[i]->prot & 4), i == 3);
	img__mm__free_unpacked(mm, NULL);
	assert_int_equal(mm_set_wiped(images, "mm-5.img", &one, NULL), 0);
	assert_int_equal(mm_read(images, "mm-5.img", &mm, NULL), 0);
	for (size_t i = 0; i < mm->n_vmas; i++)
		assert_int_equal(mm->vmas[i]->has_madv ? mm->vmas[i]->madv : 0, i == 3 ? 1u << MADV_WIPEONFORK : 0);
	img__mm__free_unpacked(mm, NULL);
}

/* Pages that userfaultfd cannot give are put among those that CRIU dumped, by address. */
static void eager_pages_go_into_the_images(void **state)
{
	static const struct page_run want[] = {
		{ 0xf000, 5, PAGE_PRESENT },  { 0x20000, 1, PAGE_PRESENT },
		{ 0x30000, 1, PAGE_LAZY },
	};
	own_fd int images = imgdir_open(NULL), workdir = imgdir_open(NULL);
	own_hidden_spaces struct hidden_spaces hidden = HIDDEN_SPACES_INIT, back = HIDDEN_SPACES_INIT;
	own_pagemap struct pagemap pm = PAGEMAP_INIT;
	own_free char *map = NULL, *pages = NULL;
	own_buf struct buf b = BUF_INIT;
	struct lazy *lazy = NULL;
	struct store *store;
	struct reader r;
	size_t len;

	(void)state;
	if (images < 0 || workdir < 0)
		skip();
	store = store_of_process(5);
	assert_int_equal(lazy_start(&lazy, &(struct lazy_opts){ .store = store, .workdir = workdir }, NULL), 0);
	put_dumped(images, "123");
	put_mappings(images);
	hidden.v = xcalloc(1, sizeof(*hidden.v));
	hidden.n = 1;
	hidden.v[0].vpid = 5;
	pageset_add(&hidden.v[0].lazy, 0x30000, 16);
	pageset_add(&hidden.v[0].eager, 0x1000, 0x20); /* around what CRIU dumped all the same */
	hidden_spaces_put(&b, &hidden);
	r = reader_of(b.data, b.len);
	assert_int_equal(hidden_spaces_get(&r, &back, NULL), 0);
	assert_true(reader_done(&r));
	assert_int_equal(revive_pagemaps(images, &back, store, lazy, NULL), 0);

	assert_int_equal(file_read(images, "pagemap-5.img", 4096, &map, &len, NULL), 0);
	assert_int_equal(pagemap_read(&pm, map, len, NULL), 0);
	assert_int_equal(pm.pages_id, 7);
	assert_runs(&pm, want, array_len(want));
	assert_int_equal(file_read(images, "pages-7.img", 1 << 20, &pages, &len, NULL), 0);
	assert_int_equal(len, 6 * 4096);
	for (size_t i = 0; i < 6; i++)
		assert_int_equal(pages[i * 4096], "a12bc3"[i]);
	only_what_is_reserved_is_marked(images);
	lazy_free(lazy);
	store_free(store);
}

/* One that never arrived is an error, not a page of zeros. */
static void eager_pages_must_be_here(void **state)
{
	own_fd int images = imgdir_open(NULL), workdir = imgdir_open(NULL);
	own_hidden_spaces struct hidden_spaces hidden = HIDDEN_SPACES_INIT;
	own_buf struct buf b = BUF_INIT;
	struct err e = ERR_INIT;
	struct lazy *lazy = NULL;
	struct store *store;

	(void)state;
	if (images < 0 || workdir < 0)
		skip();
	store = store_of_process(5);
	memmsg_put_runs(&b, 1, true, &(struct run){ 0x40000, 1 }, 1);
	tell(store, MEMMSG_PRESENT, &b);
	assert_int_equal(lazy_start(&lazy, &(struct lazy_opts){ .store = store, .workdir = workdir }, NULL), 0);
	put_dumped(images, "123");
	put_mappings(images);
	hidden.v = xcalloc(1, sizeof(*hidden.v));
	hidden.n = 1;
	hidden.v[0].vpid = 5;
	pageset_add(&hidden.v[0].eager, 0x40000, 16);
	assert_int_equal(revive_pagemaps(images, &hidden, store, lazy, &e), -1);
	assert_int_equal(e.code, ERR_ABSENT);
	lazy_free(lazy);
	store_free(store);
}

/* CRIU 4.2 leaves the old field of shared memory's page counts empty; 4.1.1 reads no other. */
static void an_older_criu_finds_shared_pages(void **state)
{
	own_fd int images = imgdir_open(NULL);
	const struct hidden_spaces none = HIDDEN_SPACES_INIT;
	Img__PagemapHead head = IMG__PAGEMAP_HEAD__INIT;
	Img__PagemapEntry entry = IMG__PAGEMAP_ENTRY__INIT, *back;
	own_buf struct buf b = BUF_INIT;
	own_free char *data = NULL;
	struct image_reader ir;
	struct image_msg msg;
	size_t len;

	(void)state;
	if (images < 0)
		skip(); /* not root */
	head.pages_id = 3;
	entry.has_nr_pages = entry.has_flags = true;
	entry.nr_pages = 5;
	entry.flags = PAGE_PRESENT;
	image_put_head(&b, IMAGE_PAGEMAP);
	image_put(&b, &head.base);
	image_put(&b, &entry.base);
	assert_int_equal(imgdir_put(images, "pagemap-shmem-9.img", b.data, b.len, NULL), 0);
	assert_int_equal(revive_pagemaps(images, &none, NULL, NULL, NULL), 0);
	assert_int_equal(file_read(images, "pagemap-shmem-9.img", 4096, &data, &len, NULL), 0);
	assert_int_equal(image_begin(&ir, "pagemap", IMAGE_PAGEMAP, data, len, NULL), 0);
	assert_int_equal(image_next(&ir, &msg, NULL), 1);
	assert_int_equal(image_next(&ir, &msg, NULL), 1);
	back = img__pagemap_entry__unpack(NULL, msg.len, msg.data);
	assert_int_equal(back->compat_nr_pages, 5);
	assert_int_equal(back->nr_pages, 5);
	assert_int_equal(back->flags, PAGE_PRESENT);
	img__pagemap_entry__free_unpacked(back, NULL);
}

static void hidden_memory_is_told(void **state)
{
	static const char *const broken[] = { "1000-2000", "1000-2000 l\n", "1000-1000\n", "1001-2000\n", "x\n",
					      "1000-2000 lo 1\n" };
	own_pageset struct pageset all = PAGESET_INIT, locked = PAGESET_INIT;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(shim_hidden_parse("", &all, &locked, &e), 0);
	assert_int_equal(shim_hidden_parse("1000-3000\n4000-5000 lo\n", &all, &locked, &e), 0);
	assert_int_equal(all.pages, 3);
	assert_int_equal(locked.pages, 1);
	assert_true(pageset_has(&locked, 0x4000));
	for (size_t i = 0; i < array_len(broken); i++) {
		assert_true(shim_hidden_parse(broken[i], &all, &locked, &e) < 0);
		assert_int_equal(all.pages + locked.pages, 0);
	}
}

static bool ended_at_once(void *arg)
{
	(void)arg;
	return true;
}

static bool never_ends(void *arg)
{
	(void)arg;
	return false;
}

static void *reads_gate(void *arg)
{
	int fd = openat(*(int *)arg, "gate", O_RDONLY);

	close(fd);
	return NULL;
}

/* A CRIU that went past the gate has saved a running container. */
static void the_gate_wants_somebody_who_waits(void **state)
{
	own_fd int dir = imgdir_open(NULL), fd = -1;
	struct err e = ERR_INIT;
	pthread_t waits;

	(void)state;
	if (dir < 0)
		skip();
	assert_int_equal(shimdir_make_gate(dir, &e), 0);
	assert_int_equal(shimdir_open_gate(dir, ended_at_once, NULL, &e), -1);
	assert_string_equal(e.msg, "CRIU did not wait");
	assert_int_equal(pthread_create(&waits, NULL, reads_gate, &dir), 0);
	fd = shimdir_open_gate(dir, never_ends, NULL, NULL);
	assert_true(fd >= 0);
	pthread_join(waits, NULL);
}

static void labels_need_a_profile(void **state)
{
	static const char profiles[] = "/usr/sbin/named (enforce)\nrunc (unconfined)\nwith blank (complain)\n";

	(void)state;
	assert_true(label_is_known(profiles, "runc"));
	assert_true(label_is_known(profiles, "with blank"));
	assert_true(label_is_known(profiles, "/usr/sbin/named"));
	assert_false(label_is_known(profiles, "run"));
	assert_false(label_is_known(profiles, "crun"));
	assert_false(label_is_known("", "runc"));
	/* CRIU's own business */
	assert_true(label_is_known("", ":inside:runc"));
	assert_true(label_is_known("", "runc//&:inside:named"));
}

static void watches_are_told_by_inode_and_device(void **state)
{
	const char *at = "pos:\t0\nflags:\t00\ninotify wd:2 ino:2afe sdev:800011 mask:800 ignored_mask:0\n"
			 "inotify wd:1 ino:7 sdev:2b mask:2\ninotify wd:";

	(void)state;
	assert_int_equal(watches_next(&at, makedev(8, 17)), 0x2afe);
	assert_int_equal(watches_next(&at, makedev(8, 17)), 0);
	assert_non_null(at);
	assert_int_equal(watches_next(&at, makedev(8, 17)), 0);
	assert_null(at);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pagemap_comes_back),
		cmocka_unit_test(pagemap_survives_damage),
		cmocka_unit_test(lazy_runs_fill_the_gaps),
		cmocka_unit_test(lazy_runs_into_nothing),
		cmocka_unit_test(core_and_pstree_are_read),
		cmocka_unit_test(images_travel),
		cmocka_unit_test(small_images_share_frames),
		cmocka_unit_test(bad_pieces_are_refused),
		cmocka_unit_test(programs_get_plain_entries),
		cmocka_unit_test(shared_memory_is_found),
		cmocka_unit_test(hidden_memory_is_told),
		cmocka_unit_test(the_gate_wants_somebody_who_waits),
		cmocka_unit_test(eager_pages_go_into_the_images),
		cmocka_unit_test(the_gate_wants_somebody_who_waits),
		cmocka_unit_test(eager_pages_must_be_here),
		cmocka_unit_test(an_older_criu_finds_shared_pages),
		cmocka_unit_test(labels_need_a_profile),
		cmocka_unit_test(watches_are_told_by_inode_and_device),
		cmocka_unit_test(requests_have_crius_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
