// SPDX-License-Identifier: MIT
/*
 * One name of a directory: look at it, compare it with the receiver's entry
 * if there is one, send what is needed.  Runs in a reader thread whose current
 * directory is the name's.
 */
#include "tree/send/impl.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/own.h"

/* A name being worked on. */
struct one {
	struct pass *p;
	struct reader_ctx *r;
	struct walk_dir *dir;
	const char *name;
	const struct list_entry *there; /* or NULL */
	struct statx stx;
	struct meta meta;
};

static int enter(struct reader_ctx *r, struct walk_dir *dir, struct err *e)
{
	if (r->cwd == dir)
		return 0;
	if (fchdir(dir->fd) < 0)
		return err_sys(e, "cannot enter directory %s", dir->path);
	walk_dir_put(r->cwd);
	r->cwd = walk_dir_get(dir);
	return 0;
}

static void set_path(struct buf *b, const struct walk_dir *dir, const char *name)
{
	buf_clear(b);
	buf_put(b, dir->path, dir->path_len);
	if (dir->path_len)
		buf_put_u8(b, '/');
	buf_put(b, name, strlen(name));
}

static struct buf *fragment(struct one *o)
{
	buf_clear(&o->r->fragment);
	rec_put_cd(&o->r->fragment, o->dir->path, o->dir->path_len);
	return &o->r->fragment;
}

static int keep_flags(struct one *o, const char *name, struct err *e)
{
	uint32_t flags = meta_flags(&o->stx);

	if (S_ISDIR(o->stx.stx_mode) && o->p->s->may_nocow)
		flags |= meta_nocow(o->dir->fd);
	if (!flags)
		return 0;
	rec_put_flags(fragment(o), name, flags);
	return pack_keep(o->p->flags, &o->r->fragment, e);
}

static int begin(struct one *o, size_t need, struct err *e)
{
	return pack_begin(&o->r->pack, o->dir->path, o->dir->path_len,
			  need + o->meta.xattrs_len + TREE_MAX_NAME + 128, e);
}

static int wrap(struct one *o, struct err *e)
{
	return err_wrap(e, "%s/%s", o->dir->path, o->name);
}

static int read_xattrs(struct one *o, struct at at, struct err *e)
{
	if (meta_xattrs(at, &o->r->xattrs, e) < 0)
		return wrap(o, e);
	meta_fill(&o->meta, &o->stx, &o->r->xattrs);
	return 0;
}

/* Nothing about it differs from what the receiver has, as far as one can tell
 * without reading it. */
static bool same_contents(const struct one *o)
{
	const struct list_entry *t = o->there;

	if (touched_has(o->p->s->touched, inode_of(&o->stx)))
		return false;
	return t && (t->mode & S_IFMT) == (o->stx.stx_mode & S_IFMT) &&
	       t->mtime_s == o->stx.stx_mtime.tv_sec &&
	       t->mtime_ns == o->stx.stx_mtime.tv_nsec &&
	       (!S_ISREG(t->mode) || t->size == o->stx.stx_size) &&
	       (!o->p->s->passed || o->stx.stx_ctime.tv_sec < o->p->s->since_s);
}

/* Do the receiver's links of this file fit ours? */
static bool same_links(struct one *o)
{
	if (o->stx.stx_nlink == 1)
		return o->there->nlink == 1;
	return links_pair(o->p->s->links, o->there->ino, inode_of(&o->stx));
}

static bool same_meta(const struct one *o, const char *target)
{
	struct list_entry here;

	meta_list_entry(&here, &o->stx, &o->r->xattrs, target);
	return here.mode == o->there->mode && here.uid == o->there->uid &&
	       here.gid == o->there->gid && here.digest == o->there->digest;
}

/*
 * Files with several names: the first name told carries the contents, further
 * ones become links in the pass's last part.  1: it was a further one, done.
 */
static int link_or_first(struct one *o, struct err *e)
{
	bool first;

	if (o->stx.stx_nlink == 1 || S_ISDIR(o->stx.stx_mode))
		return 0;
	set_path(&o->r->path, o->dir, o->name);
	if (links_add(o->p->s->links, inode_of(&o->stx), (char *)o->r->path.data, o->r->path.len, &first,
		      &o->r->primary, e) < 0)
		return -1;
	if (o->p->gathering) {
		send_note_several(o->p, inode_of(&o->stx));
		return 1;
	}
	if (first || (o->r->primary.len == o->r->path.len &&
		      !memcmp(o->r->primary.data, o->r->path.data, o->r->path.len)))
		return 0;
	rec_put_link(fragment(o), o->name, (char *)o->r->primary.data, o->r->primary.len);
	o->p->n.others++;
	return pack_keep(o->p->further, &o->r->fragment, e) < 0 ? -1 : 1;
}

