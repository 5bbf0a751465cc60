// SPDX-License-Identifier: MIT
#include "mem/track/shm.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

#include "base/clock.h"
#include "base/own.h"
#include "mem/store/store.h"

/* Timestamps tick coarsely: one younger than this when looked at may stand for later writes too. */
#define TICK_NS INT64_C(20000000)

bool shm_name(const char *link, char out[static 256])
{
	size_t n = strlen(link);

	if (n > 10 && !strcmp(link + n - 10, " (deleted)"))
		n -= 10;
	if (strncmp(link, "/memfd:", 7) && strncmp(link, "/dev/zero", 9) &&
	    strncmp(link, "/SYSV", 5) && strncmp(link, "[anon_shmem:", 12))
		return false;
	if (link[0] == '[') {
		link = "/dev/zero";
		n = 9;
	}
	if (n > 255)
		n = 255;
	memcpy(out, link, n);
	out[n] = '\0';
	return true;
}

static size_t hash_room(uint64_t pages)
{
	size_t bytes = pages * sizeof(uint64_t);

	return (bytes + MEM_PAGE - 1) & ~(size_t)(MEM_PAGE - 1);
}

void shm_close(struct shm *s)
{
	if (!s)
		return;
	close_fd(&s->fd);
	pageset_fini(&s->dirty);
	pageset_fini(&s->present);
	if (s->n_hash)
		munmap(s->hash, hash_room(s->n_hash));
	free(s);
}

struct shm *shm_open_path(const char *path, const char *name, struct err *e)
{
	struct shm *s = xcalloc(1, sizeof(*s));
	struct stat st;

	s->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOATIME);
	if (s->fd < 0 || fstat(s->fd, &st) < 0) {
		err_sys(e, "cannot open the shared memory %s (%s)", name, path);
		shm_close(s);
		return NULL;
	}
	s->dev = st.st_dev;
	s->ino = st.st_ino;
	shm_name(name, s->name);
	return s;
}

/* Offsets that hold pages, swapped ones included. */
static int look_present(struct shm *s, struct err *e)
{
	off_t at = 0, end = (off_t)s->size;

	pageset_clear(&s->present);
	while (at < end) {
		off_t data = lseek(s->fd, at, SEEK_DATA), hole;

		if (data < 0 && errno == ENXIO)
			return 0;
		hole = data < 0 ? -1 : lseek(s->fd, data, SEEK_HOLE);
		if (hole < 0)
			return err_sys(e, "cannot look for the pages of %s", s->name);
		data &= ~(off_t)(MEM_PAGE - 1);
		pageset_add(&s->present, (uint64_t)data,
			    ((uint64_t)(hole - data) + MEM_PAGE - 1) >> MEM_PAGE_SHIFT);
		at = hole;
	}
	return 0;
}

/* An object may be sparse, and have terabytes: what is known of it takes memory only where it has pages. */
static int resize_hashes(struct shm *s, uint64_t pages)
{
	size_t was = hash_room(s->n_hash), is = hash_room(pages);
	void *v = NULL;

	if (pages < s->n_hash) /* the rest of its last page of hashes */
		memset(s->hash + pages, 0, is - pages * sizeof(*s->hash));
	if (!is)
		munmap(s->hash, was);
	else if (!was)
		v = mmap(NULL, is, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	else
		v = mremap(s->hash, was, is, MREMAP_MAYMOVE);
	if (v == MAP_FAILED)
		return -1;
	s->hash = v;
	s->n_hash = pages;
	return 0;
}

int shm_look(struct shm *s, bool *resized, struct err *e)
{
	uint64_t pages;
	struct stat st;
	int64_t mtime;

	if (fstat(s->fd, &st) < 0)
		return err_sys(e, "cannot look at the shared memory %s", s->name);
	*resized = s->size != (uint64_t)st.st_size;
	s->size = (uint64_t)st.st_size;
	mtime = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
	/* Written through a descriptor, punched or truncated? */
	if ((mtime != s->mtime_ns || s->young) && (s->open || s->was_open))
		s->suspect = true;
	s->young = (int64_t)clock_real_ns() - mtime < TICK_NS;
	s->mtime_ns = mtime;
	pages = (s->size + MEM_PAGE - 1) >> MEM_PAGE_SHIFT;
	if (pages != s->n_hash && resize_hashes(s, pages) < 0)
		return err_sys(e, "the shared memory %s is too large (%" PRIu64 " bytes)", s->name, s->size);
	return look_present(s, e);
}

bool shm_is_sysv(const char *name)
{
	return strncmp(name, "/SYSV", 5) == 0;
}

/* One run of it; a new segment is zero where nothing is written. */
static int fill_run(uint8_t *to, struct store *store, const struct memobj *o, int fd, struct run r,
		    struct err *e)
{
	uint64_t end = run_end(&r) < o->size ? run_end(&r) : o->size;

	for (uint64_t at = r.start, n; at < end; at += n << MEM_PAGE_SHIFT) {
		const void *data;
		enum store_page what = store_peek(store, o->nr, at, r.pages, &n, &data);
		uint64_t stop = at + (n << MEM_PAGE_SHIFT) < end ? at + (n << MEM_PAGE_SHIFT) : end;

		if (what == STORE_ABSENT)
			return err_set(e, ERR_ABSENT, "a page of the shared memory %s did not arrive", o->name);
		if (what == STORE_DATA && pread(fd, to + at, stop - at, (off_t)at) != (ssize_t)(stop - at))
			return err_sys(e, "cannot fill the shared memory %s", o->name);
	}
	return 0;
}

int shm_fill(void *to, struct store *store, const struct memobj *o, struct err *e)
{
	own_pageset struct pageset present = PAGESET_INIT;
	int fd = store_shared_fd(store, o->nr);

	if (fd < 0 || store_present(store, o->nr, &present, e) < 0)
		return fd < 0 ? err_set(e, ERR_ABSENT, "the shared memory %s did not arrive", o->name) : -1;
	for (size_t i = 0; i < present.n; i++)
		if (fill_run(to, store, o, fd, present.v[i], e) < 0)
			return -1;
	return 0;
}
