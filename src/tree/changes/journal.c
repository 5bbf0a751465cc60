// SPDX-License-Identifier: MIT
/*
 * The events and the set of changed names.  Resolving directory handles to
 * paths is in journal_path.c.
 *
 *	kernel queue --thread--> names {directory number, name, made}   one hash set
 *	                         dirs  {handle, inside?}                another
 *
 * Directories outside the area are remembered, too, so that busy neighbours on
 * the same file system cost one look each.  As a directory that moves may
 * change sides, any move of a directory forgets them.  Of a directory that is
 * gone when it is first met nobody can tell the side: files that were written in
 * it are kept as long as they may live on in the area.
 */
#include "tree/changes/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/fanotify.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/buf.h"
#include "base/own.h"
#include "tree/changes/impl.h"
#include "tree/msg.h"

enum { READ_SIZE = 256 << 10, DIRS_MAX = 250000 };

#define MADE (FAN_CREATE | FAN_DELETE | FAN_MOVED_FROM | FAN_MOVED_TO)
#define WRITTEN (FAN_ATTRIB | FAN_MODIFY | FAN_CLOSE_WRITE)
#define MASK (MADE | WRITTEN | FAN_ONDIR)

/* A hash set of items of different length in one arena; a slot is place + 1. */
struct set {
	struct buf arena;
	uint32_t *slot;
	size_t n, cap;
};

/* Both kinds of item begin with the hash of their key. */
struct dir_item {
	uint64_t hash;
	uint32_t number; /* of the directory; dir_at[number] is its place */
	uint8_t side; /* enum side */
	uint8_t pad[3];
	/* struct file_handle follows, 8-aligned */
};

struct name_item {
	uint64_t hash;
	uint32_t dir; /* number */
	uint8_t made;
	uint16_t handle_len; /* of the file that was written, as the name was then; 0: none */
	char text[];	     /* name with its NUL, then the handle (unaligned) */
};

struct journal {
	int fan, root, stop;
	struct area_id id;
	unsigned max_names;
	pthread_t thread;
	bool running;

	pthread_mutex_t lock; /* all below */
	struct set dirs, names, parked; /* parked: set aside while a window is open */
	bool window;
	uint32_t *dir_at;
	size_t n_dirs, cap_dirs, n_outside;
	bool overflow;
	uint8_t *events; /* READ_SIZE bytes, 8-aligned */
};

static void set_clear(struct set *s)
{
	buf_fini(&s->arena);
	free(s->slot);
	*s = (struct set){ .n = 0 };
}

static uint64_t hash_at(const struct set *s, uint32_t place)
{
	uint64_t h;

	memcpy(&h, s->arena.data + place, sizeof(h));
	return h;
}

static void set_grow(struct set *s)
{
	size_t cap = s->cap ? s->cap * 2 : 1024;
	uint32_t *slot = xcalloc(cap, sizeof(*slot));

	for (size_t i = 0; i < s->cap; i++) {
		size_t at;

		if (!s->slot[i])
			continue;
		at = (size_t)hash_at(s, s->slot[i] - 1) & (cap - 1);
		while (slot[at])
			at = (at + 1) & (cap - 1);
		slot[at] = s->slot[i];
	}
	free(s->slot);
	s->slot = slot;
	s->cap = cap;
}

/* Room for one more item of `len` bytes in slot `at`; 8-aligned. */
static void *set_add(struct set *s, size_t at, size_t len)
{
	size_t place = s->arena.len;

	len = (len + 7) & ~(size_t)7;
	memset(buf_reserve(&s->arena, len), 0, len);
	s->arena.len += len;
	s->slot[at] = (uint32_t)place + 1;
	s->n++;
	return s->arena.data + place;
}

static size_t handle_size(const struct file_handle *h)
{
	return sizeof(*h) + h->handle_bytes;
}

static const struct file_handle *dir_handle(const struct dir_item *d)
{
	return (const void *)(d + 1);
}

static struct dir_item *dir_of(struct journal *j, uint32_t number)
{
	return (void *)(j->dirs.arena.data + j->dir_at[number]);
}

