// SPDX-License-Identifier: MIT
/*
 * A page is the hashes of 32 MiB of one file.  A file's table says where its
 * pages lie (number + 1; 0: none yet).  A hash of all ones is one that is not
 * known; in a fresh file a page that was never written says "hole" everywhere.
 */
#include "tree/known.h"

#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/own.h"

enum {
	PAGE_SUMS = 512,
	PAGE_BYTES = PAGE_SUMS * TREE_SUM,
	PAGES_MAX = 8 << 20, /* of one file: 256 TiB */
};

#define PAGE_SPAN ((uint64_t)PAGE_SUMS * TREE_BLOCK)

static const uint8_t hole_sum[TREE_SUM];

struct file {
	ino_t ino; /* 0: a free slot */
	bool sealed;
	uint64_t size;
	struct timespec ctime;
	uint32_t *page;
	size_t n_pages;
};

struct known {
	pthread_mutex_t lock; /* all below */
	struct file *file;    /* open addressing; cap is a power of two */
	size_t n, cap;
	int fd; /* -1 until needed */
	bool broken;
	uint32_t pages;
	uint8_t zero_sum[TREE_SUM]; /* of a whole block of zeros */
};

void known_hash(const void *block, size_t len, uint8_t sum[TREE_SUM])
{
	XXH128_canonical_t c;

	XXH128_canonicalFromHash(&c, XXH3_128bits(block, len));
	memcpy(sum, c.digest, TREE_SUM);
}

struct known *known_new(void)
{
	struct known *k = xcalloc(1, sizeof(*k));
	own_free uint8_t *zeros = xcalloc(1, TREE_BLOCK);

	pthread_mutex_init(&k->lock, NULL);
	k->fd = -1;
	known_hash(zeros, TREE_BLOCK, k->zero_sum);
	return k;
}

void known_free(struct known *k)
{
	if (!k)
		return;
	for (size_t i = 0; i < k->cap; i++)
		free(k->file[i].page);
	free(k->file);
	close_fd(&k->fd);
	pthread_mutex_destroy(&k->lock);
	free(k);
}

