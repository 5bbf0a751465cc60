// SPDX-License-Identifier: MIT
/*
 * A hash table of inodes; each points to its youngest name in the spill, and
 * each name to the one before and to the first: u64 place of the one before + 1
 * (0: none), u64 place of the first + 1, u32 length, bytes.
 */
#include "tree/links.h"

#include <pthread.h>
#include <string.h>

#include "base/own.h"
#include "tree/msg.h"
#include "tree/spill.h"

enum { HEAD = 20 };

/* 16 bytes: there may be a million. */
struct slot {
	uint64_t key;	      /* see key_of */
	uint64_t used : 1;
	uint64_t value : 63; /* place of the youngest name + 1; 0: its names are forgotten */
};

struct links {
	pthread_mutex_t lock;
	struct slot *slot;
	size_t n, cap; /* cap is a power of two */
	struct spill *names;
	/* Tables of other values, made on demand. */
	struct links *pairs;   /* receiver's inode -> ours */
	struct links *outside; /* inode -> how many names are outside */
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
	links_free(l->outside);
	spill_free(l->names);
	pthread_mutex_destroy(&l->lock);
	free(l->slot);
	free(l);
}

int links_clear(struct links *l, struct err *e)
{
	links_free(take_ptr(&l->pairs));
	links_free(take_ptr(&l->outside));
	l->n = 0;
	memset(l->slot, 0, l->cap * sizeof(*l->slot));
	return spill_clear(l->names, e);
}

/* One number for both: that two devices' collide is less likely than a broken disk. */
static uint64_t key_of(struct inode id)
{
	return id.ino ^ id.dev * UINT64_C(0xc2b2ae3d27d4eb4f) ^ id.dev >> 29;
}

static struct slot *find(struct slot *slot, size_t cap, uint64_t key)
{
	size_t i = (size_t)((key * UINT64_C(0x9e3779b97f4a7c15)) >> 20) & (cap - 1);

	while (slot[i].used && slot[i].key != key)
		i = (i + 1) & (cap - 1);
	return &slot[i];
}

static struct slot *find_or_make(struct links *l, uint64_t key)
{
	struct slot *s;

	if (l->n * 8 >= l->cap * 7) {
		struct slot *bigger = xcalloc(l->cap * 2, sizeof(*bigger));

		for (size_t i = 0; i < l->cap; i++)
			if (l->slot[i].used)
				*find(bigger, l->cap * 2, l->slot[i].key) = l->slot[i];
		free(l->slot);
		l->slot = bigger;
		l->cap *= 2;
	}
	s = find(l->slot, l->cap, key);
	if (!s->used) {
		*s = (struct slot){ .key = key, .used = 1 };
		l->n++;
	}
	return s;
}

static int read_head(struct links *l, uint64_t at, uint8_t head[HEAD], struct err *e)
{
	return spill_read(l->names, at - 1, head, HEAD, e);
}

/* Reads the name at `at`; *before is the one told before it. */
static int read_name(struct links *l, uint64_t at, struct buf *name, uint64_t *before,
		     struct err *e)
{
	uint8_t head[HEAD];
	uint32_t len;

	if (read_head(l, at, head, e) < 0)
		return -1;
	*before = be64_at(head);
	len = be32_at(head + 16);
	buf_clear(name);
	buf_reserve(name, (size_t)len + 1)[len] = '\0';
	if (spill_read(l->names, at - 1 + HEAD, name->data, len, e) < 0)
		return -1;
	name->len = len;
	return 0;
}

/* Adds a name to the slot; *first is the place of the inode's first one. */
static int add_name(struct links *l, struct slot *s, const char *path, size_t len,
		    uint64_t *first, struct err *e)
{
	own_buf struct buf item = BUF_INIT;
	uint8_t head[HEAD];
	uint64_t at = spill_size(l->names) + 1;

	*first = at;
	if (s->value) {
		if (read_head(l, s->value, head, e) < 0)
			return -1;
		*first = be64_at(head + 8);
	}
	buf_put_u64(&item, s->value);
	buf_put_u64(&item, *first);
	buf_put_bytes(&item, path, len);
	if (spill_put(l->names, item.data, item.len, NULL, e) < 0)
		return -1;
	s->value = at & (UINT64_MAX >> 1);
	return 0;
}

int links_add(struct links *l, struct inode id, const char *path, size_t len, bool *first,
	      struct buf *primary, struct err *e)
{
	uint64_t before, at;
	struct slot *s;
	int ret;

	pthread_mutex_lock(&l->lock);
	s = find_or_make(l, key_of(id));
	*first = !s->value;
	ret = add_name(l, s, path, len, &at, e);
	if (ret == 0 && !*first)
		ret = read_name(l, at, primary, &before, e);
	pthread_mutex_unlock(&l->lock);
	return ret;
}

bool links_known(struct links *l, struct inode id)
{
	bool known;

	pthread_mutex_lock(&l->lock);
	known = find(l->slot, l->cap, key_of(id))->value != 0;
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
	at = find(l->slot, l->cap, key_of(id))->value;
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
	s = find(l->slot, l->cap, key_of(id));
	if (s->used)
		s->value = 0;
	pthread_mutex_unlock(&l->lock);
}

bool links_pair(struct links *l, uint64_t there, struct inode id)
{
	/* 62 bits of our inode, and never 0. */
	uint64_t ours = (key_of(id) << 2 >> 2) | UINT64_C(1) << 62;
	struct slot *s;
	bool ok;

	pthread_mutex_lock(&l->lock);
	if (!l->pairs)
		l->pairs = links_new();
	s = find_or_make(l->pairs, there);
	if (!s->value)
		s->value = ours & (UINT64_MAX >> 1);
	ok = s->value == ours;
	pthread_mutex_unlock(&l->lock);
	return ok;
}

void links_set_outside(struct links *l, struct inode id, uint32_t n)
{
	pthread_mutex_lock(&l->lock);
	if (n && !l->outside)
		l->outside = links_new();
	if (l->outside)
		find_or_make(l->outside, key_of(id))->value = n;
	pthread_mutex_unlock(&l->lock);
}

uint32_t links_outside(struct links *l, struct inode id)
{
	uint32_t n = 0;

	pthread_mutex_lock(&l->lock);
	if (l->outside)
		n = (uint32_t)find(l->outside->slot, l->outside->cap, key_of(id))->value;
	pthread_mutex_unlock(&l->lock);
	return n;
}
