// SPDX-License-Identifier: MIT
#include "tree/msg.h"

#include <string.h>
#include <sys/stat.h>

#include "wire/proto.h"

bool tree_name_ok(const char *name, size_t len)
{
	if (!len || len > TREE_MAX_NAME || memchr(name, '/', len) || memchr(name, '\0', len))
		return false;
	return !(name[0] == '.' && (len == 1 || (len == 2 && name[1] == '.')));
}

static bool path_ok(const char *path, size_t len)
{
	while (len) {
		const char *slash = memchr(path, '/', len);
		size_t n = slash ? (size_t)(slash - path) : len;

		if (!tree_name_ok(path, n) || (slash && n + 1 == len))
			return false;
		if (!slash)
			return true;
		path += n + 1;
		len -= n + 1;
	}
	return true;
}

const char *tree_path_split(const char *path, size_t len, size_t *dir_len)
{
	const char *slash = memrchr(path, '/', len);

	*dir_len = slash ? (size_t)(slash - path) : 0;
	return slash ? slash + 1 : path;
}

int tree_path_order(const char *a, const char *b)
{
	unsigned char x, y;

	do {
		x = (unsigned char)*a++;
		y = (unsigned char)*b++;
	} while (x == y && x);
	/* The end of a path first, then the end of a component. */
	if (!x || !y)
		return (x != 0) - (y != 0);
	if (x == '/' || y == '/')
		return (y == '/') - (x == '/');
	return x < y ? -1 : 1;
}

static void put_name(struct buf *b, const char *name)
{
	size_t len = strlen(name);

	buf_put_u8(b, (uint8_t)len);
	buf_put(b, name, len + 1);
}

static void put_path(struct buf *b, const char *path, size_t len)
{
	buf_put_u32(b, (uint32_t)len);
	buf_put(b, path, len);
	buf_put_u8(b, 0);
}

static const char *get_name(struct reader *r)
{
	size_t len = get_u8(r);
	const char *name = (const char *)get_raw(r, len + 1);

	if (name && (name[len] || !tree_name_ok(name, len)))
		r->bad = true;
	return name;
}

static const char *get_path(struct reader *r, size_t *len)
{
	uint32_t n = get_u32(r);
	const char *path;

	if (n > TREE_MAX_PATH)
		r->bad = true;
	path = (const char *)get_raw(r, (size_t)n + 1);
	if (path && (path[n] || !path_ok(path, n)))
		r->bad = true;
	*len = path ? n : 0;
	return path;
}

static void put_meta(struct buf *b, const struct meta *m)
{
	uint8_t *p = buf_reserve(b, 40);

	put_be32(p, m->mode);
	put_be32(p + 4, m->uid);
	put_be32(p + 8, m->gid);
	put_be64(p + 12, (uint64_t)m->atime_s);
	put_be32(p + 20, m->atime_ns);
	put_be64(p + 24, (uint64_t)m->mtime_s);
	put_be32(p + 32, m->mtime_ns);
	put_be32(p + 36, m->xattrs_len);
	b->len += 40;
	buf_put(b, m->xattrs, m->xattrs_len);
}

static void get_meta(struct reader *r, struct meta *m)
{
	struct reader x;
	struct xattr one;
	int more;

	m->mode = get_u32(r);
	m->uid = get_u32(r);
	m->gid = get_u32(r);
	m->atime_s = (int64_t)get_u64(r);
	m->atime_ns = get_u32(r);
	m->mtime_s = (int64_t)get_u64(r);
	m->mtime_ns = get_u32(r);
	m->xattrs_len = get_u32(r);
	if (m->xattrs_len > TREE_MAX_XATTRS || m->atime_ns > 999999999 ||
	    m->mtime_ns > 999999999 || m->uid == UINT32_MAX || m->gid == UINT32_MAX)
		r->bad = true;
	m->xattrs = get_raw(r, m->xattrs_len);
	if (!m->xattrs)
		return;
	x = reader_of(m->xattrs, m->xattrs_len);
	while ((more = xattr_next(&x, &one)) > 0)
		;
	if (more < 0)
		r->bad = true;
}

