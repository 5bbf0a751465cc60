// SPDX-License-Identifier: MIT
/*
 * What the area holds, for the source to compare: directories in the order of
 * the walk, the names of each in order.  Runs while the source's differences
 * are applied already: what goes away meanwhile is left out.
 */
#include "tree/recv/impl.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/own.h"
#include "tree/walk.h"
#include "wire/proto.h"

enum { LIST_FRAME = 128 << 10 };

struct listing {
	struct dest_pass *p;
	struct buf out, xattrs;
};

static int flush(struct listing *l, struct err *e)
{
	int ret = peer_send(l->p->streams[0], PROTO_TREE_LIST, 0, l->out.data, l->out.len, e);

	buf_clear(&l->out);
	return ret;
}

static int list_name(struct listing *l, const struct walk_dir *dir, const struct walk_name *n,
		     struct err *e)
{
	char target[TREE_MAX_SYMLINK + 2] = "";
	struct list_entry entry;
	struct statx stx;

	if (meta_stat(AT_NAME(n->name), &stx) < 0)
		return 0;
	if (meta_xattrs(AT_NAME(n->name), &l->xattrs, e) < 0)
		return err_wrap(e, "%s/%s", dir->path, n->name);
	if (S_ISLNK(stx.stx_mode)) {
		ssize_t len = readlink(n->name, target, sizeof(target) - 1);

		target[len > 0 ? len : 0] = '\0';
	}
	meta_list_entry(&entry, &stx, &l->xattrs, target);
	if (l->out.len > LIST_FRAME) {
		if (flush(l, e) < 0)
			return -1;
		list_put_dir(&l->out, dir->path, dir->path_len);
	}
	list_put_entry(&l->out, n->name, &entry);
	return 0;
}

static int list_dir(struct listing *l, struct walk *w, const struct walk_dir *dir,
		    struct err *e)
{
	struct walk_name n;

	if (fchdir(dir->fd) < 0)
		return err_sys(e, "cannot enter directory %s", dir->path);
	if (l->out.len > LIST_FRAME && flush(l, e) < 0)
		return -1;
	list_put_dir(&l->out, dir->path, dir->path_len);
	while (walk_name(w, &n)) {
		if (!dir->path_len && !strcmp(n.name, "lost+found"))
			continue;
		if (n.type == DT_DIR)
			walk_enter(w, n.name);
		if (list_name(l, dir, &n, e) < 0)
			return -1;
	}
	return 0;
}

static int list_all(struct listing *l, struct err *e)
{
	struct walk *w;
	struct walk_dir *dir;
	bool mount_point;
	int more;

	if (meta_own_cwd(e) < 0)
		return -1;
	w = walk_new(l->p->d->root, "", 0);
	while ((more = walk_next(w, &dir, &mount_point, e)) > 0) {
		if (list_dir(l, w, dir, e) < 0)
			more = -1;
		walk_dir_put(dir);
		if (more < 0)
			break;
	}
	walk_free(w);
	if (more < 0 || (l->out.len && flush(l, e) < 0))
		return -1;
	return peer_send(l->p->streams[0], PROTO_TREE_LIST_END, 0, NULL, 0, e);
}

void *recv_list(void *pass)
{
	struct dest_pass *p = pass;
	struct listing l = { .p = p };
	const uint64_t one = 1;

	if (list_all(&l, &p->list_error) < 0 && write(p->wake, &one, sizeof(one)) < 0)
		p->list_error.sys = p->list_error.sys ? p->list_error.sys : errno;
	buf_fini(&l.out);
	buf_fini(&l.xattrs);
	return NULL;
}