/* The directory's item, looked up or made; NULL when there is no more room. */
static struct dir_item *find_dir(struct journal *j, const struct file_handle *h)
{
	uint64_t hash = XXH3_64bits(h, handle_size(h));
	struct set *s = &j->dirs;
	struct dir_item *d;
	size_t at;

	if (s->n * 4 >= s->cap * 3)
		set_grow(s);
	for (at = (size_t)hash & (s->cap - 1); s->slot[at]; at = (at + 1) & (s->cap - 1)) {
		d = (void *)(s->arena.data + s->slot[at] - 1);
		if (d->hash == hash && handle_size(dir_handle(d)) == handle_size(h) &&
		    !memcmp(dir_handle(d), h, handle_size(h)))
			return d;
	}
	if (j->n_dirs >= DIRS_MAX)
		return NULL;
	d = set_add(s, at, sizeof(*d) + handle_size(h));
	d->hash = hash;
	d->number = (uint32_t)j->n_dirs;
	memcpy(d + 1, h, handle_size(h));
	d->side = (uint8_t)journal_side(&j->id, dir_handle(d));
	if (j->n_dirs == j->cap_dirs) {
		j->cap_dirs = j->cap_dirs ? j->cap_dirs * 2 : 256;
		j->dir_at = xrealloc(j->dir_at, j->cap_dirs * sizeof(*j->dir_at));
	}
	j->dir_at[j->n_dirs++] = s->slot[at] - 1;
	return d;
}

/* A directory has moved: who is outside may be inside now. */
static void ask_again(struct journal *j)
{
	for (uint32_t i = 0; i < j->n_dirs; i++)
		if (dir_of(j, i)->side == SIDE_OUTSIDE)
			dir_of(j, i)->side = SIDE_ASK;
}

static const void *item_handle(const struct name_item *n)
{
	return n->text + strlen(n->text) + 1;
}

static void add_name(struct journal *j, struct set *s, uint32_t dir, const char *name,
		     bool made, const void *handle, size_t handle_len)
{
	uint64_t hash = XXH3_64bits_withSeed(name, strlen(name), dir);
	size_t at, name_size = strlen(name) + 1;
	struct name_item *n;

	if (handle_len)
		hash = XXH3_64bits_withSeed(handle, handle_len, hash);

	if (j->overflow)
		return;
	if (s->n * 4 >= s->cap * 3)
		set_grow(s);
	for (at = (size_t)hash & (s->cap - 1); s->slot[at]; at = (at + 1) & (s->cap - 1)) {
		n = (void *)(s->arena.data + s->slot[at] - 1);
		if (n->hash == hash && n->dir == dir && n->handle_len == handle_len &&
		    !strcmp(n->text, name) &&
		    (!handle_len || !memcmp(item_handle(n), handle, handle_len))) {
			n->made |= made;
			return;
		}
	}
	if (s->n >= j->max_names) {
		j->overflow = true;
		return;
	}
	n = set_add(s, at, sizeof(*n) + name_size + handle_len);
	n->hash = hash;
	n->dir = dir;
	n->made = made;
	n->handle_len = (uint16_t)handle_len;
	memcpy(n->text, name, name_size);
	if (handle_len)
		memcpy(n->text + name_size, handle, handle_len);
}

/* What an event tells. */
struct told {
	const struct file_handle *dir, *file; /* or NULL */
	const char *name;
};

static struct told read_event(const struct fanotify_event_metadata *ev)
{
	const char *at = (const char *)(ev + 1), *end = (const char *)ev + ev->event_len;
	struct told t = { .dir = NULL };

	while ((size_t)(end - at) >=
	       sizeof(struct fanotify_event_info_fid) + sizeof(struct file_handle)) {
		const struct fanotify_event_info_fid *info = (const void *)at;
		const struct file_handle *h = (const void *)info->handle;

		if (info->hdr.info_type == FAN_EVENT_INFO_TYPE_DFID_NAME) {
			t.dir = h;
			t.name = (const char *)h->f_handle + h->handle_bytes;
		} else if (info->hdr.info_type == FAN_EVENT_INFO_TYPE_FID) {
			t.file = h;
		}
		if (!info->hdr.len)
			break;
		at += info->hdr.len;
	}
	return t;
}

