// SPDX-License-Identifier: MIT
/*
 * Block hashes of what is there of a large file, so that only differences
 * travel: remembered ones (known.h) where the file is as it was left, else
 * it is read; large holes are not told at all.  A file that cannot be changed in place (none there, another kind, one
 * with further names) is replaced by an empty one first, and has no hashes.
 */
#include "tree/recv/impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/own.h"
#include "tree/area.h"
#include "wire/proto.h"

enum {
	READ_SIZE = 1 << 20,   /* a multiple of TREE_BLOCK */
	SUMS_FRAME = 512,      /* hashes in one frame: 32 MiB of the file */
};

struct hashing {
	struct dest_pass *p;
	uint32_t id;
	uint64_t sent, at, end; /* offsets */
	ino_t ino;
	bool known; /* hashes are remembered */
	struct buf sums;
};

static int flush(struct hashing *h, bool last, struct err *e)
{
	own_buf struct buf b = BUF_INIT;
	struct sums_msg m = { .id = h->id,
			      .last = last,
			      .offset = h->sent,
			      .sums = h->sums.data,
			      .n_sums = (uint32_t)(h->sums.len / TREE_SUM) };

	sums_put(&b, &m);
	h->sent = h->at;
	buf_clear(&h->sums);
	return peer_send(h->p->streams[0], PROTO_TREE_SUMS, 0, b.data, b.len, e);
}

static int put_sum(struct hashing *h, const uint8_t sum[TREE_SUM], size_t len, struct err *e)
{
	if (h->sums.len >= SUMS_FRAME * TREE_SUM && flush(h, false, e) < 0)
		return -1;
	buf_put(&h->sums, sum, TREE_SUM);
	h->at += len;
	return 0;
}

/* A block that was read: before the source hears of it, for then it may change. */
static int put_block(struct hashing *h, const uint8_t *block, size_t len, struct err *e)
{
	uint8_t sum[TREE_SUM] = { 0 }; /* of a hole */

	if (block)
		known_hash(block, len, sum);
	known_sum(h->p->d->known, h->ino, sum, h->at);
	return put_sum(h, sum, len, e);
}

/* Blocks that need not be read. */
static int put_known(struct hashing *h, struct err *e)
{
	uint8_t sums[SUMS_FRAME][TREE_SUM];
	size_t n = SUMS_FRAME;

	while (h->known && h->at < h->end && n) {
		uint64_t left = h->end - h->at;

		n = (size_t)((left + TREE_BLOCK - 1) / TREE_BLOCK);
		n = known_get(h->p->d->known, h->ino, h->at, sums, n < SUMS_FRAME ? n : SUMS_FRAME);
		for (size_t i = 0; i < n; i++, left = h->end - h->at)
			if (put_sum(h, sums[i], left < TREE_BLOCK ? (size_t)left : TREE_BLOCK, e) < 0)
				return -1;
	}
	return 0;
}

/* Blocks that lie wholly in a hole need not be read; many need not be told, either. */
static int skip_hole(struct hashing *h, int fd, struct err *e)
{
	off_t data = lseek(fd, (off_t)h->at, SEEK_DATA);
	uint64_t until = data < 0 ? (errno == ENXIO ? h->end : h->at) : (uint64_t)data;

	if (until > h->end)
		until = h->end;
	if (until >= h->at + (uint64_t)SUMS_FRAME * TREE_BLOCK) {
		if (h->sums.len && flush(h, false, e) < 0)
			return -1;
		h->sent = h->at = until - until % TREE_BLOCK;
	}
	while (h->at + TREE_BLOCK <= until)
		if (put_block(h, NULL, TREE_BLOCK, e) < 0)
			return -1;
	return 0;
}

static int hash_file(struct hashing *h, int fd, struct err *e)
{
	own_free uint8_t *data = xmust(aligned_alloc(64, READ_SIZE));

	while (h->at < h->end) {
		size_t want = READ_SIZE;
		ssize_t n;

		if (put_known(h, e) < 0 || skip_hole(h, fd, e) < 0)
			return -1;
		if (h->end - h->at < want)
			want = (size_t)(h->end - h->at);
		n = want ? pread(fd, data, want, (off_t)h->at) : 0;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, "cannot read a file to compare it");
		/* A short read only happens at the end: what is not told would count as a hole. */
		if (want && (n == 0 || ((size_t)n < want && (size_t)n % TREE_BLOCK)))
			return err_set(e, ERR_COPY, "a file became shorter while it was compared");
		for (size_t at = 0; at < (size_t)n; at += TREE_BLOCK) {
			size_t len = (size_t)n - at < TREE_BLOCK ? (size_t)n - at : TREE_BLOCK;

			if (put_block(h, data + at, len, e) < 0)
				return -1;
		}
	}
	return 0;
}

/* Opens what can be changed in place, else makes it anew (*fd stays -1). */
static int prepare(struct hashing *h, int dir, const char *name, int *fd, uint64_t *size,
		   struct err *e)
{
	own_fd int found = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	own_fd int fresh = -1;
	char proc[64];
	struct stat st;

	if (found >= 0 && fstat(found, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 1) {
		snprintf(proc, sizeof(proc), "/proc/self/fd/%d", found);
		*fd = open(proc, O_RDONLY | O_CLOEXEC);
		if (*fd < 0)
			return err_sys(e, "cannot open %s", name);
		*size = (uint64_t)st.st_size;
		h->ino = st.st_ino;
		h->known = known_open(h->p->d->known, &st);
		if (!h->known)
			known_forget(h->p->d->known, st.st_ino);
		meta_unprotect(AT_FD(*fd));
		return 0;
	}
	if (found >= 0 && area_remove(dir, name, e) < 0)
		return -1;
	fresh = openat(dir, name, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fresh < 0 && errno == EPERM && meta_unprotect(AT_FD(dir)))
		fresh = openat(dir, name, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC,
			       0600);
	if (fresh < 0 || fstat(fresh, &st) < 0)
		return err_sys(e, "cannot make file %s", name);
	known_forget(h->p->d->known, st.st_ino);
	return 0;
}

int recv_sums(void *pass, unsigned number, void *job, struct err *e)
{
	struct job *j = job;
	struct hashing h = { .p = pass };
	own_fd int dir = -1, fd = -1;
	own_free char *path = NULL;
	uint64_t size = 0;
	struct sums_ask ask;
	const char *name;
	size_t dir_len;
	int ret;

	(void)number;
	ret = sums_ask_get(j->data, j->len, &ask, e);
	if (ret == 0) {
		name = tree_path_split(ask.path, ask.path_len, &dir_len);
		path = xstrndup(ask.path, dir_len);
		h.id = ask.id;
		dir = area_make_dir(h.p->d->root, path, dir_len, e);
		ret = dir < 0 ? -1 : prepare(&h, dir, name, &fd, &size, e);
	}
	if (ret == 0 && fd >= 0) {
		h.end = size < ask.size ? size : ask.size;
		ret = hash_file(&h, fd, e);
	}
	if (ret == 0)
		ret = flush(&h, true, e);
	buf_fini(&h.sums);
	job_free(j);
	return ret;
}
