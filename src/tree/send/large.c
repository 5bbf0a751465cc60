// SPDX-License-Identifier: MIT
/*
 * Large files, once the small ones are on their way.
 *
 * Onto an empty area: cut into ranges for the readers.  Else the receiver is
 * asked for the block hashes of its copy; a window of questions is open at a
 * time, the answers become ranges as they arrive.
 */
#include "tree/send/impl.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/own.h"
#include "tree/area.h"
#include "wire/proto.h"

enum { WINDOW = 16 };

/* A large file; the path is with NUL. */
struct large {
	struct version version;
	struct inode id;
	struct buf path;
	struct walk_dir *dir;
	uint64_t next; /* the offset up to which sums have arrived */
};

int send_large_later(struct pass *p, const struct walk_dir *dir, const char *name,
		     const struct statx *stx, struct err *e)
{
	struct inode id = stx->stx_nlink > 1 ? inode_of(stx) : (struct inode){ 0, 0 };
	struct version version = send_version(stx);
	own_buf struct buf item = BUF_INIT;

	buf_put(&item, &version, sizeof(version));
	buf_put_u64(&item, id.dev);
	buf_put_u64(&item, id.ino);
	buf_put_u32(&item, (uint32_t)(dir->path_len + (dir->path_len ? 1 : 0) + strlen(name)));
	buf_put(&item, dir->path, dir->path_len);
	if (dir->path_len)
		buf_put_u8(&item, '/');
	buf_put(&item, name, strlen(name));
	return spill_put(p->large, item.data, item.len, NULL, e);
}

int send_several_vanished(struct pass *p, struct inode id, const struct walk_dir *dir,
			const char *name, struct err *e)
{
	struct tree_source *s = p->s;

	if (id.ino) {
		pthread_mutex_lock(&p->several_lock);
		s->again = xrealloc(s->again, (s->n_again + 1) * sizeof(*s->again));
		s->again[s->n_again++] = id;
		pthread_mutex_unlock(&p->several_lock);
	}
	return send_vanished(p, dir, name, e);
}

static int read_large(struct pass *p, uint64_t *at, struct large *l, struct err *e)
{
	uint8_t head[sizeof(l->version) + 20];
	size_t dir_len;
	uint32_t len;
	int fd;

	if (spill_read(p->large, *at, head, sizeof(head), e) < 0)
		return -1;
	memcpy(&l->version, head, sizeof(l->version));
	l->id = (struct inode){ be64_at(head + sizeof(l->version)),
				be64_at(head + sizeof(l->version) + 8) };
	l->next = 0;
	len = be32_at(head + sizeof(l->version) + 16);
	buf_clear(&l->path);
	buf_reserve(&l->path, (size_t)len + 1)[len] = '\0';
	if (spill_read(p->large, *at + sizeof(head), l->path.data, len, e) < 0)
		return -1;
	l->path.len = len;
	*at += sizeof(head) + len;

	own_free char *dir = xstrdup((char *)l->path.data);

	tree_path_split(dir, len, &dir_len);
	dir[dir_len] = '\0';
	fd = area_open_dir(p->s->root, dir, dir_len);
	l->dir = fd < 0 ? NULL : walk_dir_new(fd, dir, dir_len);
	return 0;
}

static void large_fini(struct large *l)
{
	buf_fini(&l->path);
	walk_dir_put(l->dir);
	l->dir = NULL;
}

static const char *large_name(const struct large *l)
{
	size_t dir_len;

	return tree_path_split((char *)l->path.data, l->path.len, &dir_len);
}

static struct work *range_of(const struct large *l, uint64_t from, uint64_t to)
{
	struct work *w = work_new(WORK_RANGE, l->dir);

	w->name = xstrdup(large_name(l));
	w->id = l->id;
	w->version = l->version;
	w->from = from;
	w->to = to;
	return w;
}

/* Its directory is gone meanwhile: like any file that vanishes. */
static int gone(struct pass *p, struct large *l, struct err *e)
{
	struct walk_dir *none = walk_dir_new(-1, "", 0);
	int ret = send_several_vanished(p, l->id, none, (char *)l->path.data, e);

	walk_dir_put(none);
	return ret;
}

/* From l->next to `to` the receiver has a hole, or nothing yet: pieces around our data.  One at least, in
 * which a reader meets a file that vanished. */
static int push_data(struct pass *p, struct large *l, uint64_t to, bool compare, struct err *e)
{
	bool pushed = false, shared;
	own_fd int fd = send_open(p, l->dir->fd, large_name(l), &shared);

	if (shared)
		close_fd(&fd);
	for (uint64_t from = l->next, end; from < to; from = end) {
		off_t data = fd < 0 ? (off_t)from : lseek(fd, (off_t)from, SEEK_DATA);
		struct work *w;

		if (data < 0 && errno == ENXIO)
			data = (off_t)to;
		if (data > (off_t)from)
			from = (uint64_t)data - (uint64_t)data % TREE_BLOCK;
		if (from >= to && pushed)
			break;
		if (from >= to)
			from = l->next;
		end = fd < 0 || from + RANGE > to ? to : from + RANGE;
		w = range_of(l, from, end);
		w->compare = compare;
		if (pool_push(p->pool, w, e) < 0)
			return -1;
		pushed = true;
	}
	l->next = to;
	return 0;
}