static void take_event(struct journal *j, const struct fanotify_event_metadata *ev)
{
	struct told t = read_event(ev);
	struct dir_item *d;
	bool self;

	if (ev->mask & FAN_Q_OVERFLOW) {
		j->overflow = true;
		return;
	}
	if (!t.dir)
		return; /* of the inode alone, such as its link count: names tell the same */
	if ((ev->mask & FAN_ONDIR) && (ev->mask & (FAN_MOVED_FROM | FAN_MOVED_TO)))
		ask_again(j);
	d = find_dir(j, t.dir);
	if (!d) {
		j->overflow = true;
		return;
	}
	if (d->side == SIDE_ASK)
		d->side = (uint8_t)journal_side(&j->id, dir_handle(d));
	if (d->side == SIDE_OUTSIDE)
		return;
	self = !strcmp(t.name, ".");
	/* Which file was written matters when the name is gone by the time of the pass, but
	 * another name of the file lives on. */
	if (self || (ev->mask & FAN_ONDIR) || !(ev->mask & WRITTEN))
		t.file = NULL;
	if (d->side == SIDE_GONE && !(t.file && journal_may_live_on(&j->id, t.file)))
		return;
	add_name(j, &j->names, d->number, self ? "" : t.name, (ev->mask & MADE) != 0, t.file,
		 t.file ? handle_size(t.file) : 0);
}

/* Everything that is in the kernel's queue now. */
static void drain(struct journal *j)
{
	for (;;) {
		ssize_t n = read(j->fan, j->events, READ_SIZE);
		const struct fanotify_event_metadata *ev = (const void *)j->events;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		for (; FAN_EVENT_OK(ev, n); ev = FAN_EVENT_NEXT(ev, n))
			take_event(j, ev);
	}
}

static void *thread_main(void *arg)
{
	struct journal *j = arg;
	struct pollfd fds[2] = { { .fd = j->fan, .events = POLLIN },
				 { .fd = j->stop, .events = POLLIN } };

	for (;;) {
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return NULL;
		if (fds[1].revents)
			return NULL;
		pthread_mutex_lock(&j->lock);
		drain(j);
		pthread_mutex_unlock(&j->lock);
		/* Let events come together: one look costs less than many. */
		if (poll(&fds[1], 1, 20) > 0)
			return NULL;
	}
}

static int start(struct journal *j, struct err *e)
{
	j->fan = fanotify_init(FAN_CLASS_NOTIF | FAN_REPORT_DFID_NAME | FAN_REPORT_FID |
				       FAN_NONBLOCK | FAN_CLOEXEC | FAN_UNLIMITED_QUEUE,
			       O_RDONLY | O_CLOEXEC);
	if (j->fan < 0)
		return err_sys(e, "the kernel gives no change journal (fanotify)");
	if (fanotify_mark(j->fan, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, MASK, j->root, NULL) < 0)
		return err_sys(e, "the file system of %s cannot report changes",
			       j->id.root_path);
	j->stop = eventfd(0, EFD_CLOEXEC);
	if (j->stop < 0)
		return err_sys(e, "no eventfd");
	errno = pthread_create(&j->thread, NULL, thread_main, j);
	if (errno)
		return err_sys(e, "cannot start a thread");
	j->running = true;
	return 0;
}

int journal_open(struct journal **out, int root, const char *root_path, unsigned max_names,
		 struct err *e)
{
	struct journal *j = xcalloc(1, sizeof(*j));

	j->root = root;
	j->fan = j->stop = -1;
	j->max_names = max_names;
	j->events = xmust(aligned_alloc(8, READ_SIZE));
	pthread_mutex_init(&j->lock, NULL);
	if (area_id_init(&j->id, root, root_path, e) < 0 || start(j, e) < 0) {
		journal_close(j);
		return -1;
	}
	*out = j;
	return 0;
}

