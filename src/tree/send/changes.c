// SPDX-License-Identifier: MIT
/*
 * What the journal says has changed, and nothing else.
 *
 *	1. names that are gone, and directories that may be other ones than before, are
 *	   removed there; barrier
 *	2. changed names are sent; such directories with all below them
 *	3. files with several names: the contents once, the other names as links.  A
 *	   name nobody told about (a link made to a file that had one name until
 *	   then) is searched by inode number, once for all such files
 */
#include "tree/send/impl.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/own.h"
#include "tree/area.h"
#include "tree/find.h"

/* A set of paths, as their hashes: 64 bits do not meet by chance. */
struct paths {
	uint64_t *slot; /* 0: free */
	size_t n, cap;
};

struct changing {
	struct pass *p;
	struct changes *c;
	struct walk_dir *dir;  /* the directory of the current change, or NULL */
	struct work *work;     /* names in it not yet handed out, or NULL */
	struct paths removed;  /* what is removed there at the beginning */
	struct paths fresh;    /* directories sent whole */
	struct paths selves;   /* directories whose attributes are sent */
};

static uint64_t *path_slot(const struct paths *s, uint64_t hash)
{
	size_t at = (size_t)hash & (s->cap - 1);

	while (s->slot[at] && s->slot[at] != hash)
		at = (at + 1) & (s->cap - 1);
	return &s->slot[at];
}

static uint64_t path_hash(const char *path, size_t len)
{
	return XXH3_64bits(path, len) | 1;
}

static void paths_add(struct paths *s, const char *path)
{
	if (s->n * 2 >= s->cap) {
		struct paths bigger = { .n = s->n, .cap = s->cap ? s->cap * 2 : 64 };

		bigger.slot = xcalloc(bigger.cap, sizeof(*bigger.slot));
		for (size_t i = 0; i < s->cap; i++)
			if (s->slot[i])
				*path_slot(&bigger, s->slot[i]) = s->slot[i];
		free(s->slot);
		*s = bigger;
	}
	*path_slot(s, path_hash(path, strlen(path))) = path_hash(path, strlen(path));
	s->n++;
}

/* Is the directory in the set, or beneath one that is? */
static bool paths_cover(const struct paths *s, const char *dir)
{
	for (size_t n = 1; s->n && dir[n - 1]; n++)
		if ((!dir[n] || dir[n] == '/') && *path_slot(s, path_hash(dir, n)))
			return true;
	return false;
}

static int hand_over(struct changing *g, struct err *e)
{
	struct work *w = take_ptr(&g->work);

	return w ? pool_push(g->p->pool, w, e) : 0;
}

static int hand(struct changing *g, unsigned type, const char *name, struct err *e)
{
	if (!g->work)
		g->work = work_new(WORK_NAMES, g->dir);
	work_add(g->work, type, name, NULL);
	return g->work->n_names < WORK_NAMES_MAX ? 0 : hand_over(g, e);
}

/* The attributes of g->dir, once. */
static int hand_self(struct changing *g, struct err *e)
{
	const struct walk_dir *d = g->dir;

	if (g->selves.n && *path_slot(&g->selves, path_hash(d->path, d->path_len)))
		return 0;
	paths_add(&g->selves, d->path);
	return hand(g, NAME_SELF, "", e);
}

/* Makes g->dir the directory at `path`; it stays NULL when that is gone. */
static int go(struct changing *g, const char *path, struct err *e)
{
	size_t len = strlen(path);
	int fd;

	if (g->dir && !strcmp(g->dir->path, path))
		return 0;
	if (hand_over(g, e) < 0)
		return -1;
	walk_dir_put(g->dir);
	g->dir = NULL;
	fd = area_open_dir(g->p->s->root, path, len);
	if (fd >= 0)
		g->dir = walk_dir_new(fd, path, len);
	else if (errno != ENOENT && errno != ENOTDIR && errno != ELOOP)
		return err_sys(e, "cannot open directory %s", path);
	return 0;
}

static char *join(const struct change *c)
{
	return *c->dir && *c->name ? xasprintf("%s/%s", c->dir, c->name) :
				     xstrdup(*c->dir ? c->dir : c->name);
}

/* The name as it is now: false when there is none. */
static bool look(struct changing *g, const struct change *c, struct statx *stx)
{
	int fd = g->dir->fd;

	if (!*c->name)
		return meta_stat(AT_FD(fd), stx) == 0;
	return statx(fd, c->name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT,
		     STATX_BASIC_STATS | STATX_MNT_ID, stx) == 0;
}