/* The contents are right at the receiver, something else may not be. */
static int send_meta_only(struct one *o, const char *target, struct err *e)
{
	if (same_meta(o, target))
		return keep_flags(o, o->name, e);
	if (begin(o, 0, e) < 0)
		return -1;
	rec_put_meta(&o->r->pack.b, o->name, &o->meta);
	return keep_flags(o, o->name, e);
}

static int check_still(struct one *o, int fd, struct err *e)
{
	struct version was = send_version(&o->stx);

	return send_check_still(o->p, o->dir, o->name, fd, &was, e);
}

static int send_small(struct one *o, int fd, struct err *e)
{
	size_t size = (size_t)o->stx.stx_size, done = 0, at;
	struct buf *b = &o->r->pack.b;

	if (begin(o, size, e) < 0)
		return -1;
	at = rec_put_file(b, o->name, &o->meta);
	while (done < size) {
		ssize_t n = pread(fd, buf_reserve(b, size - done), size - done, (off_t)done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, "cannot read %s/%s", o->dir->path, o->name);
		if (n == 0)
			break;
		b->len += (size_t)n;
		done += (size_t)n;
	}
	rec_put_end(b, at);
	send_count_bytes(o->p, done);
	if (done < size && send_vanished(o->p, o->dir, o->name, e) < 0)
		return -1;
	return check_still(o, fd, e);
}

static bool is_sparse(const struct statx *stx)
{
	return stx->stx_blocks * 512 < stx->stx_size;
}

/* Before there are contents.  1: it was sent. */
static int send_nocow(struct one *o, int fd, struct err *e)
{
	if (!o->p->s->may_nocow || !meta_nocow(fd))
		return 0;
	if (begin(o, 0, e) < 0)
		return -1;
	rec_put_flags(&o->r->pack.b, o->name, TREE_NOCOW);
	o->p->flags_first = true;
	return 1;
}

static int send_contents(struct one *o, int fd, struct err *e)
{
	uint64_t size = o->stx.stx_size;
	int nocow;

	o->p->n.files++;
	if (o->p->s->opts.progress)
		o->p->s->opts.progress->files++;
	if (size <= SMALL_FILE &&
	    (!is_sparse(&o->stx) || o->r->shared || lseek(fd, 0, SEEK_HOLE) >= (off_t)size))
		return send_small(o, fd, e);
	rec_put_final(fragment(o), o->name, &o->meta, size);
	if (pack_keep(o->p->finals, &o->r->fragment, e) < 0)
		return -1;
	nocow = send_nocow(o, fd, e);
	if (nocow < 0)
		return -1;
	if (!o->p->to_empty || size > ALONE || nocow)
		return send_large_later(o->p, o->dir, o->name, &o->stx, e);
	if (send_range(o->p, o->r, o->dir, o->name, fd, 0, size, e) < 0)
		return -1;
	return check_still(o, fd, e);
}

static bool is_gone(int error)
{
	return error == ENOENT || error == ELOOP || error == ENXIO || error == ESTALE;
}

/*
 * With an entry to compare it often need not be opened: 1: it was done.  While its contents
 * differ it is not told as one of several names: it may vanish before it is opened, and the
 * others would become links to old contents.  *told: the inode that it was told as.
 */
static int send_same(struct one *o, struct inode *told, struct err *e)
{
	int ret;

	if (meta_stat(AT_NAME(o->name), &o->stx) < 0)
		return send_vanished(o->p, o->dir, o->name, e) < 0 ? -1 : 1;
	if (!same_contents(o))
		return 0;
	if (read_xattrs(o, AT_NAME(o->name), e) < 0)
		return -1;
	ret = link_or_first(o, e);
	if (ret)
		return ret;
	if (same_links(o))
		return send_meta_only(o, "", e) < 0 ? -1 : 1;
	if (o->stx.stx_nlink > 1)
		*told = inode_of(&o->stx);
	return 0;
}

static int send_regular(struct one *o, struct err *e)
{
	struct inode told = { 0, 0 };
	own_fd int fd = -1;
	int ret = o->there ? send_same(o, &told, e) : 0;

	if (ret)
		return ret < 0 ? -1 : 0;
	fd = send_open(o->p, AT_FDCWD, o->name, &o->r->shared);
	if (fd < 0 && is_gone(errno))
		return send_several_vanished(o->p, told, o->dir, o->name, e);
	if (fd < 0)
		return send_not_opened(o->dir, o->name, e);
	if (meta_stat(AT_FD(fd), &o->stx) < 0)
		return err_sys(e, "cannot open %s/%s", o->dir->path, o->name);
	if (!S_ISREG(o->stx.stx_mode) || (told.ino && told.ino != o->stx.stx_ino))
		return send_several_vanished(o->p, told, o->dir, o->name, e);
	/* A process of the container sees it through a mount of its own. */
	if (o->stx.stx_mnt_id != o->p->s->mnt_id && !o->p->s->opts.mounted_files && !o->r->shared) {
		o->p->n.mounts++;
		log_warn("%s/%s is a mount point: what is mounted there is not moved",
			 o->dir->path, o->name);
		return 0;
	}
	if (read_xattrs(o, AT_FD(fd), e) < 0)
		return -1;
	ret = link_or_first(o, e);
	if (ret)
		return ret < 0 ? -1 : 0;
	if (send_contents(o, fd, e) < 0)
		return -1;
	return keep_flags(o, o->name, e);
}