static void put_head(struct buf *b, enum rec_kind kind, const char *name)
{
	buf_put_u8(b, (uint8_t)kind);
	put_name(b, name);
}

void rec_put_cd(struct buf *b, const char *path, size_t len)
{
	buf_put_u8(b, REC_CD);
	put_path(b, path, len);
}

static size_t put_length(struct buf *b)
{
	buf_put_u32(b, 0);
	return b->len - 4;
}

size_t rec_put_file(struct buf *b, const char *name, const struct meta *m)
{
	put_head(b, REC_FILE, name);
	put_meta(b, m);
	return put_length(b);
}

size_t rec_put_chunk(struct buf *b, const char *name, uint64_t offset)
{
	put_head(b, REC_CHUNK, name);
	buf_put_u64(b, offset);
	return put_length(b);
}

void rec_put_end(struct buf *b, size_t at)
{
	put_be32(b->data + at, (uint32_t)(b->len - at - 4));
}

void rec_put_range(struct buf *b, enum rec_kind kind, const char *name, uint64_t offset,
		   uint64_t len)
{
	put_head(b, kind, name);
	buf_put_u64(b, offset);
	buf_put_u64(b, len);
}

void rec_put_final(struct buf *b, const char *name, const struct meta *m, uint64_t size)
{
	put_head(b, REC_FINAL, name);
	put_meta(b, m);
	buf_put_u64(b, size);
}

void rec_put_symlink(struct buf *b, const char *name, const struct meta *m,
		     const char *target)
{
	put_head(b, REC_SYMLINK, name);
	put_meta(b, m);
	buf_put_u32(b, (uint32_t)strlen(target));
	buf_put(b, target, strlen(target) + 1);
}

void rec_put_node(struct buf *b, const char *name, const struct meta *m, uint64_t rdev)
{
	put_head(b, REC_NODE, name);
	put_meta(b, m);
	buf_put_u64(b, rdev);
}

void rec_put_link(struct buf *b, const char *name, const char *path, size_t len)
{
	put_head(b, REC_LINK, name);
	put_path(b, path, len);
}

void rec_put_dir(struct buf *b, const struct meta *m)
{
	buf_put_u8(b, REC_DIR);
	put_meta(b, m);
}

void rec_put_remove(struct buf *b, const char *name)
{
	put_head(b, REC_REMOVE, name);
}

void rec_put_meta(struct buf *b, const char *name, const struct meta *m)
{
	put_head(b, REC_META, name);
	put_meta(b, m);
}

void rec_put_flags(struct buf *b, const char *name, uint32_t flags)
{
	put_head(b, REC_FLAGS, name);
	buf_put_u32(b, flags);
}

static void get_range(struct reader *r, struct rec *out)
{
	out->offset = get_u64(r);
	out->len = get_u64(r);
	if (out->offset > TREE_MAX_SIZE || out->len > TREE_MAX_RANGE)
		r->bad = true;
}

static void get_data(struct reader *r, struct rec *out)
{
	out->data_len = get_u32(r);
	out->data = get_raw(r, out->data_len);
}

static void get_target(struct reader *r, struct rec *out)
{
	out->data_len = get_u32(r);
	if (!out->data_len || out->data_len > TREE_MAX_SYMLINK)
		r->bad = true;
	out->data = get_raw(r, (size_t)out->data_len + 1);
	if (out->data &&
	    (out->data[out->data_len] || memchr(out->data, '\0', out->data_len)))
		r->bad = true;
}

