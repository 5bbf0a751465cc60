// SPDX-License-Identifier: MIT
#include "move/online/dest.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/own.h"
#include "base/prio.h"
#include "commit/witness.h"
#include "criu/image/imgdir.h"
#include "criu/revive/revive.h"
#include "host/memcg.h"
#include "mem/store/store.h"
#include "move/msg.h"
#include "move/online/net.h"
#include "net/neighs.h"
#include "tree/recv/recv.h"
#include "wire/proto.h"

enum {
	PLACES_MAX = 256,
	LOOK_MS = 200, /* how often we look whether the source has come again */
};

/* One memory stream and the thread that reads it. */
struct feed {
	pthread_t thread;
	bool started;
	struct peer *peer;
	struct store *store;
	struct err err;
};

/* The last files on their way to the disk. */
struct syncing {
	pthread_t thread;
	bool started;
	struct tree_dest *files; /* borrowed */
	int ret;
	struct err err;
};

struct online_dest {
	struct dest *d; /* borrowed */
	struct streams *streams;
	unsigned n_tree;
	bool lazy;
	struct store *store;
	struct feed feed[STREAMS_MAX];
	unsigned n_feeds;
	struct ct_parts parts;
	struct revive *revive;
	struct tree_dest *tree[PLACES_MAX];
	struct syncing syncing;
	struct buf net; /* LIVE_NET so far, or LIVE_CLOSED */
	struct silence lo; /* until all of its processes are there */
	uint64_t image_budget;
	struct witness witness;
	pid_t init;	    /* restored */
	uint64_t oom_kills; /* before */
	bool ran, filled;
	int usual_nice;
};

static void *feed_main(void *arg)
{
	struct feed *f = arg;

	for (;;) {
		own_frame struct frame frame = FRAME_INIT;

		if (peer_recv(f->peer, &frame, &f->err) < 0)
			return NULL;
		if (frame.type == PROTO_LIVE_MEM_END)
			return NULL;
		if (!store_takes(frame.type)) {
			err_set(&f->err, ERR_PROTO, "frame %u on a memory stream", frame.type);
			break;
		}
		if (store_frame(f->store, f->peer, &frame, &f->err) < 0)
			break;
	}
	peer_abort(f->peer, &f->err);
	return NULL;
}

static int feeds_start(struct online_dest *o, unsigned n_streams, struct err *e)
{
	for (unsigned i = o->n_tree; i < n_streams; i++) {
		struct feed *f = &o->feed[o->n_feeds];

		*f = (struct feed){ .peer = o->streams->peer[i], .store = o->store };
		if (pthread_create(&f->thread, NULL, feed_main, f) != 0)
			return err_set(e, ERR_SYS, "cannot start a thread");
		f->started = true;
		o->n_feeds++;
	}
	return 0;
}

/* Until each saw its end, or failed. */
static int feeds_join(struct online_dest *o, struct err *e)
{
	int ret = 0;

	for (unsigned i = 0; i < o->n_feeds; i++) {
		struct feed *f = &o->feed[i];

		if (!f->started)
			continue;
		pthread_join(f->thread, NULL);
		f->started = false;
		if (f->err.code != ERR_NONE && ret == 0) {
			if (e)
				*e = f->err;
			ret = -1;
		}
	}
	return ret;
}

int online_dest_open(struct online_dest **out, struct dest *d, const struct ct_desc *desc,
		     struct streams *streams, const struct msg_live_open *m, struct err *e)
{
	struct store_opts so = { .max_pages = m->max_pages };
	struct online_dest *o;
	struct memcg cg;

	if (!d->ops->parts) {
		err_set(e, ERR_UNSUPPORTED, "containers of engine %s cannot move online",
			d->ops->name);
		return err_hint(e, "leave out --online");
	}
	o = xcalloc(1, sizeof(*o));
	o->d = d;
	o->witness = (struct witness)WITNESS_INIT;
	o->lo = (struct silence)SILENCE_INIT;
	o->streams = streams;
	o->n_tree = m->n_tree;
	o->lazy = m->lazy;
	o->image_budget = (m->max_pages + (64 << 8)) << 12;
	*out = o;
	if (journal_put(d->journal, "online", "yes", e) < 0 ||
	    witness_start(&o->witness, journal_id(d->journal), e) < 0 ||
	    streams_accept(streams, m->n_streams, e) < 0 || dest_adopt(d, desc, e) < 0 ||
	    dest_make(d, true, e) < 0 || d->ops->cut(&d->home, e) < 0 ||
	    d->ops->parts(&d->home, &o->parts, e) < 0)
		return -1;
	memcg_read(&cg, o->parts.init);
	o->oom_kills = cg.oom_kills;
	o->store = store_new(&so);
	o->usual_nice = prio_get();
	prio_set(getpid(), prio_gentle());
	return feeds_start(o, m->n_streams, e);
}

