// SPDX-License-Identifier: MIT
/*
 * Applies one batch.  The writer's current directory is the batch's, names are
 * single components in it, symlinks are never followed.
 */
#include "tree/recv/impl.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/own.h"
#include "tree/area.h"
#include "tree/pack.h"
#include "wire/proto.h"

void job_free(void *job)
{
	struct job *j = job;

	if (!j)
		return;
	free(j->data);
	free(j);
}

void writer_fini(struct writer *w)
{
	close_fd(&w->file);
	close_fd(&w->dir);
	buf_fini(&w->path);
}

/* Does a new file here come out as asked for? */
static bool is_plain(int dir)
{
	struct stat st;

	return fstat(dir, &st) == 0 && !(st.st_mode & S_ISGID) &&
	       fgetxattr(dir, "system.posix_acl_default", NULL, 0) < 0;
}

static int change_dir(struct dest_pass *p, struct writer *w, const struct rec *rec,
		      struct err *e)
{
	unsigned generation = p->generation;

	if (w->dir >= 0 && w->generation == generation && w->path.len == rec->path_len &&
	    (!rec->path_len || !memcmp(w->path.data, rec->path, rec->path_len)))
		return 0;
	close_fd(&w->file);
	close_fd(&w->dir);
	w->dir = area_make_dir(p->d->root, rec->path, rec->path_len, e);
	if (w->dir < 0)
		return err_wrap(e, "%s", rec->path);
	if (fchdir(w->dir) < 0)
		return err_sys(e, "cannot enter directory %s", rec->path);
	buf_clear(&w->path);
	buf_put(&w->path, rec->path, rec->path_len);
	w->generation = generation;
	/* In an area that was empty, directories get what they hand down at the very end. */
	w->plain = (p->to_empty && rec->path_len) || is_plain(w->dir);
	return 0;
}

static int try_special(const struct rec *rec)
{
	unsigned major_nr = (unsigned)(rec->rdev >> 32), minor_nr = (unsigned)rec->rdev;

	if (rec->kind == REC_SYMLINK)
		return symlink((const char *)rec->data, rec->name);
	return mknod(rec->name, rec->meta.mode & (S_IFMT | 0777), makedev(major_nr, minor_nr));
}

static int apply_special(struct dest_pass *p, struct writer *w, const struct rec *rec,
			 struct err *e)
{
	int ret = try_special(rec);

	if (ret < 0 && (errno == EPERM || errno == EACCES) && meta_unprotect(AT_FD(w->dir)))
		ret = try_special(rec);
	if (ret < 0 && errno == EEXIST) {
		if (area_remove(w->dir, rec->name, e) < 0)
			return -1;
		ret = try_special(rec);
	}
	if (ret < 0)
		return err_sys(e, "cannot make %s", rec->name);
	p->others++;
	if (meta_set(AT_NAME(rec->name), &rec->meta, w->plain && p->d->plain_ids, e) < 0)
		return err_wrap(e, "%s", rec->name);
	return 0;
}