/* The type in a record's meta must be the one the record is about. */
static bool mode_fits(const struct rec *rec)
{
	uint32_t type = rec->meta.mode & S_IFMT;

	if (rec->meta.mode & ~(uint32_t)(S_IFMT | 07777))
		return false;
	switch (rec->kind) {
	case REC_FILE:
	case REC_FINAL:
		return type == S_IFREG;
	case REC_SYMLINK:
		return type == S_IFLNK;
	case REC_NODE:
		return type == S_IFCHR || type == S_IFBLK || type == S_IFIFO ||
		       type == S_IFSOCK;
	case REC_DIR:
		return type == S_IFDIR;
	case REC_META:
		return type != S_IFDIR;
	case REC_CD:
	case REC_CHUNK:
	case REC_ZERO:
	case REC_HOLE:
	case REC_LINK:
	case REC_REMOVE:
	case REC_FLAGS:
		break;
	}
	return true;
}

static void get_flags(struct reader *r, struct rec *out)
{
	size_t len = get_u8(r);

	out->name = (const char *)get_raw(r, len + 1);
	if (out->name && (out->name[len] || (len && !tree_name_ok(out->name, len))))
		r->bad = true;
	out->flags = get_u32(r);
	if (out->flags & ~(uint32_t)(TREE_IMMUTABLE | TREE_APPEND | TREE_NOCOW))
		r->bad = true;
}

/* What stands behind the kind; false for a kind that does not exist. */
static bool get_body(struct reader *r, struct rec *out)
{
	if (out->kind != REC_CD && out->kind != REC_DIR && out->kind != REC_FLAGS)
		out->name = get_name(r);
	switch (out->kind) {
	case REC_CD:
	case REC_LINK:
		out->path = get_path(r, &out->path_len);
		if (out->kind == REC_LINK && !out->path_len)
			r->bad = true;
		return true;
	case REC_FILE:
		get_meta(r, &out->meta);
		get_data(r, out);
		return true;
	case REC_CHUNK:
		out->offset = get_u64(r);
		if (out->offset > TREE_MAX_SIZE)
			r->bad = true;
		get_data(r, out);
		return true;
	case REC_ZERO:
	case REC_HOLE:
		get_range(r, out);
		return true;
	case REC_FINAL:
		get_meta(r, &out->meta);
		out->len = get_u64(r);
		if (out->len > TREE_MAX_SIZE)
			r->bad = true;
		return true;
	case REC_SYMLINK:
		get_meta(r, &out->meta);
		get_target(r, out);
		return true;
	case REC_NODE:
		get_meta(r, &out->meta);
		out->rdev = get_u64(r);
		return true;
	case REC_DIR:
	case REC_META:
		get_meta(r, &out->meta);
		return true;
	case REC_REMOVE:
		return true;
	case REC_FLAGS:
		get_flags(r, out);
		return true;
	}
	return false;
}

int rec_get(struct reader *r, struct rec *out, struct err *e)
{
	unsigned kind;

	if (!r->bad && r->at == r->end)
		return 0;
	kind = get_u8(r);
	*out = (struct rec){ .kind = (enum rec_kind)kind };
	if (!get_body(r, out) || r->bad || !mode_fits(out))
		return err_set(e, ERR_PROTO, "a malformed tree record (kind %u) arrived", kind);
	return 1;
}

void xattr_put(struct buf *b, const char *name, const void *value, size_t len)
{
	put_name(b, name);
	buf_put_bytes(b, value, len);
}

int xattr_next(struct reader *r, struct xattr *out)
{
	size_t n;

	if (!r->bad && r->at == r->end)
		return 0;
	n = get_u8(r);
	out->name = (const char *)get_raw(r, n + 1);
	out->value = NULL;
	if (!out->name || !n || out->name[n] || memchr(out->name, '\0', n))
		return -1;
	out->value = get_bytes(r, TREE_MAX_VALUE, &n);
	out->len = (uint32_t)n;
	return r->bad ? -1 : 1;
}

void list_put_dir(struct buf *b, const char *path, size_t len)
{
	buf_put_u8(b, LIST_DIR);
	put_path(b, path, len);
}

