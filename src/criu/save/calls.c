// SPDX-License-Identifier: MIT
#include "criu/save/calls.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/log.h"
#include "base/own.h"
#include "criu/image/cores.h"
#include "criu/image/image.h"
#include "criu/image/imgdir.h"
#include "criu/shim/calls.h"

enum { ARCH_X86_64 = 1, MODE_NATIVE = 1, TYPE_INETSK = 4 };

enum { CALL_CONNECT = 42, CALL_BYTES = 2 }; /* x86-64's, whatever this program runs on */

static const size_t image_max = 256u << 20;

/* ---- one thread ---- */

/* What a connect() that begins again after the thaw takes for success. */
static bool is_connected(int state)
{
	return state && state != TCP_SYN_SENT && state != TCP_SYN_RECV && state != TCP_CLOSE &&
	       state != TCP_LISTEN;
}

/* Which call is the thread in? */
static uint64_t call_of(const Img__Regs *r, const struct call_notes *notes)
{
	const struct call_note like = { 0, { r->di, r->si, r->dx, r->r10 }, r->sp, r->ip };

	return r->orig_ax == CALL_NR_RESTART ? call_notes_find(notes, &like) : r->orig_ax;
}

bool calls_mend_thread(Img__Core *core, const struct call_notes *notes, calls_tcp_state *tcp_state, void *arg)
{
	Img__Regs *r = core->x86 ? core->x86->regs : NULL;
	uint64_t call;

	if (core->mtype != ARCH_X86_64 || !r || (r->has_mode && r->mode != MODE_NATIVE))
		return false;
	/* These calls come to these results in this way only. */
	if (r->orig_ax == CALL_CONNECT && r->ax == CALL_CONNECT && is_connected(tcp_state(arg, (uint32_t)r->di))) {
		r->ip += CALL_BYTES;
		r->ax = 0;
		return true;
	}
	if (r->ax != (uint64_t)-EINTR)
		return false;
	call = call_of(r, notes);
	if (!shim_call_may_begin_again(call, (const uint64_t[]){ r->di, r->si, r->dx, r->r10, r->r8, r->r9 }))
		return false;
	r->ax = call;
	r->ip -= CALL_BYTES;
	return true;
}

/* ---- all of a dump ---- */

struct socket {
	uint32_t id; /* of a File */
	int state;
};

struct dump {
	int images;
	uint32_t thread; /* that is looked at */
	/* All sockets of TCP, once one was asked for. */
	bool listed;
	struct socket *socket; /* owned */
	size_t n;
};

/* Calls f with each message of a file until it returns true: 1; 0 when it never does; -1. */
typedef bool each_msg_fn(const struct image_msg *msg, void *arg);

static int each_msg(int images, const char *name, enum image_magic magic, each_msg_fn *f, void *arg, struct err *e)
{
	own_free char *data = NULL;
	struct image_reader ir;
	struct image_msg msg;
	size_t len;
	int ret;

	if (file_read(images, name, image_max, &data, &len, e) < 0 ||
	    image_begin(&ir, name, magic, data, len, e) < 0)
		return -1;
	while ((ret = image_next(&ir, &msg, e)) > 0) {
		if (f(&msg, arg))
			return 1;
	}
	return ret;
}

struct wanted {
	uint32_t key;
	uint32_t value;
};

/* The process of a thread. */
static bool process_of(const struct image_msg *msg, void *arg)
{
	Img__Task *t = img__task__unpack(NULL, msg->len, msg->data);
	struct wanted *w = arg;
	bool found = false;

	for (size_t i = 0; t && i < t->n_threads && !found; i++)
		found = t->threads[i] == w->key;
	if (found)
		w->value = t->pid;
	if (t)
		img__task__free_unpacked(t, NULL);
	return found;
}

/* The table of descriptors of a process. */
static bool table_of(const struct image_msg *msg, void *arg)
{
	Img__TaskIds *ids = img__task_ids__unpack(NULL, msg->len, msg->data);
	struct wanted *w = arg;

	if (!ids)
		return false;
	w->value = ids->files_id;
	img__task_ids__free_unpacked(ids, NULL);
	return true;
}

/* The file of a descriptor. */
static bool file_of(const struct image_msg *msg, void *arg)
{
	Img__Descriptor *d = img__descriptor__unpack(NULL, msg->len, msg->data);
	struct wanted *w = arg;
	bool found = d && d->fd == w->key;

	if (found)
		w->value = d->id;
	if (d)
		img__descriptor__free_unpacked(d, NULL);
	return found;
}

static bool list_socket(const struct image_msg *msg, void *arg)
{
	Img__File *f = img__file__unpack(NULL, msg->len, msg->data);
	struct dump *d = arg;

	if (f && f->type == TYPE_INETSK && f->inet && f->inet->proto == IPPROTO_TCP) {
		d->socket = xrealloc(d->socket, (d->n + 1) * sizeof(*d->socket));
		d->socket[d->n++] = (struct socket){ f->id, (int)f->inet->state };
	}
	if (f)
		img__file__free_unpacked(f, NULL);
	return false;
}

static int tcp_state(void *arg, uint32_t fd)
{
	struct dump *d = arg;
	struct wanted process = { .key = d->thread }, table = { 0 }, file = { .key = fd };
	own_free char *ids = NULL, *fdinfo = NULL;

	if (each_msg(d->images, "pstree.img", IMAGE_PSTREE, process_of, &process, NULL) <= 0)
		return 0;
	ids = xasprintf("ids-%u.img", process.value);
	if (each_msg(d->images, ids, IMAGE_IDS, table_of, &table, NULL) <= 0)
		return 0;
	fdinfo = xasprintf("fdinfo-%u.img", table.value);
	if (each_msg(d->images, fdinfo, IMAGE_FDINFO, file_of, &file, NULL) <= 0)
		return 0;
	if (!d->listed)
		each_msg(d->images, "files.img", IMAGE_FILES, list_socket, d, NULL);
	d->listed = true;
	for (size_t i = 0; i < d->n; i++) {
		if (d->socket[i].id == file.value)
			return d->socket[i].state;
	}
	return 0;
}

static int mend_core(struct dump *d, const struct call_notes *notes, struct err *e)
{
	own_core Img__Core *core = core_load(d->images, d->thread, e);

	if (!core)
		return -1;
	if (!calls_mend_thread(core, notes, tcp_state, d))
		return 0;
	log_debug("thread %u was stopped in call %llu: mended", d->thread,
		  (unsigned long long)core->x86->regs->orig_ax);
	return core_store(d->images, d->thread, core, e);
}

int calls_mend(int images, const struct call_notes *notes, struct err *e)
{
	struct dump d = { .images = images };
	char **names = NULL;
	size_t n = 0;
	int ret = imgdir_list(images, &names, &n, e);

	for (size_t i = 0; i < n; i++) {
		char end;

		if (ret == 0 && sscanf(names[i], "core-%u.im%c", &d.thread, &end) == 2)
			ret = mend_core(&d, notes, e);
		free(names[i]);
	}
	free(names);
	free(d.socket);
	return ret;
}