static struct file *slot_of(struct file *file, size_t cap, ino_t ino)
{
	size_t i = (size_t)((ino * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & (cap - 1);

	while (file[i].ino && file[i].ino != ino)
		i = (i + 1) & (cap - 1);
	return &file[i];
}

static struct file *find(struct known *k, ino_t ino)
{
	struct file *f = k->cap ? slot_of(k->file, k->cap, ino) : NULL;

	return f && f->ino ? f : NULL;
}

static struct file *find_or_make(struct known *k, ino_t ino)
{
	struct file *f;

	if (k->n * 2 >= k->cap) {
		size_t cap = k->cap ? k->cap * 2 : 64;
		struct file *bigger = xcalloc(cap, sizeof(*bigger));

		for (size_t i = 0; i < k->cap; i++)
			if (k->file[i].ino)
				*slot_of(bigger, cap, k->file[i].ino) = k->file[i];
		free(k->file);
		k->file = bigger;
		k->cap = cap;
	}
	f = slot_of(k->file, k->cap, ino);
	if (!f->ino) {
		f->ino = ino;
		k->n++;
	}
	return f;
}

/* What could not be kept is better not known at all. */
static void give_up(struct known *k)
{
	k->broken = true;
	for (size_t i = 0; i < k->cap; i++) {
		free(k->file[i].page);
		k->file[i].page = NULL;
		k->file[i].n_pages = 0;
	}
}

static int open_file(struct known *k)
{
	if (k->fd < 0)
		k->fd = open("/var/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (k->fd < 0)
		k->fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	return k->fd < 0 ? -1 : 0;
}

/* Makes page `at` of the file: all holes, or all not known. */
static int make_page(struct known *k, struct file *f, size_t at, bool fresh)
{
	static const uint8_t holes[PAGE_BYTES];
	uint8_t unknown[PAGE_BYTES];

	if (at >= f->n_pages) {
		f->page = xrealloc(f->page, (at + 1) * sizeof(*f->page));
		memset(f->page + f->n_pages, 0, (at + 1 - f->n_pages) * sizeof(*f->page));
		f->n_pages = at + 1;
	}
	memset(unknown, 0xff, sizeof(unknown));
	if (open_file(k) < 0 || k->pages == UINT32_MAX ||
	    pwrite(k->fd, fresh ? holes : unknown, PAGE_BYTES,
		   (off_t)k->pages * PAGE_BYTES) != PAGE_BYTES)
		return -1;
	f->page[at] = ++k->pages;
	return 0;
}

/* Where the block's hash lies: 0, or -1 when nothing is kept of it. */
static int place_of(const struct file *f, uint64_t offset, off_t *at)
{
	uint64_t page = offset / PAGE_SPAN;

	if (offset < KNOWN_FROM || page >= f->n_pages || !f->page[page])
		return -1;
	*at = (off_t)(f->page[page] - 1) * PAGE_BYTES +
	      (off_t)(offset % PAGE_SPAN / TREE_BLOCK * TREE_SUM);
	return 0;
}

/* `n` hashes from the block at `offset` on, all on one page. */
static void put_sums(struct known *k, ino_t ino, bool fresh, const uint8_t *sums, size_t n,
		     uint64_t offset)
{
	struct file *f;
	off_t at;

	pthread_mutex_lock(&k->lock);
	if (!k->broken && offset / PAGE_SPAN < PAGES_MAX) {
		f = find_or_make(k, ino);
		if ((place_of(f, offset, &at) < 0 &&
		     (make_page(k, f, (size_t)(offset / PAGE_SPAN), fresh) < 0 ||
		      place_of(f, offset, &at) < 0)) ||
		    pwrite(k->fd, sums, n * TREE_SUM, at) != (ssize_t)(n * TREE_SUM))
			give_up(k);
	}
	pthread_mutex_unlock(&k->lock);
}

/* The hash of one block after the bytes [from, to) of it were written; data is NULL for
 * zeros.  The first bytes of a block are enough: as the hash of so much it is right. */
static void hash_part(const struct known *k, const uint8_t *data, uint64_t from, uint64_t to,
		      bool hole, uint8_t sum[TREE_SUM])
{
	if (from == 0 && data)
		known_hash(data, (size_t)to, sum);
	else if (from == 0 && to == TREE_BLOCK)
		memcpy(sum, hole ? hole_sum : k->zero_sum, TREE_SUM);
	else
		memset(sum, 0xff, TREE_SUM);
}

static void tell(struct known *k, ino_t ino, bool fresh, const uint8_t *data, bool hole,
		 uint64_t len, uint64_t offset)
{
	uint8_t sums[PAGE_BYTES];
	uint64_t end = offset + len;

	if (end <= KNOWN_FROM || end < offset)
		return;
	if (offset < KNOWN_FROM) {
		data = data ? data + (KNOWN_FROM - offset) : NULL;
		offset = KNOWN_FROM;
	}
	while (offset < end) {
		uint64_t first = offset - offset % TREE_BLOCK;
		uint64_t page_end = first - first % PAGE_SPAN + PAGE_SPAN;
		size_t n = 0;

		while (offset < end && offset < page_end) {
			uint64_t from = offset % TREE_BLOCK;
			uint64_t to = end - offset < TREE_BLOCK - from ? from + (end - offset) :
									 TREE_BLOCK;

			hash_part(k, data, from, to, hole, sums + n++ * TREE_SUM);
			data = data ? data + (to - from) : NULL;
			offset += to - from;
		}
		put_sums(k, ino, fresh, sums, n, first);
	}
}

void known_data(struct known *k, ino_t ino, bool fresh, const void *data, uint64_t len,
		uint64_t offset)
{
	tell(k, ino, fresh, data, false, len, offset);
}

void known_zeros(struct known *k, ino_t ino, bool fresh, bool hole, uint64_t len,
		 uint64_t offset)
{
	tell(k, ino, fresh, NULL, hole, len, offset);
}

void known_sum(struct known *k, ino_t ino, const uint8_t sum[TREE_SUM], uint64_t offset)
{
	if (offset >= KNOWN_FROM)
		put_sums(k, ino, false, sum, 1, offset);
}

void known_seal(struct known *k, const struct stat *st)
{
	struct file *f;

	pthread_mutex_lock(&k->lock);
	f = find(k, st->st_ino);
	if (f) {
		f->sealed = true;
		f->size = (uint64_t)st->st_size;
		f->ctime = st->st_ctim;
	}
	pthread_mutex_unlock(&k->lock);
}

void known_forget(struct known *k, ino_t ino)
{
	struct file *f;

	pthread_mutex_lock(&k->lock);
	f = find(k, ino);
	if (f) {
		free(f->page);
		*f = (struct file){ .ino = ino };
	}
	pthread_mutex_unlock(&k->lock);
}

bool known_open(struct known *k, const struct stat *st)
{
	const struct file *f;
	bool ok;

	pthread_mutex_lock(&k->lock);
	f = find(k, st->st_ino);
	ok = f && f->sealed && f->size == (uint64_t)st->st_size && st->st_nlink == 1 &&
	     f->ctime.tv_sec == st->st_ctim.tv_sec && f->ctime.tv_nsec == st->st_ctim.tv_nsec;
	pthread_mutex_unlock(&k->lock);
	return ok;
}

size_t known_get(struct known *k, ino_t ino, uint64_t offset, uint8_t (*sums)[TREE_SUM], size_t max)
{
	static const uint8_t ones[TREE_SUM] = { [0 ... TREE_SUM - 1] = 0xff };
	size_t on_page = PAGE_SUMS - (size_t)(offset % PAGE_SPAN / TREE_BLOCK), n = 0;
	const struct file *f;
	ssize_t got = 0;
	off_t at;

	if (max > on_page)
		max = on_page;
	pthread_mutex_lock(&k->lock);
	f = find(k, ino);
	if (f && place_of(f, offset, &at) == 0)
		got = pread(k->fd, sums, max * TREE_SUM, at);
	pthread_mutex_unlock(&k->lock);
	while (got >= (ssize_t)((n + 1) * TREE_SUM) && memcmp(sums[n], ones, TREE_SUM) != 0)
		n++;
	return n;
}