int online_dest_arm(struct online_dest *o, const struct msg_live_arm *m, struct err *e)
{
	const struct revive_opts ro = {
		.id = journal_id(o->d->journal),
		.like = o->parts.init,
		.rootfs = o->parts.root,
		.netns = o->parts.netns,
		.freezer_dir = o->parts.freezer,
		.mounts = &m->mounts,
		.store = o->store,
		.shared = m->shared,
		.n_shared = m->n_shared,
		.remote = o->lazy,
		.cgroups = m->cgroups,
		.enable_fs = criu_trusted_fs,
		.met = witness_met,
		.filled = witness_filled,
		.arg = &o->witness,
	};

	if (o->revive)
		return err_set(e, ERR_PROTO, "LIVE_ARM came twice");
	prio_set(getpid(), o->usual_nice); /* the freeze is near */
	if (revive_prepare(&o->revive, &ro, e) < 0)
		return -1;
	/* Once more: a bridge opens a port by itself when its carrier comes, and an open one
	 * would answer RST for connections that are not restored yet. */
	if (o->d->ops->cut(&o->d->home, e) < 0)
		return -1;
	if (revive_nr_places(o->revive) > PLACES_MAX)
		return err_set(e, ERR_UNSUPPORTED, "more than %d memory file systems", PLACES_MAX);
	for (size_t i = 0; i < revive_nr_places(o->revive); i++) {
		struct tree_dest_opts to = { .threads = 1 };

		if (tree_dest_open(&o->tree[i], AT_FDCWD, revive_place(o->revive, i), &to, e) < 0)
			return -1;
	}
	return 0;
}

int online_dest_place(struct online_dest *o, const struct msg_live_place *m, struct err *e)
{
	struct tree_stats st = { 0 };

	if (!o->revive || m->index >= revive_nr_places(o->revive) || !o->tree[m->index])
		return err_set(e, ERR_PROTO, "there is no memory file system %u", m->index);
	return tree_dest_pass(o->tree[m->index], o->streams->peer, 1, &st, e);
}

int online_dest_net(struct online_dest *o, const struct frame *f, bool *asked, struct err *e)
{
	return online_net_take(&o->net, f, o->parts.netns, asked, e);
}

int online_dest_closed(struct online_dest *o, const struct frame *f, size_t *refused, bool *asked, struct err *e)
{
	if (!o)
		return err_set(e, ERR_PROTO, "LIVE_CLOSED came out of turn");
	return online_net_take_closed(&o->net, f, o->parts.netns, refused, asked, e);
}

void online_dest_loud(struct online_dest *o)
{
	silence_end(&o->lo);
}

int online_dest_image(struct online_dest *o, const struct frame *f, struct err *e)
{
	if (!o->revive)
		return err_set(e, ERR_PROTO, "an image came out of turn");
	return imgdir_apply(revive_images(o->revive), f->data, f->len, &o->image_budget, e) < 0
		       ? -1
		       : 0;
}

static void *sync_main(void *arg)
{
	struct syncing *s = arg;

	s->ret = tree_dest_sync(s->files, &s->err);
	return NULL;
}

int online_dest_sync(struct online_dest *o, struct tree_dest *files, struct err *e)
{
	o->syncing = (struct syncing){ .files = files };
	if (pthread_create(&o->syncing.thread, NULL, sync_main, &o->syncing) != 0)
		return err_set(e, ERR_SYS, "cannot start a thread");
	o->syncing.started = true;
	return 0;
}

static int sync_end(struct online_dest *o, struct err *e)
{
	if (!o->syncing.started)
		return err_set(e, ERR_PROTO, "LIVE_RESTORE came before the last files");
	pthread_join(o->syncing.thread, NULL);
	o->syncing.started = false;
	if (o->syncing.ret < 0 && e)
		*e = o->syncing.err;
	return o->syncing.ret;
}

static void close_trees(struct online_dest *o)
{
	for (size_t i = 0; i < PLACES_MAX; i++)
		tree_dest_close(take_ptr(&o->tree[i]));
}

