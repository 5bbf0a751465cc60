// SPDX-License-Identifier: MIT
/*
 * The stack has one frame for each directory on the way down: its path and
 * the names of those subdirectories that were not visited yet.
 */
#include "tree/walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/own.h"
#include "tree/area.h"
#include "tree/msg.h"

enum { READ_SIZE = 64 << 10 };

struct frame_up {
	size_t path_len; /* of w->path */
	struct buf todo; /* names, each with its NUL */
	size_t at;
};

struct walk {
	int root;
	uint64_t mnt_id;
	bool begun;
	struct buf path; /* of the current directory, without NUL */
	struct frame_up *up;
	size_t n_up, cap_up;

	/* names of the current directory: ino (8), type (1), name, NUL */
	struct buf names;
	uint32_t *order; /* offsets into names */
	size_t n, cap, at;
	char *dents;
};

struct walk_dir *walk_dir_new(int fd, const char *path, size_t len)
{
	struct walk_dir *d = xmalloc(sizeof(*d) + len + 1);

	d->refs = 1;
	d->fd = fd;
	d->path_len = len;
	if (len)
		memcpy(d->path, path, len);
	d->path[len] = '\0';
	return d;
}

struct walk_dir *walk_dir_get(struct walk_dir *d)
{
	atomic_fetch_add(&d->refs, 1);
	return d;
}

void walk_dir_put(struct walk_dir *d)
{
	if (!d || atomic_fetch_sub(&d->refs, 1) != 1)
		return;
	close(d->fd);
	free(d);
}

struct walk *walk_new(int root, const char *path, size_t len)
{
	struct walk *w = xcalloc(1, sizeof(*w));
	struct statx stx;

	w->root = root;
	if (statx(root, "", AT_EMPTY_PATH, STATX_MNT_ID, &stx) == 0)
		w->mnt_id = stx.stx_mnt_id;
	buf_put(&w->path, path, len);
	w->dents = xmalloc(READ_SIZE);
	return w;
}

void walk_free(struct walk *w)
{
	if (!w)
		return;
	for (size_t i = 0; i < w->n_up; i++)
		buf_fini(&w->up[i].todo);
	free(w->up);
	buf_fini(&w->path);
	buf_fini(&w->names);
	free(w->order);
	free(w->dents);
	free(w);
}

static const char *name_at(const struct walk *w, uint32_t offset)
{
	return (const char *)w->names.data + offset + 9;
}

static int by_name(const void *a, const void *b, void *arg)
{
	const struct walk *w = arg;

	return strcmp(name_at(w, *(const uint32_t *)a), name_at(w, *(const uint32_t *)b));
}

static void add_name(struct walk *w, int fd, const struct dirent64 *de)
{
	unsigned char type = de->d_type;
	struct stat st;

	if (!strcmp(de->d_name, ".") || !strcmp(de->d_name, ".."))
		return;
	if (type == DT_UNKNOWN) {
		if (fstatat(fd, de->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return;
		type = (unsigned char)IFTODT(st.st_mode);
	}
	if (w->n == w->cap) {
		w->cap = w->cap ? w->cap * 2 : 256;
		w->order = xrealloc(w->order, w->cap * sizeof(*w->order));
	}
	w->order[w->n++] = (uint32_t)w->names.len;
	buf_put_u64(&w->names, de->d_ino);
	buf_put_u8(&w->names, type);
	buf_put(&w->names, de->d_name, strlen(de->d_name) + 1);
}

static int read_names(struct walk *w, int fd, struct err *e)
{
	buf_clear(&w->names);
	w->n = w->at = 0;
	for (;;) {
		ssize_t n = getdents64(fd, w->dents, READ_SIZE);

		if (n < 0 && errno == ENOENT) /* removed while open */
			return 0;
		if (n < 0)
			return err_sys(e, "cannot read directory %.*s", (int)w->path.len,
				       w->path.data);
		if (n == 0)
			break;
		for (char *p = w->dents; p < w->dents + n;) {
			struct dirent64 *de = (void *)p;

			add_name(w, fd, de);
			p += de->d_reclen;
		}
		if (w->names.len > UINT32_MAX - (1u << 20))
			return err_set(e, ERR_COPY, "directory %.*s has too many names",
				       (int)w->path.len, w->path.data);
	}
	if (w->n)
		qsort_r(w->order, w->n, sizeof(*w->order), by_name, w);
	return 0;
}

/* Sets the path to the next directory to visit; false when there is none. */
static bool step(struct walk *w)
{
	if (!w->begun) {
		w->begun = true;
		return true;
	}
	while (w->n_up) {
		struct frame_up *f = &w->up[w->n_up - 1];

		w->path.len = f->path_len;
		if (f->at < f->todo.len) {
			const char *name = (const char *)f->todo.data + f->at;

			f->at += strlen(name) + 1;
			if (w->path.len)
				buf_put_u8(&w->path, '/');
			buf_put(&w->path, name, strlen(name));
			return true;
		}
		buf_fini(&f->todo);
		w->n_up--;
	}
	return false;
}

static void push_frame(struct walk *w)
{
	if (w->n_up == w->cap_up) {
		w->cap_up = w->cap_up ? w->cap_up * 2 : 32;
		w->up = xrealloc(w->up, w->cap_up * sizeof(*w->up));
	}
	w->up[w->n_up++] = (struct frame_up){ .path_len = w->path.len };
}

int walk_next(struct walk *w, struct walk_dir **out, bool *mount_point, struct err *e)
{
	*mount_point = false;
	while (step(w)) {
		struct statx stx;
		int fd;

		if (w->path.len > TREE_MAX_PATH)
			return err_set(e, ERR_COPY, "the path %.200s… is too long",
				       (const char *)w->path.data);
		buf_reserve(&w->path, 1)[0] = '\0';
		fd = area_open_dir(w->root, (const char *)w->path.data, w->path.len);
		if (fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP))
			continue;
		if (fd < 0)
			return err_sys(e, "cannot open directory %s", w->path.data);
		if (w->mnt_id &&
		    statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &stx) == 0 &&
		    stx.stx_mnt_id != w->mnt_id)
			*mount_point = true;
		*out = walk_dir_new(fd, (const char *)w->path.data, w->path.len);
		push_frame(w);
		w->n = w->at = 0;
		if (!*mount_point && read_names(w, fd, e) < 0) {
			walk_dir_put(*out);
			return -1;
		}
		return 1;
	}
	return 0;
}

bool walk_name(struct walk *w, struct walk_name *out)
{
	const uint8_t *p;

	if (w->at == w->n)
		return false;
	p = w->names.data + w->order[w->at++];
	out->ino = be64_at(p);
	out->type = p[8];
	strcpy(out->name, (const char *)p + 9);
	return true;
}

size_t walk_names(const struct walk *w)
{
	return w->n;
}

void walk_enter(struct walk *w, const char *name)
{
	buf_put(&w->up[w->n_up - 1].todo, name, strlen(name) + 1);
}
