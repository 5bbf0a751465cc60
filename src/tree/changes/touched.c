// SPDX-License-Identifier: MIT
#include "tree/changes/touched.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>

#include "base/file.h"
#include "base/own.h"
#include "tree/find.h"
#include "tree/meta.h"

enum {
	/* A direct write changes ctime when it is submitted and the disk some time later: one that is older than this
	 * is taken for done when a pass reads. */
	IN_FLIGHT_S = 60,
	/* By so many times of the kernel's own periods a dirty page was written back, so that the next write
	 * to it changed ctime. */
	WRITTEN_BACK = 10,
};

/* A file that was met by a look. */
struct seen {
	struct inode id;
	int64_t since_s; /* a ctime from here on: it may have been written after it was sent */
	bool now;	 /* it was, in the last look */
};

struct touched {
	struct seen *v; /* the first n_sorted by inode; in a look new ones come behind them */
	size_t n, n_sorted;
	int64_t since_s; /* of those not met yet */
	int64_t lag_s;	 /* so old may a ctime be of a page that is still written to; -1: any */
};

struct looking {
	int root;
	const char *root_path;
	struct inode area;
	struct changes *c;
	struct touched *t;
	bool frozen;
	int64_t now_s;
	uint64_t *nameless; /* inode numbers whose names must be searched */
	size_t n_nameless;
};

struct touched *touched_new(int64_t now_s)
{
	struct touched *t = xcalloc(1, sizeof(*t));

	t->since_s = now_s - IN_FLIGHT_S;
	return t;
}

void touched_free(struct touched *t)
{
	if (!t)
		return;
	free(t->v);
	free(t);
}

static int by_id(const void *a, const void *b)
{
	const struct inode *x = a, *y = b;

	if (x->ino != y->ino)
		return x->ino < y->ino ? -1 : 1;
	return (x->dev > y->dev) - (x->dev < y->dev);
}

static int by_seen(const void *a, const void *b)
{
	return by_id(&((const struct seen *)a)->id, &((const struct seen *)b)->id);
}

static struct seen *find_sorted(const struct touched *t, struct inode id)
{
	struct seen key = { .id = id };

	return t->n_sorted ? bsearch(&key, t->v, t->n_sorted, sizeof(*t->v), by_seen) : NULL;
}

bool touched_has(const struct touched *t, struct inode id)
{
	const struct seen *s = t ? find_sorted(t, id) : NULL;

	return s && s->now;
}

/* Seconds of one of the kernel's periods; 0: it is switched off. */
static int64_t period(const char *name)
{
	own_free char *path = xasprintf("/proc/sys/vm/dirty_%s_centisecs", name);
	own_free char *text = NULL;

	if (file_read(AT_FDCWD, path, 64, &text, NULL, NULL) < 0)
		return 0;
	return (strtoll(text, NULL, 10) + 99) / 100;
}

/* See WRITTEN_BACK (Documentation/admin-guide/sysctl/vm.rst).  Memory file systems never write back. */
static int64_t lag(int root)
{
	int64_t expire = period("expire"), wake = period("writeback");
	struct statfs fs;

	if (fstatfs(root, &fs) < 0 || fs.f_type == TMPFS_MAGIC || expire <= 0 || wake <= 0)
		return -1;
	return WRITTEN_BACK * (expire + wake);
}

static bool is_overlay(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 && fs.f_type == OVERLAYFS_SUPER_MAGIC;
}

static struct seen *find(const struct touched *t, struct inode id)
{
	for (size_t i = t->n_sorted; i < t->n; i++)
		if (by_id(&t->v[i].id, &id) == 0)
			return &t->v[i];
	return find_sorted(t, id);
}

/* It is sent in the pass that begins. */
static void mark(struct looking *l, struct inode id, struct seen *s)
{
	struct touched *t = l->t;

	if (!s) {
		t->v = xrealloc(t->v, (t->n + 1) * sizeof(*t->v));
		s = &t->v[t->n++];
	}
	*s = (struct seen){ .id = id, .since_s = l->now_s - IN_FLIGHT_S, .now = true };
}

static void note_path(struct looking *l, const char *path)
{
	size_t dir_len;
	const char *name = tree_path_split(path, strlen(path), &dir_len);

	if (l->c)
		changes_add(l->c, path, dir_len, name);
}

/* Its names become changes. */
static int note_names(struct looking *l, int fd, uint64_t ino, struct err *e)
{
	own_free char *path = NULL;
	int found = journal_path_of(l->root, l->root_path, fd, &path, e);

	if (found < 0)
		return -1;
	if (found) {
		note_path(l, path);
	} else {
		l->nameless = xrealloc(l->nameless,
				       (l->n_nameless + 1) * sizeof(*l->nameless));
		l->nameless[l->n_nameless++] = ino;
	}
	return 0;
}

/* May what was written to it have been missed? */
static bool counts(const struct looking *l, const struct seen *s, const struct held_file *f)
{
	int64_t since = s ? s->since_s : l->t->since_s;

	if (f->how == HELD_OPEN)
		return f->ctime_s >= since;
	/* A clean page that is written to changes ctime, a dirty one nothing. */
	return (f->how == HELD_WRITABLE && l->frozen) || l->t->lag_s < 0 ||
	       f->ctime_s >= since - l->t->lag_s;
}

/*
 * A process may see the area through an overlay, whose upper layer the area is: then the file's
 * number is that of the inode below, its device is not (Documentation/filesystems/overlayfs.rst,
 * "Inode properties").
 */
static int note(struct looking *l, const struct held_file *f, struct err *e)
{
	struct inode id = { l->area.dev, f->id.ino };
	const bool elsewhere = f->id.dev != l->area.dev;
	own_fd int fd = -1;
	struct seen *s;

	s = find(l->t, id);
	if ((s && s->now) || !counts(l, s, f))
		return 0;
	fd = held_open(f);
	if (fd < 0 || (elsewhere && !is_overlay(fd)))
		return 0;
	mark(l, id, s);
	return note_names(l, fd, id.ino, e);
}

static int found_name(void *arg, const char *dir, size_t dir_len, const char *name,
		      struct err *e)
{
	struct looking *l = arg;

	(void)e;
	changes_add(l->c, dir, dir_len, name);
	return 0;
}

static int by_number(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static int look_at_all(struct looking *l, const struct held *held, struct err *e)
{
	struct touched *t = l->t;

	for (size_t i = 0; i < held->n; i++)
		if (note(l, &held->v[i], e) < 0)
			return -1;
	if (t->n)
		qsort(t->v, t->n, sizeof(*t->v), by_seen);
	t->n_sorted = t->n;
	if (!l->n_nameless || !l->c)
		return 0;
	qsort(l->nameless, l->n_nameless, sizeof(*l->nameless), by_number);
	return find_names(l->root, l->nameless, l->n_nameless, found_name, l, e);
}

int touched_look(struct touched *t, int root, const char *root_path, const struct held *held,
		 bool frozen, int64_t now_s, struct changes *c, struct err *e)
{
	struct looking l = { .root = root, .root_path = root_path, .c = c, .t = t,
			     .frozen = frozen, .now_s = now_s };
	struct statx stx;
	int ret;

	for (size_t i = 0; i < t->n; i++)
		t->v[i].now = false;
	if (!held || !held->n)
		return 0;
	if (meta_stat(AT_FD(root), &stx) < 0)
		return err_sys(e, "cannot stat %s", root_path);
	l.area = inode_of(&stx);
	t->lag_s = lag(root);
	ret = look_at_all(&l, held, e);
	free(l.nameless);
	if (ret == 0 && c)
		changes_sort(c);
	return ret;
}
