// SPDX-License-Identifier: MIT
/*
 * The main thread's walk: hands the names of each directory to the readers,
 * merged with the receiver's list where there is one.
 */
#include "tree/send/impl.h"

#include <dirent.h>
#include <string.h>

#include "base/log.h"
#include "base/own.h"

struct work *work_new(enum work_kind kind, struct walk_dir *dir)
{
	struct work *w = xcalloc(1, sizeof(*w));

	w->kind = kind;
	w->dir = walk_dir_get(dir);
	return w;
}

void work_free(void *work)
{
	struct work *w = work;

	if (!w)
		return;
	walk_dir_put(w->dir);
	buf_fini(&w->names);
	free(w->name);
	free(w->sums);
	free(w);
}

void work_add(struct work *w, unsigned type, const char *name, const struct list_entry *entry)
{
	buf_put_u8(&w->names, (uint8_t)type);
	buf_put_u8(&w->names, entry != NULL);
	buf_put(&w->names, name, strlen(name) + 1);
	if (entry)
		buf_put(&w->names, entry, sizeof(*entry));
	w->n_names++;
}

/* One directory being handed out. */
struct handing {
	struct pass *p;
	struct walk *walk;
	struct walk_dir *dir;
	struct list_in *list; /* NULL: the receiver has nothing of it */
	struct work *work;    /* not yet pushed, or NULL */
	struct buf path;      /* scratch: of a name */
};

static int hand(struct handing *h, unsigned type, const char *name,
		const struct list_entry *entry, struct err *e)
{
	struct work *full;

	if (!h->work)
		h->work = work_new(WORK_NAMES, h->dir);
	work_add(h->work, type, name, entry);
	if (h->work->n_names < WORK_NAMES_MAX)
		return 0;
	full = take_ptr(&h->work);
	return pool_push(h->p->pool, full, e);
}

static bool is_excluded(struct handing *h, const char *name, bool is_dir)
{
	const struct exclude *x = h->p->s->opts.exclude;

	if (!x)
		return false;
	buf_clear(&h->path);
	buf_put(&h->path, h->dir->path, h->dir->path_len);
	if (h->dir->path_len)
		buf_put_u8(&h->path, '/');
	buf_put(&h->path, name, strlen(name) + 1);
	return exclude_match(x, (char *)h->path.data, is_dir);
}

bool send_excluded(const struct tree_source *s, const char *path, bool is_dir)
{
	own_free char *part = NULL;

	if (!s->opts.exclude || !*path)
		return false;
	part = xstrdup(path);
	for (char *slash = strchr(part, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (exclude_match(s->opts.exclude, part, true))
			return true;
		*slash = '/';
	}
	return exclude_match(s->opts.exclude, part, is_dir);
}

/* Receiver's names that sort before `name` (all when NULL): gone here, so removed there.
 * The entry for `name` itself goes to *entry. */
static int merge(struct handing *h, const char *name, struct list_entry *entry, bool *have,
		 struct err *e)
{
	const char *theirs;
	const struct list_entry *t;
	int more;

	*have = false;
	while (h->list && (more = list_in_peek(h->list, &theirs, &t, e)) != 0) {
		int order = more < 0 ? 0 : name ? strcmp(theirs, name) : -1;

		if (more < 0)
			return -1;
		if (order > 0)
			return 0;
		if (order == 0) {
			*entry = *t;
			*have = true;
			list_in_next(h->list);
			return 0;
		}
		if (!is_excluded(h, theirs, (t->mode & 0170000) == 0040000) &&
		    hand(h, NAME_REMOVE, theirs, NULL, e) < 0)
			return -1;
		list_in_next(h->list);
	}
	return 0;
}

static int hand_names(struct handing *h, struct err *e)
{
	struct list_entry entry;
	struct walk_name n;
	bool have;

	while (walk_name(h->walk, &n)) {
		if (merge(h, n.name, &entry, &have, e) < 0)
			return -1;
		if (is_excluded(h, n.name, n.type == DT_DIR)) {
			h->p->n.excluded++;
			continue;
		}
		if (n.type == DT_DIR)
			walk_enter(h->walk, n.name);
		else if (hand(h, n.type, n.name, have ? &entry : NULL, e) < 0)
			return -1;
	}
	return merge(h, NULL, &entry, &have, e);
}

static int hand_dir(struct handing *h, struct list_in *list, bool mount_point, struct err *e)
{
	bool found = false;

	if (mount_point) {
		h->p->n.mounts++;
		log_warn("%s is a mount point: what is mounted there is not moved",
			 h->dir->path);
	}
	if (hand(h, NAME_SELF, "", NULL, e) < 0)
		return -1;
	if (mount_point)
		return 0;
	if (list && list_in_dir(list, h->dir->path, &found, e) < 0)
		return -1;
	h->list = found ? list : NULL;
	if (hand_names(h, e) < 0)
		return -1;
	return h->work ? pool_push(h->p->pool, take_ptr(&h->work), e) : 0;
}

int send_walk(struct pass *p, const char *path, size_t len, struct list_in *list,
	      struct err *e)
{
	struct walk *walk = walk_new(p->s->root, path, len);
	struct handing h = { .p = p, .walk = walk };
	bool mount_point;
	int more;

	while ((more = walk_next(walk, &h.dir, &mount_point, e)) > 0) {
		if (hand_dir(&h, list, mount_point, e) < 0)
			more = -1;
		work_free(take_ptr(&h.work));
		walk_dir_put(h.dir);
		if (more < 0)
			break;
	}
	buf_fini(&h.path);
	walk_free(walk);
	return more;
}
