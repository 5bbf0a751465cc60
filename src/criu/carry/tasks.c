// SPDX-License-Identifier: MIT
#include "criu/carry/tasks.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/own.h"

enum {
	TASKS_MAX = 1 << 20,
	TEXT_MAX = 16 << 20, /* of one: its descriptors and mounts */
	SHOWN = 60,	     /* bytes of a value in a message */
};

void tasks_fini(struct tasks *t)
{
	for (size_t i = 0; i < t->n; i++)
		free(t->v[i].text);
	free(t->v);
	*t = (struct tasks)TASKS_INIT;
}

void tasks_put(struct buf *b, const struct tasks *t)
{
	buf_put_u32(b, (uint32_t)t->n);
	for (size_t i = 0; i < t->n; i++) {
		buf_put_u32(b, (uint32_t)t->v[i].vpid);
		buf_put_u32(b, (uint32_t)t->v[i].vtid);
		buf_put_str(b, t->v[i].text);
	}
}

static int order(const struct task *a, const struct task *b)
{
	return a->vpid != b->vpid ? (a->vpid < b->vpid ? -1 : 1) : (a->vtid > b->vtid) - (a->vtid < b->vtid);
}

int tasks_get(struct tasks *t, const void *data, size_t len, struct err *e)
{
	struct reader r = reader_of(data, len);
	uint32_t n = get_u32(&r);

	*t = (struct tasks)TASKS_INIT;
	for (uint32_t i = 0; i < n && i < TASKS_MAX && !r.bad; i++) {
		struct task *one;

		if (t->n % 64 == 0)
			t->v = xrealloc(t->v, (t->n + 64) * sizeof(*t->v));
		one = &t->v[t->n++];
		*one = (struct task){ .vpid = (pid_t)get_u32(&r), .vtid = (pid_t)get_u32(&r) };
		one->text = get_str(&r, TEXT_MAX);
		if (i > 0 && order(one - 1, one) >= 0)
			r.bad = true;
	}
	if (reader_done(&r) && t->n == n)
		return 0;
	tasks_fini(t);
	return err_set(e, ERR_PROTO, "the image of the tasks is broken");
}

/* ---- lines ---- */

struct line {
	const char *key, *value;
	size_t key_len, value_len;
};

/* Advances *text; false at the end. */
static bool next_line(const char **text, struct line *l)
{
	const char *end = strchrnul(*text, '\n'), *tab = memchr(*text, '\t', (size_t)(end - *text));

	if (!**text || !tab)
		return false;
	*l = (struct line){ *text, tab + 1, (size_t)(tab - *text), (size_t)(end - tab - 1) };
	*text = *end ? end + 1 : end;
	return true;
}

static bool same_key(const struct line *a, const struct line *b)
{
	return a->key_len == b->key_len && memcmp(a->key, b->key, a->key_len) == 0;
}

/* Nearly always the next one: *at is where to look first, and is moved on. */
static bool find_line(const char *text, const char **at, const struct line *like, struct line *l)
{
	const char *from = *at;

	if (next_line(at, l) && same_key(l, like))
		return true;
	for (const char *s = text; next_line(&s, l);) {
		if (same_key(l, like)) {
			*at = s;
			return true;
		}
	}
	*at = from;
	return false;
}

static bool is_kernels(const struct line *l)
{
	return l->key[0] >= 'A' && l->key[0] <= 'Z';
}

/* ---- a difference ---- */

static void name_of(const struct task *t, char out[static 32])
{
	const char *at = strncmp(t->text, "Name\t", 5) == 0 ? t->text + 5 : "?";

	snprintf(out, 32, "%.*s", (int)(strcspn(at, "\n") < 31 ? strcspn(at, "\n") : 31), at);
}