void list_put_entry(struct buf *b, const char *name, const struct list_entry *entry)
{
	buf_put_u8(b, LIST_ENTRY);
	put_name(b, name);
	buf_put_u32(b, entry->mode);
	buf_put_u32(b, entry->uid);
	buf_put_u32(b, entry->gid);
	buf_put_u64(b, (uint64_t)entry->mtime_s);
	buf_put_u32(b, entry->mtime_ns);
	buf_put_u64(b, entry->size);
	buf_put_u64(b, entry->ino);
	buf_put_u32(b, entry->nlink);
	buf_put_u64(b, entry->digest);
}

static void get_entry(struct reader *r, struct list_entry *entry)
{
	entry->mode = get_u32(r);
	entry->uid = get_u32(r);
	entry->gid = get_u32(r);
	entry->mtime_s = (int64_t)get_u64(r);
	entry->mtime_ns = get_u32(r);
	entry->size = get_u64(r);
	entry->ino = get_u64(r);
	entry->nlink = get_u32(r);
	entry->digest = get_u64(r);
}

int list_get(struct reader *r, struct list_rec *out, struct err *e)
{
	unsigned kind;

	if (!r->bad && r->at == r->end)
		return 0;
	kind = get_u8(r);
	*out = (struct list_rec){ .kind = (enum list_kind)kind };
	if (kind == LIST_DIR) {
		out->path = get_path(r, &out->path_len);
	} else if (kind == LIST_ENTRY) {
		out->name = get_name(r);
		get_entry(r, &out->entry);
	} else {
		r->bad = true;
	}
	if (r->bad)
		return err_set(e, ERR_PROTO, "a malformed list record (kind %u) arrived", kind);
	return 1;
}

void begin_put(struct buf *b, const struct begin_msg *m)
{
	buf_put_u8(b, (uint8_t)m->kind);
	buf_put_u16(b, (uint16_t)m->n_streams);
}

int begin_get(const void *data, size_t len, struct begin_msg *out, struct err *e)
{
	struct reader r = reader_of(data, len);
	unsigned kind = get_u8(&r);

	out->kind = (enum tree_pass_kind)kind;
	out->n_streams = get_u16(&r);
	if (!reader_done(&r) || kind < TREE_FIRST || kind > TREE_CHANGES)
		return err_set(e, ERR_PROTO, "a malformed beginning of a tree pass arrived");
	return 0;
}

void sums_ask_put(struct buf *b, const struct sums_ask *m)
{
	buf_put_u32(b, m->id);
	put_path(b, m->path, m->path_len);
	buf_put_u64(b, m->size);
}

int sums_ask_get(const void *data, size_t len, struct sums_ask *out, struct err *e)
{
	struct reader r = reader_of(data, len);

	out->id = get_u32(&r);
	out->path = get_path(&r, &out->path_len);
	out->size = get_u64(&r);
	if (!reader_done(&r) || !out->path_len || out->size > TREE_MAX_SIZE)
		return err_set(e, ERR_PROTO, "a malformed request for block hashes arrived");
	return 0;
}

void sums_put(struct buf *b, const struct sums_msg *m)
{
	buf_put_u32(b, m->id);
	buf_put_u8(b, m->last);
	buf_put_u64(b, m->offset);
	buf_put(b, m->sums, (size_t)m->n_sums * TREE_SUM);
}

int sums_get(const void *data, size_t len, struct sums_msg *out, struct err *e)
{
	struct reader r = reader_of(data, len);
	unsigned last;

	out->id = get_u32(&r);
	last = get_u8(&r);
	out->last = last == 1;
	out->offset = get_u64(&r);
	if (r.bad || last > 1 || out->offset > TREE_MAX_SIZE || out->offset % TREE_BLOCK ||
	    (size_t)(r.end - r.at) % TREE_SUM)
		return err_set(e, ERR_PROTO, "malformed block hashes arrived");
	out->sums = r.at;
	out->n_sums = (uint32_t)((size_t)(r.end - r.at) / TREE_SUM);
	return 0;
}