static int send_whole(struct pass *p, struct err *e)
{
	for (uint64_t at = 0, end = spill_size(p->large); at < end;) {
		struct large l = { .next = 0 };
		int ret = read_large(p, &at, &l, e);

		if (ret == 0)
			ret = l.dir ? push_data(p, &l, l.version.size, false, e) : gone(p, &l, e);
		large_fini(&l);
		if (ret < 0)
			return -1;
	}
	return 0;
}

static int ask(struct pass *p, uint32_t id, const struct large *l, struct err *e)
{
	own_buf struct buf b = BUF_INIT;
	struct sums_ask m = { .id = id,
			      .path = (char *)l->path.data,
			      .path_len = l->path.len,
			      .size = l->version.size };

	sums_ask_put(&b, &m);
	return peer_send(p->streams[0], PROTO_TREE_SUMS_ASK, 0, b.data, b.len, e);
}

/* The blocks that this answer has hashes of, up to `to`. */
static int push_compare(struct pass *p, struct large *l, uint64_t to,
			const struct sums_msg *m, struct err *e)
{
	for (uint64_t from = l->next; from < to;) {
		uint64_t end = to - from < RANGE ? to : from + RANGE;
		struct work *w = range_of(l, from, end);
		uint64_t skip = (from - l->next) / TREE_BLOCK;

		w->compare = true;
		w->n_sums = (uint32_t)((end - from + TREE_BLOCK - 1) / TREE_BLOCK);
		w->sums = xmalloc((size_t)w->n_sums * TREE_SUM);
		memcpy(w->sums, m->sums + skip * TREE_SUM, (size_t)w->n_sums * TREE_SUM);
		if (pool_push(p->pool, w, e) < 0)
			return -1;
		from = end;
	}
	l->next = to;
	return 0;
}

/* Holes that it does not tell, hashes, and the hole behind them. */
static int push_answer(struct pass *p, struct large *l, const struct sums_msg *m, struct err *e)
{
	uint64_t told = m->offset < l->version.size ? m->offset : l->version.size;
	uint64_t to = m->offset + (uint64_t)m->n_sums * TREE_BLOCK;

	if (to > l->version.size)
		to = l->version.size;
	if ((told > l->next && push_data(p, l, told, true, e) < 0) ||
	    (to > l->next && push_compare(p, l, to, m, e) < 0))
		return -1;
	return m->last && l->next < l->version.size ? push_data(p, l, l->version.size, true, e) : 0;
}

/* One answer for file number `id`; *last when there are no more. */
static int answer(struct pass *p, uint32_t id, struct large *l, bool *last, struct err *e)
{
	own_frame struct frame f = FRAME_INIT;
	struct sums_msg m;

	if (peer_recv(p->streams[0], &f, e) < 0)
		return -1;
	if (f.type != PROTO_TREE_SUMS)
		return err_set(e, ERR_PROTO,
			       "frame type %u arrived where block hashes were awaited", f.type);
	if (sums_get(f.data, f.len, &m, e) < 0)
		return -1;
	if (m.id != id || m.offset < l->next)
		return err_set(e, ERR_PROTO, "block hashes arrived out of order");
	*last = m.last;
	return l->dir ? push_answer(p, l, &m, e) : 0;
}

static int send_compared(struct pass *p, struct err *e)
{
	struct large window[WINDOW] = { { .next = 0 } };
	uint64_t at = 0, end = spill_size(p->large);
	uint32_t asked = 0, done = 0;
	int ret = 0;

	while (ret == 0 && (at < end || done < asked)) {
		struct large *l;
		bool last = false;

		while (ret == 0 && at < end && asked - done < WINDOW) {
			l = &window[asked % WINDOW];
			ret = read_large(p, &at, l, e);
			if (ret == 0)
				ret = ask(p, asked++, l, e);
		}
		l = &window[done % WINDOW];
		while (ret == 0 && !last)
			ret = answer(p, done, l, &last, e);
		if (ret == 0 && !l->dir)
			ret = gone(p, l, e);
		large_fini(l);
		done++;
	}
	for (unsigned i = 0; i < WINDOW; i++)
		large_fini(&window[i]);
	return ret;
}

int send_large(struct pass *p, struct err *e)
{
	/* The readers put them there: not before they are through is the list complete. */
	if (pool_drain(p->pool, e) < 0)
		return -1;
	if (!spill_size(p->large))
		return 0;
	if ((!p->to_empty || p->flags_first) && send_barrier(p, e) < 0)
		return -1;
	return p->to_empty ? send_whole(p, e) : send_compared(p, e);
}
