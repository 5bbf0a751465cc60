// SPDX-License-Identifier: MIT
/*
 * A hash table of inodes; each points to its youngest name in the spill, and
 * each name to the one before: u64 place of the one before + 1 (0: none),
 * u32 length, bytes.
 */
#include "tree/links.h"

#include <pthread.h>
#include <string.h>

#include "base/own.h"
#include "tree/msg.h"
#include "tree/spill.h"

struct slot {
	struct inode id;
	uint64_t youngest, first; /* place + 1; 0: the slot's names are forgotten */
	uint32_t outside;
	bool used;
};

struct links {
	pthread_mutex_t lock;
	struct slot *slot;
	size_t n, cap; /* cap is a power of two */
	struct spill *names;
	struct links *pairs; /* receiver's inode -> ours, made on demand */
};

struct links *links_new(void)
{
	struct links *l = xcalloc(1, sizeof(*l));

	pthread_mutex_init(&l->lock, NULL);
	l->cap = 256;
	l->slot = xcalloc(l->cap, sizeof(*l->slot));
	l->names = spill_new();
	return l;
}

void links_free(struct links *l)
{
	if (!l)
		return;
	links_free(l->pairs);
	spill_free(l->names);
	pthread_mutex_destroy(&l->lock);
	free(l->slot);
	free(l);
}

int links_clear(struct links *l, struct err *e)
{
	links_free(l->pairs);
	l->pairs = NULL;
	l->n = 0;
	memset(l->slot, 0, l->cap * sizeof(*l->slot));
	return spill_clear(l->names, e);
}

static struct slot *find(struct slot *slot, size_t cap, struct inode id)
{
	uint64_t h = (id.ino ^ id.dev << 32 ^ id.dev >> 32) * UINT64_C(0x9e3779b97f4a7c15);
	size_t i = (size_t)(h >> 20) & (cap - 1);

	while (slot[i].used && (slot[i].id.ino != id.ino || slot[i].id.dev != id.dev))
		i = (i + 1) & (cap - 1);
	return &slot[i];
}

static struct slot *find_or_make(struct links *l, struct inode id)
{
	struct slot *s;

	if (l->n * 4 >= l->cap * 3) {
		struct slot *bigger = xcalloc(l->cap * 2, sizeof(*bigger));

		for (size_t i = 0; i < l->cap; i++)
			if (l->slot[i].used)
				*find(bigger, l->cap * 2, l->slot[i].id) = l->slot[i];
		free(l->slot);
		l->slot = bigger;
		l->cap *= 2;
	}
	s = find(l->slot, l->cap, id);
	if (!s->used) {
		*s = (struct slot){ .id = id, .used = true };
		l->n++;
	}
	return s;
}

/* Reads the name at `at`; *before is the one told before it. */
static int read_name(struct links *l, uint64_t at, struct buf *name, uint64_t *before,
		     struct err *e)
{
	uint8_t head[12];
	uint32_t len;

	if (spill_read(l->names, at - 1, head, sizeof(head), e) < 0)
		return -1;
	*before = be64_at(head);
	len = be32_at(head + 8);
	buf_clear(name);
	buf_reserve(name, (size_t)len + 1)[len] = '\0';
	if (spill_read(l->names, at - 1 + sizeof(head), name->data, len, e) < 0)
		return -1;
	name->len = len;
	return 0;
}

static int add_name(struct links *l, struct slot *s, const char *path, size_t len,
		    struct err *e)
{
	own_buf struct buf item = BUF_INIT;
	uint64_t at;

	buf_put_u64(&item, s->youngest);
	buf_put_bytes(&item, path, len);
	if (spill_put(l->names, item.data, item.len, &at, e) < 0)
		return -1;
	s->youngest = at + 1;
	if (!s->first)
		s->first = at + 1;
	return 0;
}

int links_add(struct links *l, struct inode id, const char *path, size_t len, bool *first,
	      struct buf *primary, struct err *e)
{
	uint64_t before;
	struct slot *s;
	int ret;

	pthread_mutex_lock(&l->lock);
	s = find_or_make(l, id);
	*first = !s->first;
	ret = add_name(l, s, path, len, e);
	if (ret == 0 && !*first)
		ret = read_name(l, s->first, primary, &before, e);
	pthread_mutex_unlock(&l->lock);
	return ret;
}

bool links_known(struct links *l, struct inode id)
{
	bool known;

	pthread_mutex_lock(&l->lock);
	known = find(l->slot, l->cap, id)->first != 0;
	pthread_mutex_unlock(&l->lock);
	return known;
}

int links_names(struct links *l, struct inode id,
		int (*fn)(void *arg, const char *path, size_t len, struct err *e), void *arg,
		struct err *e)
{
	own_buf struct buf name = BUF_INIT;
	uint64_t at;

	pthread_mutex_lock(&l->lock);
	at = find(l->slot, l->cap, id)->youngest;
	pthread_mutex_unlock(&l->lock);
	while (at) {
		if (read_name(l, at, &name, &at, e) < 0 ||
		    fn(arg, (const char *)name.data, name.len, e) < 0)
			return -1;
	}
	return 0;
}

void links_forget(struct links *l, struct inode id)
{
	struct slot *s;

	pthread_mutex_lock(&l->lock);
	s = find(l->slot, l->cap, id);
	if (s->used)
		s->youngest = s->first = 0;
	pthread_mutex_unlock(&l->lock);
}

bool links_pair(struct links *l, uint64_t there, struct inode id)
{
	struct slot *s;
	bool ok;

	pthread_mutex_lock(&l->lock);
	if (!l->pairs)
		l->pairs = links_new();
	s = find_or_make(l->pairs, (struct inode){ .ino = there });
	if (!s->first) { /* `first` and `youngest` hold our inode here */
		s->first = id.ino;
		s->youngest = id.dev;
	}
	ok = s->first == id.ino && s->youngest == id.dev;
	pthread_mutex_unlock(&l->lock);
	return ok;
}

void links_set_outside(struct links *l, struct inode id, uint32_t n)
{
	pthread_mutex_lock(&l->lock);
	find_or_make(l, id)->outside = n;
	pthread_mutex_unlock(&l->lock);
}

uint32_t links_outside(struct links *l, struct inode id)
{
	uint32_t n;

	pthread_mutex_lock(&l->lock);
	n = find(l->slot, l->cap, id)->outside;
	pthread_mutex_unlock(&l->lock);
	return n;
}