void journal_close(struct journal *j)
{
	const uint64_t one = 1;

	if (!j)
		return;
	if (j->running && write(j->stop, &one, sizeof(one)) == sizeof(one))
		pthread_join(j->thread, NULL);
	close_fd(&j->fan);
	close_fd(&j->stop);
	area_id_fini(&j->id);
	set_clear(&j->dirs);
	set_clear(&j->names);
	set_clear(&j->parked);
	pthread_mutex_destroy(&j->lock);
	free(j->dir_at);
	free(j->events);
	free(j);
}

/* fn for every name of a set. */
static void each_name(const struct set *s, void (*fn)(void *, const struct name_item *),
		      void *arg)
{
	for (size_t i = 0; i < s->cap; i++)
		if (s->slot[i])
			fn(arg, (const void *)(s->arena.data + s->slot[i] - 1));
}

struct resolving {
	struct journal *j;
	struct changes *c;
	const char **path; /* of each directory number: NULL not asked, `nowhere` not in the area */
};

static const char nowhere[] = "\1";

static void resolve(void *arg, const struct name_item *n)
{
	struct resolving *r = arg;
	struct change *c;
	const char **path = &r->path[n->dir];

	if (!*path) {
		char *found = journal_dir_path(&r->j->id, dir_handle(dir_of(r->j, n->dir)));

		*path = found ? changes_dir(r->c, found) : nowhere;
	}
	if (*path != nowhere)
		c = changes_add_in(r->c, *path, n->text);
	else if (n->handle_len) /* the file may live on elsewhere */
		c = changes_add_in(r->c, "", CHANGE_NAMELESS);
	else
		return;
	c->made = n->made;
	if (n->handle_len) {
		c->written = xmalloc(n->handle_len);
		memcpy(c->written, item_handle(n), n->handle_len);
	}
}

int journal_take(struct journal *j, struct changes **out, struct err *e)
{
	struct changes *c = xcalloc(1, sizeof(*c));
	struct resolving r = { .j = j, .c = c };

	(void)e;
	pthread_mutex_lock(&j->lock);
	drain(j);
	c->overflow = j->overflow;
	if (!c->overflow) {
		r.path = xcalloc(j->n_dirs + 1, sizeof(*r.path));
		each_name(&j->names, resolve, &r);
		free(r.path);
	}
	set_clear(&j->names);
	if (j->overflow || j->n_dirs > DIRS_MAX / 2) {
		set_clear(&j->dirs);
		j->n_dirs = 0;
	}
	j->overflow = false;
	pthread_mutex_unlock(&j->lock);
	changes_sort(c);
	*out = c;
	return 0;
}

uint64_t journal_pending(struct journal *j)
{
	uint64_t n;

	pthread_mutex_lock(&j->lock);
	drain(j);
	n = j->overflow ? j->max_names : j->names.n;
	pthread_mutex_unlock(&j->lock);
	return n;
}

void journal_window_begin(struct journal *j)
{
	pthread_mutex_lock(&j->lock);
	drain(j);
	j->parked = j->names;
	j->names = (struct set){ .n = 0 };
	pthread_mutex_unlock(&j->lock);
}

static void unpark(void *arg, const struct name_item *n)
{
	struct journal *j = arg;

	add_name(j, &j->names, n->dir, n->text, n->made, item_handle(n), n->handle_len);
}

int journal_window_end(struct journal *j, uint64_t *n, uint64_t *bytes, struct err *e)
{
	struct changes c = { .n = 0 };
	struct resolving r = { .j = j, .c = &c };

	(void)e;
	pthread_mutex_lock(&j->lock);
	drain(j);
	*n = j->overflow ? j->max_names : j->names.n;
	r.path = xcalloc(j->n_dirs + 1, sizeof(*r.path));
	each_name(&j->names, resolve, &r);
	free(r.path);
	each_name(&j->parked, unpark, j);
	set_clear(&j->parked);
	pthread_mutex_unlock(&j->lock);
	*bytes = changes_bytes(&c, j->root);
	changes_fini(&c);
	return 0;
}