int online_dest_restore(struct online_dest *o, const struct frame *f, struct err *e)
{
	own_hidden_spaces struct hidden_spaces hidden = HIDDEN_SPACES_INIT;
	own_neighs struct neighs neighs = NEIGHS_INIT;
	struct reader r = reader_of(f->data, f->len);
	uint64_t begun = clock_ns(), restored;
	pid_t init;

	if (!o->revive)
		return err_set(e, ERR_PROTO, "LIVE_RESTORE came out of turn");
	if (hidden_spaces_get(&r, &hidden, e) < 0 || neighs_get(&r, &neighs, e) < 0)
		return -1;
	if (!reader_done(&r))
		return err_set(e, ERR_PROTO, "LIVE_RESTORE cannot be understood");
	if (feeds_join(o, e) < 0 || neighs_set(o->parts.netns, &neighs, e) < 0)
		return -1;
	/* The restore itself may ask for pages. */
	if (o->lazy && revive_attach(o->revive, o->streams->peer[o->n_tree], e) < 0)
		return -1;
	online_net_silence(&o->lo, o->parts.netns);
	if (revive_restore(o->revive, &hidden, &init, e) < 0) {
		e->code = e->code == ERR_CHILD ? ERR_START : e->code;
		return -1;
	}
	restored = clock_ns();
	o->init = init;
	if (online_dest_intact(o, e) < 0)
		return -1;
	if (revive_wait(o->revive, 0, e) == 0) /* nothing was left for later */
		witness_filled(&o->witness);
	if (o->d->ops->swap(&o->d->home, init, e) < 0 || sync_end(o, e) < 0 ||
	    dest_ready(o->d, e) < 0)
		return -1;
	log_info("restored in %.1f ms, registered in %.1f ms", (double)(restored - begun) / 1e6,
		 (double)(clock_ns() - restored) / 1e6);
	return 0;
}

int online_dest_intact(struct online_dest *o, struct err *e)
{
	struct memcg cg;

	memcg_read(&cg, o->init);
	if (cg.oom_kills <= o->oom_kills)
		return 0;
	err_set(e, ERR_START, "the kernel has ended %llu of its processes here: its memory limit is too low",
		(unsigned long long)(cg.oom_kills - o->oom_kills));
	return err_hint(e, "give it more, pctl set --ram, or move it without --online");
}

void online_dest_ran(struct online_dest *o)
{
	struct err e = ERR_INIT;

	o->ran = true;
	revive_keep(o->revive);
	if (revive_wait(o->revive, 0, &e) == 0 && online_dest_wait(o, &e) < 0)
		log_warn("%s", e.msg);
}

void online_dest_leave(struct online_dest *o)
{
	struct err e = ERR_INIT;

	revive_keep(o->revive);
	/* Lazy, the source alone could bring the rest, and it has not said that it shall run. */
	if (revive_wait(o->revive, o->lazy ? 0 : -1, &e) != 0 || online_dest_wait(o, &e) < 0)
		log_warn("the memory of the held container is not complete: %s", e.msg);
}

/* Another stream of the source instead of the one that pages came on. */
static void rejoin(struct online_dest *o)
{
	struct peer *old = o->streams->peer[o->n_tree];
	struct err e = ERR_INIT;

	if (old)
		peer_stop(old); /* it may not know yet that it is dead */
	revive_detach(o->revive);
	if (streams_replace(o->streams, o->n_tree, &e) < 0 ||
	    revive_attach(o->revive, o->streams->peer[o->n_tree], &e) < 0)
		log_warn("pages cannot go on coming: %s", e.msg);
}

/* Whoever touches a page that is not here waits, however long the link is dead. */
static int wait_memory(struct online_dest *o, struct err *e)
{
	for (;;) {
		struct err why = ERR_INIT;
		int ret = revive_wait(o->revive, LOOK_MS, &why);

		if (ret == 0)
			return 0;
		if (ret < 0 && (!o->lazy || why.code == ERR_CHILD)) {
			*e = why;
			return -1;
		}
		if (o->lazy && streams_waiting(o->streams, ret < 0 ? LOOK_MS : 0))
			rejoin(o);
	}
}

int online_dest_wait(struct online_dest *o, struct err *e)
{
	struct err own = ERR_INIT;
	struct lazy_stats st;

	if (o->filled)
		return 0;
	e = e ? e : &own;
	if (!o->revive || wait_memory(o, e) < 0 || dest_filled(o->d, e) < 0)
		return -1;
	o->filled = true;
	st = revive_stats(o->revive);
	log_info("all memory is in place: %llu pages, %llu of them by %llu faults",
		 (unsigned long long)(st.copied + st.zeros), (unsigned long long)st.wanted,
		 (unsigned long long)st.faults);
	return 0;
}

void online_dest_free(struct online_dest *o)
{
	if (!o)
		return;
	if (o->ran && online_dest_wait(o, NULL) < 0)
		log_warn("some of the container's memory never came");
	/* All is there, but it could not be written down: the witness knows. */
	if (o->ran && !o->filled)
		witness_leave(&o->witness);
	witness_end(&o->witness);
	if (o->syncing.started)
		sync_end(o, NULL);
	close_trees(o);
	for (unsigned i = 0; i < o->n_feeds; i++) {
		if (o->feed[i].started)
			peer_stop(o->feed[i].peer);
	}
	feeds_join(o, NULL);
	revive_free(o->revive);
	store_free(o->store);
	ct_parts_fini(&o->parts);
	buf_fini(&o->net);
	silence_end(&o->lo);
	free(o);
}
