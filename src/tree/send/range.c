// SPDX-License-Identifier: MIT
/*
 * Contents of large files: data in chunks, holes left out, runs of zeros as
 * such; against the receiver's block hashes, only what differs.
 */
#include "tree/send/impl.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/own.h"

static bool all_zero(const uint8_t *p, size_t len)
{
	return len && !p[0] && (len == 1 || !memcmp(p, p + 1, len - 1));
}

static int begin(struct reader_ctx *r, const struct walk_dir *dir, size_t need, struct err *e)
{
	return pack_begin(&r->pack, dir->path, dir->path_len, need + TREE_MAX_NAME + 64, e);
}

/* Where the next data begins and ends within [from, to); equal when there is none.  A file
 * system without SEEK_DATA, or a file that must not be asked, is all data. */
static void next_data(const struct reader_ctx *r, int fd, uint64_t from, uint64_t to, uint64_t *data, uint64_t *hole)
{
	struct stat st;
	off_t n;

	/* Without holes it need not be asked: tmpfs looks at every page up to the end. */
	if (r->shared || (fstat(fd, &st) == 0 && st.st_blocks * 512 >= st.st_size)) {
		*data = from;
		*hole = to;
		return;
	}
	n = lseek(fd, (off_t)from, SEEK_DATA);
	*data = n < 0 ? (errno == ENXIO ? to : from) : (uint64_t)n;
	if (*data >= to) {
		*data = *hole = to;
		return;
	}
	n = lseek(fd, (off_t)*data, SEEK_HOLE);
	*hole = n < 0 || (uint64_t)n > to ? to : (uint64_t)n;
}

