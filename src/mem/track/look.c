// SPDX-License-Identifier: MIT
/* mem/track/look.c - who is there and what do they map: the part of track.h that needs no scan. */
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/log.h"
#include "base/own.h"
#include "mem/track/priv.h"
#include "mem/track/soft.h"

void suspect_all(struct track *t)
{
	for (size_t i = 0; i < t->nr_shms; i++)
		t->shms[i]->suspect = true;
}

struct shm *find_shm(const struct track *t, uint64_t dev, uint64_t ino)
{
	for (size_t i = 0; i < t->nr_shms; i++)
		if (t->shms[i]->ino == ino && t->shms[i]->dev == dev)
			return t->shms[i];
	return NULL;
}

static void suspect_view(struct track *t, const struct view *v)
{
	struct shm *o = find_shm(t, v->dev, v->ino);

	if (o)
		o->suspect = true;
}

/* ---- processes ---- */

static int end_space(struct track *t, size_t i, struct sender *s, struct err *e)
{
	struct space *sp = t->spaces[i];
	int ret = 0;

	log_debug("memory of process %d (%d inside) ended", (int)sp->pid, (int)sp->vpid);
	/* What it wrote last into shared memory nobody saw. */
	for (size_t k = 0; k < sp->nr_views; k++)
		suspect_view(t, &sp->views[k]);
	if (sp->announced && s)
		ret = sender_gone(s, sp->nr, e);
	space_close(sp);
	memmove(t->spaces + i, t->spaces + i + 1, (--t->nr_spaces - i) * sizeof(*t->spaces));
	return ret;
}

static int drop_ended(struct track *t, struct sender *s, struct err *e)
{
	for (size_t i = 0; i < t->nr_spaces;) {
		struct space *sp = t->spaces[i];
		const struct proc *p = procs_find(&t->procs, sp->pid);

		if (p && p->vpid == sp->vpid && !p->zombie && !sp->gone && space_is_same(sp))
			i++;
		else if (end_space(t, i, s, e) < 0)
			return -1;
	}
	return 0;
}

/* Its space, or NULL; notes it as a sharer of another's. */
static struct space *space_of(struct track *t, const struct proc *p)
{
	for (size_t i = 0; i < t->nr_spaces; i++)
		if (t->spaces[i]->pid == p->pid)
			return t->spaces[i];
	for (size_t i = 0; i < t->nr_spaces; i++) {
		struct space *s = t->spaces[i];

		if (!space_shared_with(s, p->pid))
			continue;
		s->sharers = xrealloc(s->sharers, (s->nr_sharers + 1) * sizeof(*s->sharers));
		s->sharers[s->nr_sharers++] = p->vpid;
		return s;
	}
	return NULL;
}

static int add_space(struct track *t, const struct proc *p, bool running, struct err *e)
{
	enum space_how how = t->soft ? SPACE_SOFT : running ? SPACE_UFFD : SPACE_NOT_YET;
	struct err own = ERR_INIT;
	struct space *s;

	if (space_open(&s, p->pid, p->vpid, how, &t->attach_max_ns, &own) < 0) {
		if (own.code == ERR_ABSENT)
			return 0;
		if (e)
			*e = own;
		return -1;
	}
	s->nr = ++t->next_nr;
	t->attached += s->tracked;
	t->spaces = xrealloc(t->spaces, (t->nr_spaces + 1) * sizeof(*t->spaces));
	t->spaces[t->nr_spaces++] = s;
	return 0;
}

int look_at_spaces(struct track *t, struct sender *s, bool running, struct err *e)
{
	if (procs_refresh(&t->procs, e) < 0 || drop_ended(t, s, e) < 0)
		return -1;
	if (t->rounds && procs_missed_some(&t->procs)) {
		log_debug("a process may have been born and have ended unseen");
		suspect_all(t);
	}
	for (size_t i = 0; i < t->nr_spaces; i++)
		t->spaces[i]->nr_sharers = 0;
	for (size_t i = 0; i < t->procs.n; i++) {
		const struct proc *p = &t->procs.v[i];
		struct space *sp = p->zombie ? NULL : space_of(t, p);

		if (p->zombie)
			continue;
		if (!sp && add_space(t, p, running, e) < 0)
			return -1;
		if (sp && running && sp->pid == p->pid && !sp->tracked &&
		    space_track(sp, &t->attach_max_ns, e) < 0)
			return -1;
	}
	return 0;
}

/* ---- shared objects ---- */

static void meet_shm(struct track *t, const char *path, const char *name, uint64_t dev,
		     uint64_t ino, bool open)
{
	struct err e = ERR_INIT;
	struct shm *o = find_shm(t, dev, ino);

	if (!o) {
		o = shm_open_path(path, name, &e);
		if (!o) { /* unmapped, closed or ended meanwhile */
			log_debug("%s", e.msg);
			return;
		}
		if (o->dev != dev || o->ino != ino) {
			shm_close(o);
			return;
		}
		o->nr = 0;
		o->suspect = true;
		t->shms = xrealloc(t->shms, (t->nr_shms + 1) * sizeof(*t->shms));
		t->shms[t->nr_shms++] = o;
	}
	o->seen = true;
	o->open |= open;
}