static int remove_one(struct changing *g, const struct change *c, struct err *e)
{
	struct statx stx;
	bool there;

	if (!*c->name || !strcmp(c->name, CHANGE_NAMELESS) ||
	    paths_cover(&g->removed, c->dir))
		return 0;
	if (go(g, c->dir, e) < 0)
		return -1;
	if (!g->dir)
		return 0; /* gone with its directory, which is a change itself */
	there = look(g, c, &stx);
	if (there && !(S_ISDIR(stx.stx_mode) && c->made))
		return 0;

	own_free char *path = join(c);

	if (send_excluded(g->p->s, path, there))
		return 0;
	paths_add(&g->removed, path);
	return hand(g, NAME_REMOVE, c->name, e);
}

static bool is_same_name(const struct changing *g, size_t i)
{
	const struct change *c = &g->c->item[i];

	return i && !strcmp(c->name, c[-1].name) && !strcmp(c->dir, c[-1].dir);
}

static int remove_names(struct changing *g, struct err *e)
{
	for (size_t i = 0; i < g->c->n; i++)
		if (!is_same_name(g, i) && remove_one(g, &g->c->item[i], e) < 0)
			return -1;
	if (hand_over(g, e) < 0)
		return -1;
	walk_dir_put(g->dir);
	g->dir = NULL;
	/* Without any removal there is nothing to wait for. */
	if (pool_drain(g->p->pool, e) < 0)
		return -1;
	return g->p->n.removed ? send_barrier(g->p, e) : 0;
}

void send_note_several(struct pass *p, struct inode id)
{
	pthread_mutex_lock(&p->several_lock);
	if ((p->n_several & (p->n_several - 1)) == 0)
		p->several = xrealloc(p->several, (p->n_several ? p->n_several * 2 : 1) *
							  sizeof(*p->several));
	p->several[p->n_several++] = id;
	pthread_mutex_unlock(&p->several_lock);
}

static int by_inode(const void *a, const void *b)
{
	const struct inode *x = a, *y = b;

	if (x->dev != y->dev)
		return x->dev < y->dev ? -1 : 1;
	return (x->ino > y->ino) - (x->ino < y->ino);
}

/* Each once. */
static void sort_several(struct pass *p)
{
	size_t kept = 0;

	if (!p->n_several)
		return;
	qsort(p->several, p->n_several, sizeof(*p->several), by_inode);
	for (size_t i = 1; i < p->n_several; i++)
		if (by_inode(&p->several[kept], &p->several[i]) != 0)
			p->several[++kept] = p->several[i];
	p->n_several = kept + 1;
}

static int note_name(struct changing *g, const struct statx *stx, const char *path,
		     struct err *e)
{
	own_buf struct buf primary = BUF_INIT;
	bool first;

	send_note_several(g->p, inode_of(stx));
	return links_add(g->p->s->links, inode_of(stx), path, strlen(path), &first, &primary,
			 e);
}

/* A directory: its attributes, or all of it. */
static int send_dir(struct changing *g, const struct change *c, const char *path,
		    struct err *e)
{
	if (!*c->name)
		return hand_self(g, e);
	if (!c->made)
		return 0; /* its attributes: reported as a change of itself */
	paths_add(&g->fresh, path);
	if (hand_over(g, e) < 0)
		return -1;
	return send_walk(g->p, path, strlen(path), NULL, e);
}