/* As much as there is of [at, at + len); fewer bytes: the file has shrunk. */
static ssize_t read_at(int fd, void *data, size_t len, uint64_t at)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = pread(fd, (char *)data + done, len - done, (off_t)(at + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

/* One chunk of data straight into the batch; *got is what the file still had. */
static int send_chunk(struct pass *p, struct reader_ctx *r, const struct walk_dir *dir,
		      const char *name, int fd, uint64_t at, size_t len, size_t *got,
		      struct err *e)
{
	struct buf *b = &r->pack.b;
	size_t start, data;
	ssize_t n;

	if (begin(r, dir, len, e) < 0)
		return -1;
	start = b->len;
	data = rec_put_chunk(b, name, at);
	n = read_at(fd, buf_reserve(b, len), len, at);
	if (n < 0)
		return err_sys(e, "cannot read %s/%s", dir->path, name);
	*got = (size_t)n;
	if (all_zero(b->data + b->len, *got)) {
		b->len = start;
		rec_put_range(b, REC_ZERO, name, at, *got);
		return 0;
	}
	b->len += *got;
	rec_put_end(b, data);
	send_count_bytes(p, *got);
	return 0;
}

int send_range(struct pass *p, struct reader_ctx *r, const struct walk_dir *dir,
	       const char *name, int fd, uint64_t from, uint64_t to, struct err *e)
{
	while (from < to) {
		uint64_t data, hole;

		next_data(r, fd, from, to, &data, &hole);
		for (from = data; from < hole;) {
			size_t want = hole - from < CHUNK ? (size_t)(hole - from) : CHUNK;
			size_t got = 0;

			if (send_chunk(p, r, dir, name, fd, from, want, &got, e) < 0)
				return -1;
			if (got < want)
				return send_vanished(p, dir, name, e);
			from += want;
		}
	}
	return 0;
}

/* Differences are gathered into runs: [from, to) of blocks that go as one chunk. */
struct run {
	uint64_t from, to;
	const uint8_t *data; /* in r->block */
};

static int send_run(struct pass *p, struct reader_ctx *r, const struct work *w,
		    struct run *run, struct err *e)
{
	size_t len = (size_t)(run->to - run->from), at;

	if (!len)
		return 0;
	if (begin(r, w->dir, len, e) < 0)
		return -1;
	at = rec_put_chunk(&r->pack.b, w->name, run->from);
	buf_put(&r->pack.b, run->data, len);
	rec_put_end(&r->pack.b, at);
	send_count_bytes(p, len);
	run->from = run->to;
	return 0;
}

/* Is the receiver's block at `at` a hole? */
static bool is_hole_there(const struct work *w, uint64_t at)
{
	static const uint8_t no_sum[TREE_SUM];
	uint64_t block = (at - w->from) / TREE_BLOCK;

	return block >= w->n_sums || memcmp(w->sums + block * TREE_SUM, no_sum, TREE_SUM) == 0;
}

static bool differs(const struct work *w, uint64_t at, const uint8_t *data, size_t len)
{
	uint64_t block = (at - w->from) / TREE_BLOCK;
	XXH128_canonical_t sum;

	if (is_hole_there(w, at))
		return true;
	XXH128_canonicalFromHash(&sum, XXH3_128bits(data, len));
	return memcmp(sum.digest, w->sums + block * TREE_SUM, TREE_SUM) != 0;
}

/* Compares the `len` bytes at `from`, which are in r->block. */
static int send_differences(struct pass *p, struct reader_ctx *r, const struct work *w,
			    int fd, uint64_t from, size_t len, struct err *e)
{
	struct run run = { from, from, r->block.data };
	uint64_t data, hole;

	for (size_t at = 0; at < len;) {
		size_t n = len - at < TREE_BLOCK ? len - at : TREE_BLOCK;
		const uint8_t *block = r->block.data + at;
		bool diff = differs(w, from + at, block, n);

		if (!diff)
			p->n.same_bytes += n;
		if (diff && all_zero(block, n)) {
			if (send_run(p, r, w, &run, e) < 0 ||
			    begin(r, w->dir, 0, e) < 0)
				return -1;
			next_data(r, fd, from + at, from + at + n, &data, &hole);
			if (data < from + at + n)
				rec_put_range(&r->pack.b, REC_ZERO, w->name, from + at, n);
			else if (!is_hole_there(w, from + at))
				rec_put_range(&r->pack.b, REC_HOLE, w->name, from + at, n);
			diff = false;
		}
		if (diff && run.from == run.to)
			run = (struct run){ from + at, from + at, block };
		if (diff)
			run.to = from + at + n;
		else if (send_run(p, r, w, &run, e) < 0)
			return -1;
		at += n;
	}
	return send_run(p, r, w, &run, e);
}

/* Whole blocks of a hole of ours need not be read: they become one there where they are none. */
static int send_hole(struct reader_ctx *r, const struct work *w, uint64_t from, uint64_t to,
		     struct err *e)
{
	for (uint64_t at = from, end; at < to; at = end) {
		bool there = is_hole_there(w, at);

		if ((at - w->from) / TREE_BLOCK >= w->n_sums)
			return 0;
		for (end = at; end < to && is_hole_there(w, end) == there;)
			end += TREE_BLOCK;
		if (there)
			continue;
		if (begin(r, w->dir, 0, e) < 0)
			return -1;
		rec_put_range(&r->pack.b, REC_HOLE, w->name, at, end - at);
	}
	return 0;
}

static int compare_range(struct pass *p, struct reader_ctx *r, const struct work *w, int fd,
			 struct err *e)
{
	uint64_t data = w->from, hole = data; /* of the stretch that `at` is in */

	buf_reserve(&r->block, CHUNK);
	for (uint64_t at = w->from; at < w->to;) {
		size_t want = w->to - at < CHUNK ? (size_t)(w->to - at) : CHUNK;
		uint64_t until;
		ssize_t n;

		if (at >= hole)
			next_data(r, fd, at, w->to, &data, &hole);
		until = data - data % TREE_BLOCK;
		if (until > at) {
			if (send_hole(r, w, at, until, e) < 0)
				return -1;
			at = until;
			continue;
		}
		n = read_at(fd, r->block.data, want, at);
		if (n < 0)
			return err_sys(e, "cannot read %s/%s", w->dir->path, w->name);
		if (send_differences(p, r, w, fd, at, (size_t)n, e) < 0)
			return -1;
		if ((size_t)n < want)
			return send_vanished(p, w->dir, w->name, e);
		at += want;
	}
	return 0;
}

struct version send_version(const struct statx *stx)
{
	return (struct version){ stx->stx_size, stx->stx_mtime.tv_sec, stx->stx_mtime.tv_nsec };
}

int send_check_still(struct pass *p, const struct walk_dir *dir, const char *name, int fd,
		     const struct version *was, struct err *e)
{
	struct statx now;

	if (!p->frozen)
		return 0;
	if (meta_stat(AT_FD(fd), &now) < 0)
		return err_sys(e, "cannot stat %s/%s", dir->path, name);
	if (now.stx_size == was->size && now.stx_mtime.tv_sec == was->mtime_s &&
	    now.stx_mtime.tv_nsec == was->mtime_ns)
		return 0;
	return send_vanished(p, dir, name, e);
}

int send_range_work(struct pass *p, struct reader_ctx *r, const struct work *w, struct err *e)
{
	struct stat st;
	own_fd int fd = send_open(p, AT_FDCWD, w->name, &r->shared);
	int ret;

	if (fd < 0 && (errno == ENOENT || errno == ELOOP || errno == ENXIO))
		return send_several_vanished(p, w->id, w->dir, w->name, e);
	if (fd < 0)
		return send_not_opened(w->dir, w->name, e);
	if (fstat(fd, &st) < 0)
		return err_sys(e, "cannot stat %s/%s", w->dir->path, w->name);
	/* By now another file may have the name: then the other names of the one that was
	 * meant are not told of by the journal. */
	if (!S_ISREG(st.st_mode) || (w->id.ino && st.st_ino != w->id.ino))
		return send_several_vanished(p, w->id, w->dir, w->name, e);
	ret = w->compare ? compare_range(p, r, w, fd, e) :
			   send_range(p, r, w->dir, w->name, fd, w->from, w->to, e);
	return ret < 0 ? -1 : send_check_still(p, w->dir, w->name, fd, &w->version, e);
}