/* ---- reading /proc, by several threads: it is most of the time of a frozen look ---- */

struct found {
	char path[64]; /* leads to it */
	char name[256];
	uint64_t dev, ino;
};

/* What one process told. */
struct seen {
	pid_t pid;
	struct space *space; /* of which it is the owner, or NULL */
	struct space *shares; /* not NULL: with CLONE_VM */
	struct maps was;
	struct found *fds; /* memory files that are open, mapped or not */
	size_t nr_fds;
	bool flags;  /* look at the flags of open files too (costs as much again) */
	bool direct; /* one has O_DIRECT */
	int ret;
	struct err e;
};

static bool is_direct(pid_t pid, const char *fd)
{
	own_free char *text = NULL;
	char path[64];
	const char *p;

	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%.20s", (int)pid, fd);
	if (file_read(AT_FDCWD, path, 64 << 10, &text, NULL, NULL) < 0)
		return false;
	p = strstr(text, "flags:");
	return p && strtoul(p + 6, NULL, 8) & O_DIRECT;
}

static void look_at_fds(struct seen *w)
{
	char path[40], link[300];
	own_dir DIR *d = NULL;
	struct dirent *de;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)w->pid);
	d = opendir(path);
	while (d && (de = readdir(d))) {
		ssize_t n = readlinkat(dirfd(d), de->d_name, link, sizeof(link) - 1);
		struct found f = { .dev = 0 };
		struct stat st;

		if (n <= 0)
			continue;
		link[n] = '\0';
		if (w->flags && !w->direct && link[0] == '/')
			w->direct = is_direct(w->pid, de->d_name);
		if (link[0] != '/' || !shm_name(link, f.name) ||
		    fstatat(dirfd(d), de->d_name, &st, 0) < 0 || st.st_dev != maps_shm_dev())
			continue;
		snprintf(f.path, sizeof(f.path), "%s/%.20s", path, de->d_name);
		f.dev = st.st_dev;
		f.ino = st.st_ino;
		w->fds = xrealloc(w->fds, (w->nr_fds + 1) * sizeof(*w->fds));
		w->fds[w->nr_fds++] = f;
	}
}

struct looking {
	struct seen *v;
	size_t n;
	_Atomic size_t next;
};

static void *look_main(void *arg)
{
	struct looking *l = arg;
	size_t i;

	while ((i = l->next++) < l->n) {
		struct seen *w = &l->v[i];

		if (w->space)
			w->ret = space_look(w->space, &w->was, &w->e);
		look_at_fds(w);
	}
	return NULL;
}

static void look_in_parallel(struct track *t, struct looking *l)
{
	enum { EACH = 4, MOST = 8 }; /* processes a thread is worth; threads */
	pthread_t threads[MOST];
	size_t want = l->n / EACH, started = 0;

	want = want < MOST ? want : MOST;
	want = want < track_threads(t) ? want : track_threads(t);
	while (started + 1 < want &&
	       pthread_create(&threads[started], NULL, look_main, l) == 0)
		started++;
	look_main(l);
	while (started)
		pthread_join(threads[--started], NULL);
}

/* ---- mappings ---- */

static bool is_view(const struct map *m)
{
	return m->kind == MAP_KIND_SHM;
}

static bool same_view(const struct view *v, const struct map *m)
{
	return v->start == m->start && v->end == m->end && v->offset == m->offset &&
	       v->dev == m->dev && v->ino == m->ino;
}

/* Keeps what is known of views that are still there; a view that went is suspect.  Both lists rise by address. */
static void renew_views(struct track *t, struct space *s)
{
	struct view *old = s->views, *v = NULL;
	size_t n = 0, k = 0, n_old = s->nr_views;

	for (size_t i = 0; i < s->maps.n; i++)
		n += is_view(&s->maps.v[i]);
	v = xcalloc(n + 1, sizeof(*v));
	n = 0;
	for (size_t i = 0; i < s->maps.n; i++) {
		const struct map *m = &s->maps.v[i];

		if (!is_view(m))
			continue;
		v[n] = (struct view){ m->start, m->end, m->offset, m->dev, m->ino, PAGESET_INIT };
		while (k < n_old && old[k].start < m->start)
			suspect_view(t, &old[k++]);
		if (k < n_old && same_view(&old[k], m))
			pageset_move(&v[n].tables, &old[k++].tables);
		n++;
	}
	while (k < n_old)
		suspect_view(t, &old[k++]);
	for (size_t i = 0; i < n_old; i++)
		pageset_fini(&old[i].tables);
	free(old);
	s->views = v;
	s->nr_views = n;
}