/* Of two long values, from the first word on that differs. */
static void show(const char *v, size_t len, size_t from, char out[static SHOWN + 4])
{
	if (len == 0)
		strcpy(out, "none");
	else
		snprintf(out, SHOWN + 4, "%.*s%s", (int)(len - from < SHOWN ? len - from : SHOWN), v + from,
			 len - from > SHOWN ? " …" : "");
}

static size_t where_they_part(const struct line *a, const struct line *b)
{
	size_t i = 0, word = 0;

	for (; i < a->value_len && i < b->value_len && a->value[i] == b->value[i]; i++) {
		if (a->value[i] == ' ' || a->value[i] == '\t')
			word = i + 1;
	}
	return a->value_len > SHOWN || b->value_len > SHOWN ? word : 0;
}

static int who(const struct task *t, struct err *e)
{
	char name[32];

	name_of(t, name);
	if (t->vtid != t->vpid)
		return err_wrap(e, "%s (pid %d, thread %d)", name, (int)t->vpid, (int)t->vtid);
	return err_wrap(e, "%s (pid %d)", name, (int)t->vpid);
}

static int differs(const struct task *t, const struct line *was, const struct line *is, struct err *e)
{
	static const struct line nothing = { "", "", 0, 0 };
	size_t from = where_they_part(was, is ? is : &nothing);
	char before[SHOWN + 4], after[SHOWN + 4];

	show(was->value, was->value_len, from, before);
	show(is ? is->value : "", is ? is->value_len : 0, from, after);
	err_set(e, ERR_UNSUPPORTED, "%.*s was %s, and is %s after the restore", (int)was->key_len, was->key, before,
		after);
	who(t, e);
	return err_hint(e, "it is a fault of CRIU or of pmigrate; stop that program for the move, or move it cold");
}

static int settle_line(const struct task *saved, const struct task *now, const struct line *was, const struct line *is,
		       tasks_give_fn *give, struct err *e)
{
	bool done = false;

	if (is && is->value_len == was->value_len && memcmp(is->value, was->value, is->value_len) == 0)
		return 0;
	if (!is && is_kernels(was))
		return 0;
	if (give && is) {
		own_free char *key = xstrndup(was->key, was->key_len);
		own_free char *value = xstrndup(was->value, was->value_len);

		if (give(now->tid, key, value, &done, e) < 0)
			return who(saved, e);
	}
	return done ? 0 : differs(saved, was, is, e);
}

static int settle_task(const struct task *saved, const struct task *now, tasks_give_fn *give, struct err *e)
{
	const char *at = now->text;
	struct line was, is;

	for (const char *s = saved->text; next_line(&s, &was);) {
		bool there = find_line(now->text, &at, &was, &is);

		if (settle_line(saved, now, &was, there ? &is : NULL, give, e) < 0)
			return -1;
	}
	at = saved->text;
	for (const char *s = now->text; next_line(&s, &is);) {
		if (!is_kernels(&is) && !find_line(saved->text, &at, &is, &was)) {
			was = (struct line){ is.key, "", is.key_len, 0 };
			return differs(saved, &was, &is, e);
		}
	}
	return 0;
}

static int is_missing(const struct task *t, struct err *e)
{
	err_set(e, ERR_UNSUPPORTED, "it was not restored");
	return who(t, e);
}

static int is_new(const struct task *t, struct err *e)
{
	err_set(e, ERR_UNSUPPORTED, "it was not there before the restore");
	return who(t, e);
}

int tasks_settle(const struct tasks *saved, const struct tasks *now, tasks_give_fn *give, struct err *e)
{
	size_t i;

	for (i = 0; i < saved->n && i < now->n; i++) {
		int cmp = order(&saved->v[i], &now->v[i]);

		if (cmp)
			return cmp < 0 ? is_missing(&saved->v[i], e) : is_new(&now->v[i], e);
		if (settle_task(&saved->v[i], &now->v[i], give, e) < 0)
			return -1;
	}
	if (i < saved->n)
		return is_missing(&saved->v[i], e);
	return i < now->n ? is_new(&now->v[i], e) : 0;
}