static int send_symlink(struct one *o, struct err *e)
{
	char target[TREE_MAX_SYMLINK + 2];
	ssize_t n = readlink(o->name, target, sizeof(target) - 1);
	struct statx now = o->stx;
	int ret;

	if (n < 0 && (errno == ENOENT || errno == EINVAL))
		return send_vanished(o->p, o->dir, o->name, e);
	if (n <= 0 || n > TREE_MAX_SYMLINK)
		return err_sys(e, "cannot read the symlink %s/%s", o->dir->path, o->name);
	target[n] = '\0';
	/* Not told before it is read, and as what was read: the others become links to it. */
	if (o->stx.stx_nlink > 1 &&
	    (meta_stat(AT_NAME(o->name), &now) < 0 || now.stx_ino != o->stx.stx_ino))
		return send_vanished(o->p, o->dir, o->name, e);
	ret = link_or_first(o, e);
	if (ret)
		return ret < 0 ? -1 : 0;
	if (o->there && same_contents(o) && same_links(o) && same_meta(o, target))
		return 0;
	if (begin(o, (size_t)n, e) < 0)
		return -1;
	rec_put_symlink(&o->r->pack.b, o->name, &o->meta, target);
	o->p->n.others++;
	return 0;
}

static int send_node(struct one *o, struct err *e)
{
	int ret = link_or_first(o, e);

	if (ret)
		return ret < 0 ? -1 : 0;
	if (o->there && same_contents(o) && same_links(o) && same_meta(o, ""))
		return 0;
	if (begin(o, 0, e) < 0)
		return -1;
	rec_put_node(&o->r->pack.b, o->name, &o->meta,
		     S_ISCHR(o->stx.stx_mode) || S_ISBLK(o->stx.stx_mode) ? meta_rdev(&o->stx) :
									    0);
	o->p->n.others++;
	return 0;
}

static int send_other(struct one *o, struct err *e)
{
	if (meta_stat(AT_NAME(o->name), &o->stx) < 0 || S_ISREG(o->stx.stx_mode) ||
	    S_ISDIR(o->stx.stx_mode))
		return send_vanished(o->p, o->dir, o->name, e);
	if (read_xattrs(o, AT_NAME(o->name), e) < 0)
		return -1;
	return S_ISLNK(o->stx.stx_mode) ? send_symlink(o, e) : send_node(o, e);
}

/* The directory's own attributes: when everything in it is done. */
static int send_self(struct one *o, struct err *e)
{
	if (meta_stat(AT_FD(o->dir->fd), &o->stx) < 0)
		return err_sys(e, "cannot stat directory %s", o->dir->path);
	if (read_xattrs(o, AT_FD(o->dir->fd), e) < 0)
		return -1;
	/* Made now, so that making it does not change its parent's times later. */
	if (begin(o, 0, e) < 0)
		return -1;
	rec_put_dir(fragment(o), &o->meta);
	o->p->n.dirs++;
	if (pack_keep(o->p->dirs, &o->r->fragment, e) < 0)
		return -1;
	return keep_flags(o, "", e);
}

static int send_removal(struct one *o, struct err *e)
{
	o->meta.xattrs_len = 0;
	if (begin(o, 0, e) < 0)
		return -1;
	rec_put_remove(&o->r->pack.b, o->name);
	o->p->n.removed++;
	return 0;
}

static int send_one(struct one *o, unsigned type, struct err *e)
{
	o->meta.xattrs_len = 0;
	switch (type) {
	case NAME_SELF:
		return send_self(o, e);
	case NAME_REMOVE:
		return send_removal(o, e);
	case DT_REG:
		return send_regular(o, e);
	default:
		return send_other(o, e);
	}
}

int send_work(void *pass, unsigned reader, void *item, struct err *e)
{
	struct pass *p = pass;
	struct work *w = item;
	struct reader_ctx *r = &p->reader[reader];
	const uint8_t *at = w->names.data, *end = at + w->names.len;
	int ret = enter(r, w->dir, e);

	if (ret == 0 && w->kind == WORK_RANGE)
		ret = send_range_work(p, r, w, e);
	while (ret == 0 && at < end) {
		struct one o = { .p = p, .r = r, .dir = w->dir };
		struct list_entry there;
		unsigned type = *at++;
		bool has_entry = *at++;

		o.name = (const char *)at;
		at += strlen(o.name) + 1;
		if (has_entry) {
			memcpy(&there, at, sizeof(there));
			o.there = &there;
			at += sizeof(there);
		}
		ret = send_one(&o, type, e);
	}
	work_free(w);
	return ret;
}
