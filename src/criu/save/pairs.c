// SPDX-License-Identifier: MIT
#include "criu/save/pairs.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/own.h"
#include "criu/image/image.h"
#include "criu/image/imgdir.h"
#include "criu/shim/text.h"

enum { TYPE_UNIXSK = 5, RIGHTS = 1 /* SCM_RIGHTS */ };

static const size_t image_max = 256u << 20;

/* ---- the choice ---- */

struct choice {
	struct pair_socket *s;
	size_t n;
	const struct pair_socket **by_ino;
	struct pair_holder *h; /* sorted */
	size_t n_holders;
	struct pair_flight *f;
	size_t n_flights; /* known so far: a sender holds what it sends */
};

static int holder_order(const void *a, const void *b)
{
	const struct pair_holder *x = a, *y = b;

	return x->file != y->file ? (x->file > y->file) - (x->file < y->file) : (x->pid > y->pid) - (x->pid < y->pid);
}

static int ino_order(const void *a, const void *b)
{
	const struct pair_socket *x = *(const struct pair_socket *const *)a, *y = *(const struct pair_socket *const *)b;

	return (x->ino > y->ino) - (x->ino < y->ino);
}

static const struct pair_socket *socket_of(const struct choice *c, uint32_t ino)
{
	const struct pair_socket like = { .ino = ino }, *key = &like, **found;

	found = bsearch(&key, c->by_ino, c->n, sizeof(*c->by_ino), ino_order);
	return found ? *found : NULL;
}

/* The other end, if each is the other's peer. */
static const struct pair_socket *other_end(const struct choice *c, const struct pair_socket *s)
{
	const struct pair_socket *o = s->peer && s->peer != s->ino ? socket_of(c, s->peer) : NULL;

	return o && o->peer == s->ino ? o : NULL;
}