static bool is_listed(const struct changing *g, const char *path)
{
	size_t dir_len, low = 0, high = g->c->n;
	const char *name = tree_path_split(path, strlen(path), &dir_len);
	own_free char *dir = xstrndup(path, dir_len);

	while (low < high) {
		size_t mid = (low + high) / 2;
		int order = tree_path_order(g->c->item[mid].dir, dir);

		if (!order)
			order = strcmp(g->c->item[mid].name, name);
		if (!order)
			return true;
		if (order < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return false;
}

/* Does the name, in g->dir, still lead to the file that was written under it?  One call
 * that mostly saves three. */
static bool still_leads(const struct changing *g, const struct change *c)
{
	union {
		struct file_handle h;
		char room[sizeof(struct file_handle) + MAX_HANDLE_SZ];
	} now = { .h.handle_bytes = MAX_HANDLE_SZ };
	int mount_id;

	return name_to_handle_at(g->dir->fd, c->name, &now.h, &mount_id, 0) == 0 &&
	       now.h.handle_type == c->written->handle_type &&
	       now.h.handle_bytes == c->written->handle_bytes &&
	       !memcmp(now.h.f_handle, c->written->f_handle, now.h.handle_bytes);
}

/*
 * The file that was written under this name has another name by now, or only its other
 * ones are left: the journal told nothing about those.
 */
static int note_written(struct changing *g, const struct change *c, const struct statx *now,
			struct err *e)
{
	own_free char *path = NULL;
	own_fd int fd = -1;
	struct statx stx;
	int found;

	if (!c->written || (now && still_leads(g, c)))
		return 0;
	fd = journal_open_written(g->p->s->root, c);
	if (fd < 0 || meta_stat(AT_FD(fd), &stx) < 0 || !stx.stx_nlink ||
	    (now && now->stx_ino == stx.stx_ino && now->stx_dev_major == stx.stx_dev_major &&
	     now->stx_dev_minor == stx.stx_dev_minor))
		return 0;
	found = journal_path_of(g->p->s->root, g->p->s->root_path, fd, &path, e);
	if (found < 0)
		return -1;
	/* Renamed: its new name is a change itself. */
	if (found && stx.stx_nlink == 1 && is_listed(g, path))
		return 0;
	if (!found)
		send_note_several(g->p, inode_of(&stx));
	else if (!send_excluded(g->p->s, path, false))
		return note_name(g, &stx, path, e);
	return 0;
}

static int send_change(struct changing *g, size_t i, struct err *e)
{
	const struct change *c = &g->c->item[i];
	struct statx stx;
	bool there;

	if (!strcmp(c->name, CHANGE_NAMELESS))
		return note_written(g, c, NULL, e);
	if (go(g, c->dir, e) < 0)
		return -1;
	there = g->dir && look(g, c, &stx);
	if (note_written(g, c, there ? &stx : NULL, e) < 0)
		return -1;
	if (!there || paths_cover(&g->fresh, c->dir) || is_same_name(g, i))
		return 0;

	own_free char *path = join(c);

	if (send_excluded(g->p->s, path, !*c->name))
		return 0;
	if (stx.stx_mnt_id != g->p->s->mnt_id &&
	    (S_ISDIR(stx.stx_mode) || !g->p->s->opts.mounted_files))
		return 0;
	if (S_ISDIR(stx.stx_mode)) {
		if (*c->name && send_excluded(g->p->s, path, true))
			return 0;
		return send_dir(g, c, path, e);
	}
	if (stx.stx_nlink > 1)
		return note_name(g, &stx, path, e);
	return hand(g, IFTODT(stx.stx_mode), c->name, e);
}

/* A directory in which names were made or removed has new times. */
static int send_dir_times(struct changing *g, size_t i, struct err *e)
{
	const struct change *c = &g->c->item[i];
	bool last = i + 1 == g->c->n || strcmp(c->dir, g->c->item[i + 1].dir) != 0;

	if (!last || paths_cover(&g->fresh, c->dir) || send_excluded(g->p->s, c->dir, true))
		return 0;
	/* Also without any name made here: replacing a file at the destination makes and
	 * removes names there. */
	if (go(g, c->dir, e) < 0)
		return -1;
	return g->dir ? hand_self(g, e) : 0;
}

/* Names of one inode that still are its names. */
struct verifying {
	struct changing *g;
	struct inode id;
	char **path; /* owned */
	size_t n;
	uint32_t nlink; /* as the last of them says */
};

static int verify(void *arg, const char *path, size_t len, struct err *e)
{
	struct verifying *v = arg;
	size_t dir_len;
	const char *name = tree_path_split(path, len, &dir_len);
	own_free char *dir = xstrndup(path, dir_len);
	own_fd int fd = area_open_dir(v->g->p->s->root, dir, dir_len);
	struct statx stx;

	(void)e;
	if (fd < 0 || statx(fd, name, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &stx) < 0 ||
	    stx.stx_ino != v->id.ino || inode_of(&stx).dev != v->id.dev)
		return 0;
	v->nlink = stx.stx_nlink;
	for (size_t i = 0; i < v->n; i++)
		if (!strcmp(v->path[i], path))
			return 0;
	v->path = xrealloc(v->path, (v->n + 1) * sizeof(*v->path));
	v->path[v->n++] = xstrndup(path, len);
	return 0;
}

static void verifying_fini(struct verifying *v)
{
	for (size_t i = 0; i < v->n; i++)
		free(v->path[i]);
	free(v->path);
}

static int names_of(struct changing *g, size_t i, struct verifying *v, struct err *e)
{
	*v = (struct verifying){ .g = g, .id = g->p->several[i] };
	return links_names(g->p->s->links, v->id, verify, v, e);
}

/* A name that the search met: known from now on. */
static int found_name(void *arg, const char *dir, size_t dir_len, const char *name,
		      struct err *e)
{
	struct changing *g = arg;
	own_free char *path = dir_len ? xasprintf("%s/%s", dir, name) : xstrdup(name);
	own_fd int fd = area_open_dir(g->p->s->root, dir, dir_len);
	own_buf struct buf primary = BUF_INIT;
	struct statx stx;
	bool first;

	if (fd < 0 || statx(fd, name, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &stx) < 0 ||
	    S_ISDIR(stx.stx_mode) || send_excluded(g->p->s, path, false))
		return 0;
	return links_add(g->p->s->links, inode_of(&stx), path, strlen(path), &first, &primary,
			 e);
}

static int by_number(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Searches for names of those whose known names do not account for their link count. */
static int search(struct changing *g, struct err *e)
{
	own_free uint64_t *inos = xcalloc(g->p->n_several + 1, sizeof(*inos));
	struct links *links = g->p->s->links;
	size_t n = 0;
	int ret;

	for (size_t i = 0; i < g->p->n_several; i++) {
		struct verifying v;

		/* Without any name its link count is not known, either. */
		ret = names_of(g, i, &v, e);
		if (ret == 0 && (!v.n || v.n + links_outside(links, v.id) < v.nlink))
			inos[n++] = v.id.ino;
		verifying_fini(&v);
		if (ret < 0)
			return -1;
	}
	if (!n)
		return 0;
	qsort(inos, n, sizeof(*inos), by_number);
	return find_names(g->p->s->root, inos, n, found_name, g, e);
}

/* The contents under one name, links for the others: whichever a reader takes first is
 * the one (see link_or_first in send_file.c). */
static int send_several(struct changing *g, size_t i, struct err *e)
{
	struct verifying v;
	int ret = names_of(g, i, &v, e);

	if (ret == 0) {
		links_set_outside(g->p->s->links, v.id,
				  v.n < v.nlink ? v.nlink - (uint32_t)v.n : 0);
		links_forget(g->p->s->links, v.id);
	}
	for (size_t k = 0; ret == 0 && k < v.n; k++) {
		size_t dir_len;
		const char *name = tree_path_split(v.path[k], strlen(v.path[k]), &dir_len);
		own_free char *dir = xstrndup(v.path[k], dir_len);
		struct statx stx;

		ret = go(g, dir, e);
		/* Making the link there gives its directory new times. */
		if (ret == 0 && g->dir)
			ret = hand_self(g, e);
		if (ret == 0 && g->dir &&
		    statx(g->dir->fd, name, AT_SYMLINK_NOFOLLOW, STATX_TYPE, &stx) == 0)
			ret = hand(g, IFTODT(stx.stx_mode), name, e);
	}
	verifying_fini(&v);
	return ret;
}

static int send_all(struct changing *g, struct err *e)
{
	for (size_t i = 0; i < g->c->n; i++)
		if (send_change(g, i, e) < 0 || send_dir_times(g, i, e) < 0)
			return -1;
	/* Names met by walks of whole directories must be known before. */
	if (hand_over(g, e) < 0 || pool_drain(g->p->pool, e) < 0)
		return -1;
	g->p->gathering = false;
	sort_several(g->p);
	if (search(g, e) < 0)
		return -1;
	for (size_t i = 0; i < g->p->n_several; i++)
		if (send_several(g, i, e) < 0)
			return -1;
	return hand_over(g, e);
}

int send_changes(struct pass *p, struct changes *c, struct err *e)
{
	struct changing g = { .p = p, .c = c };
	int ret = remove_names(&g, e);

	p->gathering = true;
	for (size_t i = 0; i < p->s->n_again; i++)
		send_note_several(p, p->s->again[i]);
	p->s->n_again = 0;
	if (ret == 0)
		ret = send_all(&g, e);
	work_free(g.work);
	walk_dir_put(g.dir);
	free(g.removed.slot);
	free(g.fresh.slot);
	free(g.selves.slot);
	return ret;
}