static bool same_file(int dir, const char *name, const char *here)
{
	struct stat a, b;

	return fstatat(dir, name, &a, AT_SYMLINK_NOFOLLOW) == 0 && lstat(here, &b) == 0 &&
	       a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

static int apply_link(struct dest_pass *p, struct writer *w, const struct rec *rec,
		      struct err *e)
{
	size_t dir_len;
	const char *name = tree_path_split(rec->path, rec->path_len, &dir_len);
	own_free char *dir = xstrndup(rec->path, dir_len);
	own_fd int fd = area_open_dir(p->d->root, dir, dir_len);
	int ret;

	if (fd < 0)
		return err_sys(e, "cannot link %s to %s", rec->name, rec->path);
	p->others++;
	ret = linkat(fd, name, AT_FDCWD, rec->name, 0);
	if (ret < 0 && errno == EPERM) {
		own_fd int file = openat(fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
		struct stat st;

		meta_unprotect(AT_FD(w->dir));
		if (file >= 0 && fstat(file, &st) == 0 && S_ISREG(st.st_mode)) {
			own_fd int same = openat(fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK |
								   O_CLOEXEC);

			if (same >= 0)
				meta_unprotect(AT_FD(same));
		}
		ret = linkat(fd, name, AT_FDCWD, rec->name, 0);
	}
	if (ret < 0 && errno == EEXIST) {
		if (same_file(fd, name, rec->name))
			return 0;
		if (area_remove(w->dir, rec->name, e) < 0)
			return -1;
		ret = linkat(fd, name, AT_FDCWD, rec->name, 0);
	}
	return ret < 0 ? err_sys(e, "cannot link %s to %s", rec->name, rec->path) : 0;
}

static int apply_dir(struct dest_pass *p, struct writer *w, const struct rec *rec,
		     struct err *e)
{
	struct err first = ERR_INIT;

	p->dirs++;
	if (meta_set(AT_FD(w->dir), &rec->meta, false, &first) == 0)
		return 0;
	if (first.sys == EPERM && meta_unprotect(AT_FD(w->dir)) &&
	    meta_set(AT_FD(w->dir), &rec->meta, false, &first) == 0)
		return 0;
	err_wrap(&first, "%.*s", (int)w->path.len, w->path.data);
	if (e)
		*e = first;
	return -1;
}

static int apply_meta(const struct rec *rec, struct err *e)
{
	struct err first = ERR_INIT;
	struct stat st;

	if (lstat(rec->name, &st) < 0 || (st.st_mode & S_IFMT) != (rec->meta.mode & S_IFMT))
		return err_set(e, ERR_PROTO, "attributes arrived for %s, which is another kind "
					     "of file",
			       rec->name);
	if (meta_set(AT_NAME(rec->name), &rec->meta, false, &first) == 0)
		return 0;
	if (first.sys == EPERM && meta_unprotect(AT_NAME(rec->name)) &&
	    meta_set(AT_NAME(rec->name), &rec->meta, false, &first) == 0)
		return 0;
	err_wrap(&first, "%s", rec->name);
	if (e)
		*e = first;
	return -1;
}

static int apply_remove(struct dest_pass *p, struct writer *w, const struct rec *rec,
			struct err *e)
{
	p->removed++;
	/* It belongs to the file system, not to the container. */
	if (!w->path.len && !strcmp(rec->name, "lost+found"))
		return 0;
	return area_remove(w->dir, rec->name, e);
}

static int apply_record(struct dest_pass *p, struct writer *w, const struct rec *rec,
			struct err *e)
{
	switch (rec->kind) {
	case REC_CD:
		return change_dir(p, w, rec, e);
	case REC_FILE:
		return recv_file(p, w, rec, e);
	case REC_CHUNK:
		return recv_chunk(p, w, rec, e);
	case REC_ZERO:
	case REC_HOLE:
		return recv_zeros(p, w, rec, e);
	case REC_FINAL:
		return recv_final(p, w, rec, e);
	case REC_SYMLINK:
	case REC_NODE:
		return apply_special(p, w, rec, e);
	case REC_LINK:
		return apply_link(p, w, rec, e);
	case REC_DIR:
		return apply_dir(p, w, rec, e);
	case REC_REMOVE:
		return apply_remove(p, w, rec, e);
	case REC_META:
		return apply_meta(rec, e);
	case REC_FLAGS:
		return recv_flags(p, w, rec, e);
	}
	return 0;
}

static int apply_batch(struct dest_pass *p, struct writer *w, const uint8_t *data, size_t len,
		       struct err *e)
{
	struct reader r = reader_of(data, len);
	bool placed = false;
	struct rec rec;
	int more;

	while ((more = rec_get(&r, &rec, e)) > 0) {
		placed |= rec.kind == REC_CD;
		if (!placed)
			return err_set(e, ERR_PROTO, "a batch without a directory arrived");
		if (apply_record(p, w, &rec, e) < 0) {
			if (rec.kind != REC_CD && w->path.len)
				err_wrap(e, "%.*s", (int)w->path.len, w->path.data);
			return -1;
		}
	}
	close_fd(&w->file);
	return more;
}

static void show(struct dest_pass *p)
{
	struct tree_progress *pr = p->d->opts.progress;

	if (!pr)
		return;
	pr->files = p->files;
	pr->bytes = p->bytes;
}

int recv_apply(void *pass, unsigned writer, void *job, struct err *e)
{
	struct dest_pass *p = pass;
	struct job *j = job;
	own_free uint8_t *raw = NULL;
	size_t len;
	int ret;

	if (j->type == PROTO_TREE_BATCH_ZSTD)
		ret = pack_unzip(j->data, j->len, &raw, &len, e) < 0 ?
			      -1 :
			      apply_batch(p, &p->writer[writer], raw, len, e);
	else
		ret = apply_batch(p, &p->writer[writer], j->data, j->len, e);
	show(p);
	peer_recycle(p->streams[0], take_ptr(&j->data), j->len);
	job_free(j);
	return ret;
}