/* Its first holder in the sorted array. */
static size_t holders_begin(const struct choice *c, uint32_t file)
{
	size_t low = 0, high = c->n_holders;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (c->h[mid].file < file)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* 0: nobody has it open. */
static uint32_t owner(const struct choice *c, uint32_t file)
{
	size_t at = holders_begin(c, file);
	uint32_t pid = at < c->n_holders && c->h[at].file == file ? c->h[at].pid : 0;

	for (size_t i = 0; i < c->n_flights; i++) {
		if (c->f[i].file == file && c->f[i].sender && (!pid || c->f[i].sender < pid))
			pid = c->f[i].sender;
	}
	return pid;
}

static bool holds(const struct choice *c, uint32_t pid, uint32_t file)
{
	for (size_t i = holders_begin(c, file); i < c->n_holders && c->h[i].file == file; i++) {
		if (c->h[i].pid == pid)
			return true;
	}
	for (size_t i = 0; i < c->n_flights; i++) {
		if (c->f[i].file == file && c->f[i].sender == pid)
			return true;
	}
	return false;
}

/* Who CRIU thinks will send what waits in that queue: the first that is connected to it, else somebody it makes up in its owner. */
static uint32_t sender_to(const struct choice *c, uint32_t queue)
{
	const struct pair_socket *to = NULL, *from = NULL;

	for (size_t i = 0; i < c->n && !to; i++)
		to = c->s[i].file == queue ? &c->s[i] : NULL;
	if (!to)
		return 0;
	from = other_end(c, to);
	for (size_t i = 0; i < c->n && !from; i++)
		from = c->s[i].peer == to->ino ? &c->s[i] : NULL;
	return owner(c, from ? from->file : to->file);
}

/* All that waits in the queue is sent by `pid`, as CRIU thought? */
static bool flights_are_of(const struct choice *c, uint32_t queue, uint32_t pid)
{
	for (size_t i = 0; i < c->n_flights; i++) {
		if (c->f[i].queue == queue && c->f[i].sender != pid)
			return false;
	}
	return true;
}

/* Can the owner of `first` restore both? */
static bool can_restore(const struct choice *c, const struct pair_socket *first, const struct pair_socket *second)
{
	const uint32_t pid = owner(c, first->file), other = owner(c, second->file);

	return pid && other && (pid == other || !holds(c, pid, second->file)) && flights_are_of(c, first->file, pid) &&
	       flights_are_of(c, second->file, pid);
}

/* Those of one pair; returns whether they were swapped. */
static int choose(struct choice *c, struct pair_socket *early, struct pair_socket *late, struct err *e)
{
	struct pair_socket tmp;

	if (can_restore(c, late, early))
		return 0;
	if (!can_restore(c, early, late))
		return err_set(e, ERR_UNSUPPORTED,
			       "descriptors wait in unix sockets between the processes %u and %u (of the container), "
			       "in a way that CRIU cannot restore; try again",
			       owner(c, early->file), owner(c, late->file));
	tmp = *early;
	*early = *late;
	*late = tmp;
	return 1;
}

int pairs_choose(struct pair_socket *s, size_t n, struct pair_holder *h, size_t n_holders, struct pair_flight *f, size_t n_flights,
		 struct err *e)
{
	own_free struct pair_socket *was = xmalloc((n ? n : 1) * sizeof(*was));
	own_free const struct pair_socket **by_ino = xmalloc((n ? n : 1) * sizeof(const struct pair_socket *));
	struct choice c = { .s = was, .n = n, .by_ino = by_ino, .h = h, .n_holders = n_holders, .f = f };
	int swapped = 0;

	if (n)
		memcpy(was, s, n * sizeof(*s));
	for (size_t i = 0; i < n; i++)
		by_ino[i] = &was[i];
	qsort(by_ino, n, sizeof(const struct pair_socket *), ino_order);
	if (n_holders)
		qsort(h, n_holders, sizeof(*h), holder_order);
	for (; c.n_flights < n_flights; c.n_flights++)
		f[c.n_flights].sender = sender_to(&c, f[c.n_flights].queue);
	for (size_t i = 0; i < n; i++) {
		const struct pair_socket *o = other_end(&c, &was[i]);
		int ret = o > &was[i] ? choose(&c, &s[i], &s[o - was], e) : 0;

		if (ret < 0)
			return -1;
		swapped += ret;
	}
	return swapped;
}

/* ---- the images ---- */

struct dump {
	int images;
	struct pair_socket *s;
	struct image_msg *at; /* s[i]'s message */
	size_t n;
	struct pair_holder *h;
	size_t n_holders;
	struct pair_flight *f;
	size_t n_flights;
};

#define PUSH(array, n, ...)                                                              \
	do {                                                                             \
		if (((n) & ((n) - 1)) == 0)                                              \
			(array) = xrealloc((array), ((n) ? (n) * 2 : 1) * sizeof(*(array))); \
		(array)[(n)++] = (__VA_ARGS__);                                          \
	} while (0)

/* Opens an image; what is read stays in *data, the caller's. */
static int image_load(int images, const char *name, enum image_magic magic, char **data, struct image_reader *ir, struct err *e)
{
	size_t len;

	return file_read(images, name, image_max, data, &len, e) < 0 || image_begin(ir, name, magic, *data, len, e) < 0 ? -1 : 0;
}

static int read_sockets(struct dump *d, struct image_reader *ir, struct err *e)
{
	struct image_msg msg;
	int ret;

	while ((ret = image_next(ir, &msg, e)) > 0) {
		Img__File *f = img__file__unpack(NULL, msg.len, msg.data);

		if (!f)
			return err_set(e, ERR_PROTO, "the image files is broken");
		if (f->type == TYPE_UNIXSK && f->unix_sk) {
			size_t n = d->n;

			PUSH(d->at, n, msg);
			PUSH(d->s, d->n, (struct pair_socket){ f->id, f->unix_sk->ino, f->unix_sk->peer });
		}
		img__file__free_unpacked(f, NULL);
	}
	return ret;
}

static int read_table(struct dump *d, uint32_t table, uint32_t pid, struct err *e)
{
	own_free char *name = xasprintf("fdinfo-%u.img", table), *data = NULL;
	struct image_reader ir;
	struct image_msg msg;
	int ret;

	if (image_load(d->images, name, IMAGE_FDINFO, &data, &ir, e) < 0)
		return -1;
	while ((ret = image_next(&ir, &msg, e)) > 0) {
		Img__Descriptor *fd = img__descriptor__unpack(NULL, msg.len, msg.data);

		if (!fd)
			return err_set(e, ERR_PROTO, "the image %s is broken", name);
		PUSH(d->h, d->n_holders, (struct pair_holder){ fd->id, pid });
		img__descriptor__free_unpacked(fd, NULL);
	}
	return ret;
}

/* 0: it has none, for it has ended. */
static uint32_t table_of(int images, uint32_t pid)
{
	own_free char *name = xasprintf("ids-%u.img", pid), *data = NULL;
	Img__TaskIds *ids = NULL;
	struct image_reader ir;
	struct image_msg msg;
	uint32_t table = 0;

	if (image_load(images, name, IMAGE_IDS, &data, &ir, NULL) == 0 && image_next(&ir, &msg, NULL) > 0)
		ids = img__task_ids__unpack(NULL, msg.len, msg.data);
	if (ids) {
		table = ids->files_id;
		img__task_ids__free_unpacked(ids, NULL);
	}
	return table;
}

/* A table that several share is restored by the first of them in the tree, which is their parent. */
static int read_holders(struct dump *d, struct err *e)
{
	own_free char *data = NULL;
	own_free struct image_task *t = NULL;
	own_free uint32_t *seen = NULL;
	size_t len, n = 0, n_seen = 0;

	if (file_read(d->images, "pstree.img", image_max, &data, &len, e) < 0 || pstree_read(data, len, &t, &n, e) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		uint32_t table = table_of(d->images, t[i].pid);
		bool known = !table;

		for (size_t k = 0; k < n_seen && !known; k++)
			known = seen[k] == table;
		if (known)
			continue;
		PUSH(seen, n_seen, table);
		if (read_table(d, table, t[i].pid, e) < 0)
			return -1;
	}
	return 0;
}

/* After each message of this image: as many bytes as it says. */
static int read_flights(struct dump *d, struct err *e)
{
	own_free char *data = NULL;
	struct image_reader ir;
	struct image_msg msg;
	int ret;

	if (faccessat(d->images, "sk-queues.img", F_OK, 0) < 0)
		return 0;
	if (image_load(d->images, "sk-queues.img", IMAGE_SK_QUEUES, &data, &ir, e) < 0)
		return -1;
	while ((ret = image_next(&ir, &msg, e)) > 0) {
		Img__Packet *p = img__packet__unpack(NULL, msg.len, msg.data);
		bool whole = p && get_raw(&ir.r, p->length);

		for (size_t i = 0; whole && i < p->n_scm; i++) {
			for (size_t k = 0; p->scm[i]->type == RIGHTS && k < p->scm[i]->n_rights; k++)
				PUSH(d->f, d->n_flights, (struct pair_flight){ p->id_for, p->scm[i]->rights[k], 0 });
		}
		if (p)
			img__packet__free_unpacked(p, NULL);
		if (!whole)
			return err_set(e, ERR_PROTO, "the image sk-queues is broken");
	}
	return ret;
}

/* files.img again: at the place of each socket the one that d->s has there now. */
static int write_sockets(const struct dump *d, const struct pair_socket *was, struct image_reader *ir, struct err *e)
{
	own_buf struct buf out = BUF_INIT;
	struct image_msg msg;
	size_t at = 0;
	int ret;

	image_put_head(&out, IMAGE_FILES);
	while ((ret = image_next(ir, &msg, e)) > 0) {
		if (at < d->n && msg.data == d->at[at].data) {
			size_t from = at;

			for (size_t i = 0; was[at].file != d->s[at].file && i < d->n; i++) {
				if (was[i].file == d->s[at].file)
					from = i;
			}
			msg = d->at[from];
			at++;
		}
		image_put_raw(&out, msg.data, msg.len);
	}
	return ret < 0 ? -1 : imgdir_put(d->images, "files.img", out.data, out.len, e);
}

/* Whoever sends what waits in a pair. */
static int write_waiting(const struct dump *d, struct err *e)
{
	own_buf struct buf out = BUF_INIT;

	for (size_t i = 0; i < d->n_flights; i++) {
		if (i == 0 || d->f[i].sender != d->f[i - 1].sender)
			buf_put(&out, &d->f[i].sender, sizeof(d->f[i].sender));
	}
	return out.len ? imgdir_put(d->images, SHIM_PAIRS_WAITING, out.data, out.len, e) : 0;
}

static void dump_fini(struct dump *d)
{
	free(d->s);
	free(d->at);
	free(d->h);
	free(d->f);
}

int pairs_mend(int images, struct err *e)
{
	__attribute__((cleanup(dump_fini))) struct dump d = { .images = images };
	own_free struct pair_socket *was = NULL;
	own_free char *data = NULL;
	struct image_reader ir, again;
	int swapped;

	if (image_load(images, "files.img", IMAGE_FILES, &data, &ir, e) < 0)
		return -1;
	again = ir;
	if (read_sockets(&d, &ir, e) < 0)
		return -1;
	if (!d.n)
		return 0;
	if (read_holders(&d, e) < 0 || read_flights(&d, e) < 0)
		return -1;
	was = xmalloc(d.n * sizeof(*was));
	memcpy(was, d.s, d.n * sizeof(*was));
	swapped = pairs_choose(d.s, d.n, d.h, d.n_holders, d.f, d.n_flights, e);
	if (swapped < 0 || write_waiting(&d, e) < 0)
		return -1;
	if (swapped == 0)
		return 0;
	log_debug("%d pairs of unix sockets are restored by the other end's process", swapped);
	return write_sockets(&d, was, &again, e);
}