struct changed {
	struct pageset gone, *fresh;
};

static bool is_private(const struct map *m)
{
	return m->kind == MAP_KIND_ANON || m->kind == MAP_KIND_FILE;
}

static void note_gone(void *arg, const struct map *m, uint64_t start, uint64_t end)
{
	struct changed *c = arg;

	if (is_private(m))
		pageset_add(&c->gone, start, (end - start) >> MEM_PAGE_SHIFT);
}

static void note_fresh(void *arg, const struct map *m, uint64_t start, uint64_t end)
{
	struct changed *c = arg;

	if (is_private(m))
		pageset_add(c->fresh, start, (end - start) >> MEM_PAGE_SHIFT);
}

/* What a process told is taken over; one thread. */
static int take_seen(struct track *t, struct seen *w, struct sender *to, bool *dropped, struct err *e)
{
	struct changed c = { PAGESET_INIT, NULL };
	struct space *s = w->space;
	int ret = 0;

	for (size_t i = 0; i < w->nr_fds; i++)
		meet_shm(t, w->fds[i].path, w->fds[i].name, w->fds[i].dev, w->fds[i].ino, true);
	if (w->shares)
		w->shares->direct |= w->direct;
	if (!s)
		return 0;
	if (w->ret < 0) {
		if (e)
			*e = w->e;
		return -1;
	}
	if (!s->maps.n) {
		s->gone = true;
		return 0;
	}
	s->direct |= w->direct;
	c.fresh = &s->fresh;
	maps_compare(&w->was, &s->maps, note_gone, note_fresh, &c);
	renew_views(t, s);
	space_renew_copies(s);
	for (size_t i = 0; i < s->maps.n; i++) {
		const struct map *m = &s->maps.v[i];
		char path[100];

		s->direct |= !strncmp(m->name, "/[aio]", 6);
		if (m->dev != maps_shm_dev() || !m->dev || m->kind == MAP_KIND_KERNEL)
			continue;
		snprintf(path, sizeof(path), "/proc/%d/map_files/%" PRIx64 "-%" PRIx64, (int)s->pid,
			 m->start, m->end);
		meet_shm(t, path, m->name, m->dev, m->ino, false);
	}
	if (s->scan.soft)
		soft_forget(s->scan.soft, &c.gone);
	if (c.gone.n && s->announced && to) {
		*dropped = true;
		ret = sender_drop(to, s->nr, c.gone.v, c.gone.n, e);
	}
	pageset_fini(&c.gone);
	return ret;
}

static struct space *owned_by(const struct track *t, pid_t pid)
{
	for (size_t i = 0; i < t->nr_spaces; i++)
		if (t->spaces[i]->pid == pid)
			return t->spaces[i];
	return NULL;
}

static struct space *shared_by(const struct track *t, pid_t vpid)
{
	for (size_t i = 0; i < t->nr_spaces; i++)
		for (size_t k = 0; k < t->spaces[i]->nr_sharers; k++)
			if (t->spaces[i]->sharers[k] == vpid)
				return t->spaces[i];
	return NULL;
}

static int look_at_all(struct track *t, struct sender *s, bool running, bool *dropped,
		       struct err *e)
{
	own_free struct seen *v = xcalloc(t->procs.n + 1, sizeof(*v));
	struct looking l = { .v = v };
	int ret = 0;

	for (size_t i = 0; i < t->procs.n; i++)
		if (!t->procs.v[i].zombie)
			v[l.n++] = (struct seen){ .pid = t->procs.v[i].pid,
						  .space = owned_by(t, t->procs.v[i].pid),
						  .shares = shared_by(t, t->procs.v[i].vpid),
						  .flags = running };
	look_in_parallel(t, &l);
	for (size_t i = 0; i < l.n; i++) {
		if (ret == 0)
			ret = take_seen(t, &v[i], s, dropped, e);
		maps_fini(&v[i].was);
		free(v[i].fds);
	}
	return ret;
}

int look_at_mappings(struct track *t, struct sender *s, bool running, bool *dropped, struct err *e)
{
	size_t kept = 0;

	*dropped = false;
	for (size_t i = 0; i < t->nr_shms; i++) {
		t->shms[i]->seen = false;
		t->shms[i]->was_open = t->shms[i]->open;
		t->shms[i]->open = false;
	}
	if (look_at_all(t, s, running, dropped, e) < 0)
		return -1;
	for (size_t i = 0; i < t->nr_shms; i++) {
		struct shm *o = t->shms[i];

		if (o->seen) {
			t->shms[kept++] = o;
			continue;
		}
		if (o->nr && s && sender_gone(s, o->nr, e) < 0)
			return -1;
		shm_close(o);
	}
	t->nr_shms = kept;
	return 0;
}
