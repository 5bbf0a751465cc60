// SPDX-License-Identifier: MIT
/*
 * The frozen window, source's side.
 *
 *	freeze  cut
 *	  ├── thread: CRIU's dump
 *	  ├── thread: last pages, on the memory stream
 *	  └── here: last files, on the control link
 *	images ── restored, held there ── COMMIT
 *
 * Frozen first, cut off as late as can be: what the kernel still takes in for the container is
 * in its sockets when they are dumped.  A client that waits for an answer has asked by then, and
 * its question is not lost where packets cannot be held (a bridge).
 */
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/own.h"
#include "base/prio.h"
#include "criu/image/imgdir.h"
#include "mem/inject/vfork.h"
#include "mem/procs.h"
#include "mem/track/direct.h"
#include "move/online/online.h"
#include "move/online/priv.h"
#include "wire/proto.h"

enum {
	FREEZE_MS = 10000,
	FINISH_MS = 2,	   /* how long it runs on to accept connections that wait: at first, then twice as long each time */
	FINISH_MS_MAX = 32,
	FINISH_ALL_MS = 1000, /* all of it, for each stop takes its time, too */
	UNREAD_TRIES = 2,  /* of those, for datagrams that nobody reads */
};

static double ms_since(uint64_t begun)
{
	return (double)(clock_ns() - begun) / 1e6;
}

int online_pass_place(struct source *s, size_t i, enum pass_kind kind, struct err *e)
{
	struct msg_live_place m = { .index = (uint16_t)i, .kind = (uint8_t)kind };
	struct peer *const streams[] = { s->remote.peer };
	struct tree_source *t = s->online.place[i];
	struct tree_stats st = { 0 };
	own_buf struct buf b = BUF_INIT;
	own_frame struct frame f = FRAME_INIT;
	int ret;

	msg_live_place_put(&b, &m);
	if (peer_send(s->remote.peer, PROTO_LIVE_PLACE, m.index, b.data, b.len, e) < 0)
		return -1;
	ret = kind == PASS_FIRST ? tree_source_first(t, streams, 1, &st, e) :
				   tree_source_last(t, streams, 1, &s->held, &st, e);
	if (ret < 0 || peer_recv(s->remote.peer, &f, e) < 0)
		return -1;
	if (f.type != PROTO_REPLY || f.id != m.index)
		return err_set(e, ERR_PROTO, "%s did not end the pass", s->remote.hello.host);
	return 0;
}

static int list_frozen(struct source *s, struct err *e)
{
	own_procs struct procs p = PROCS_INIT;

	if (source_list_processes(s, &s->online.parts, &p, e) < 0)
		return -1;
	save_frozen(s->online.save, &p);
	/* With a track, its last look does that: it has the mappings already. */
	return s->online.track ? 0 : direct_wait_processes(&p, e);
}

/*
 * From now on nothing reaches the container: packets wait, or vanish where they cannot.
 * It is frozen and says nothing itself; before it is ended, it is cut off in both ways.
 */
static int cut_off(struct source *s, struct err *e)
{
	return s->online.hold.tun >= 0 ? hold_begin(&s->online.hold, e) :
					 s->ops->cut(&s->ct, e);
}

static int stop_it(struct source *s, struct err *e)
{
	struct online *o = &s->online;

	return save_freeze(o->save, FREEZE_MS, e) < 0 || list_frozen(s, e) < 0 ||
			       (o->track && track_frozen(o->track, o->sender, e) < 0) ? -1 : 0;
}

/* What can only be saved a moment later; 0: nothing. */
static int unfinished(struct source *s, const char **what, struct err *e)
{
	int n = backlog_count(&s->online.backlog, what, e);

	if (n != 0)
		return n;
	n = save_forget(s->online.save);
	if (n > 0)
		*what = "a removed file that somebody watches";
	if (n > 0 || !vfork_waits(s->pids, s->n_pids))
		return n;
	*what = "a program that is being started";
	return 1;
}

/* Sockets with datagrams that would be lost.  Where what it says now leaves it nowhere, reading them is no help. */
static int unread(struct source *s, const char **what, struct err *e)
{
	*what = "a datagram that nobody has read";
	return s->online.hold.tun >= 0 ? backlog_unread(&s->online.backlog, e) : 0;
}

static int run_on(struct source *s, unsigned ms, struct err *e)
{
	struct online *o = &s->online;
	int ret;

	hold_let_out(&o->hold, true);
	ret = save_let_run_on(o->save, e);
	if (ret == 0) {
		clock_sleep_ms(ms);
		ret = stop_it(s, e);
	}
	hold_let_out(&o->hold, false);
	return ret;
}

/*
 * A connection that nobody has accepted yet cannot be saved (net/traffic/backlog.h), nor a process that
 * waits for its child's exec (mem/inject/vfork.h); an unread datagram would be lost.  It is cut off: nothing new comes, so the
 * container runs on for a moment and is stopped again.  If that does not help, CRIU says why; and
 * datagrams are lost only when nobody begins to read them.
 */
static int let_it_finish(struct source *s, struct err *e)
{
	const uint64_t deadline = clock_deadline(FINISH_ALL_MS);
	const char *what = NULL;
	int before = INT_MAX; /* sockets with unread datagrams */
	unsigned ms = FINISH_MS;

	for (int i = 0; i == 0 || clock_left_ms(deadline) > 0; i++) {
		int n = unfinished(s, &what, e);

		if (n == 0) {
			n = unread(s, &what, e);
			if (n >= before && i >= UNREAD_TRIES)
				return 0;
			before = n;
		}
		if (n <= 0)
			return n;
		log_debug("it runs on for %u ms: %d things wait, such as %s", ms, n, what);
		if (run_on(s, ms, e) < 0)
			return -1;
		ms = ms < FINISH_MS_MAX ? ms * 2 : ms;
	}
	event_warning(s->ev, "there was no good moment to freeze it within %d ms: %s", FINISH_ALL_MS, what);
	return 0;
}

/* Journaled first: recover lets it run again. */
int online_step_freeze(void *ctx, struct err *e)
{
	struct source *s = ctx;
	struct online *o = &s->online;

	if (online_net_refresh(s, e) < 0 || origin_freeze(&s->origin, o->lazy, e) < 0)
		return -1;
	cancel_allow_pause(false);
	online_be_gentle(s, false);
	bucket_open(s->limit, true);
	o->cut = true;
	s->down_ns = o->frozen_ns = clock_ns();
	source_is_down(s, true);
	if (stop_it(s, e) < 0 ||
	    (!o->parts.routed && neighs_read(o->parts.netns, &o->neighs, e) < 0) ||
	    cut_off(s, e) < 0 || let_it_finish(s, e) < 0 || online_net_quiet(s, e) < 0)
		return -1;
	o->freeze_ms = ms_since(o->frozen_ns);
	return 0;
}

void online_undo_freeze(void *ctx)
{
	struct source *s = ctx;
	struct err e = ERR_INIT;

	if (!s->online.cut)
		return;
	online_serve_end(s, true, NULL);
	/* CRIU lets go of the processes before they run. */
	save_free(take_ptr(&s->online.save));
	online_net_undo(s);
	if (s->ops->uncut(&s->ct, &e) < 0)
		event_warning(s->ev, "%s", e.msg);
	hold_release(&s->online.hold, false);
	bucket_open(s->limit, false);
	source_is_down(s, false);
	s->online.cut = false;
	s->down_ns = 0;
}

/* ---- beside each other ---- */

struct work {
	struct source *s;
	struct err err;
	int ret;
};

static void *dump_main(void *arg)
{
	struct work *w = arg;
	uint64_t begun = clock_ns();

	w->ret = save_dump(w->s->online.save, &w->err);
	w->s->online.dump_ms = ms_since(begun);
	return NULL;
}

static void *memory_main(void *arg)
{
	struct work *w = arg;
	struct source *s = w->s;
	struct online *o = &s->online;
	struct track_round r = { 0 };
	uint64_t begun = clock_ns();

	prio_thread(o->gentle_nice);
	if (o->track)
		w->ret = track_final(o->track, o->sender, o->lazy, &r, &w->err);
	for (unsigned i = s->n_tree; w->ret == 0 && i < s->streams.n; i++)
		w->ret = peer_send_now(s->streams.peer[i], PROTO_LIVE_MEM_END, 0, NULL, 0, &w->err);
	o->memory_ms = ms_since(begun);
	log_debug("frozen: %llu dirty pages, scan %.1f ms, send %.1f ms, %llu missing there",
		  (unsigned long long)r.dirty_pages, (double)r.scan_ns / 1e6,
		  (double)r.send_ns / 1e6, (unsigned long long)r.missing_pages);
	if (w->ret == 0 && r.missing_pages && !o->lazy)
		w->ret = err_set(&w->err, ERR_COPY, "%llu pages of memory did not arrive",
				 (unsigned long long)r.missing_pages);
	return NULL;
}

static int last_files(struct source *s, struct err *e)
{
	struct online *o = &s->online;
	uint64_t begun = clock_ns();

	held_fini(&s->held);
	if (held_look(&s->held, s->pids, s->n_pids, e) < 0 || source_pass_last(s, e) < 0)
		return -1;
	o->files_ms = ms_since(begun);
	begun = clock_ns();
	for (size_t i = 0; i < o->n_places; i++) {
		if (online_pass_place(s, i, PASS_LAST, e) < 0)
			return -1;
	}
	o->places_ms = ms_since(begun);
	return 0;
}

int online_step_save(void *ctx, struct err *e)
{
	struct source *s = ctx;
	struct work dump = { .s = s, .err = ERR_INIT }, memory = dump;
	pthread_t dump_thread, memory_thread;
	int files;

	if (pthread_create(&dump_thread, NULL, dump_main, &dump) != 0)
		return err_set(e, ERR_SYS, "cannot start a thread");
	if (pthread_create(&memory_thread, NULL, memory_main, &memory) != 0) {
		pthread_join(dump_thread, NULL);
		return err_set(e, ERR_SYS, "cannot start a thread");
	}
	/* CRIU's dump is the longest of the three: it goes first where there are few CPUs. */
	prio_thread(s->online.gentle_nice);
	files = last_files(s, e);
	prio_thread(s->online.usual_nice);
	pthread_join(memory_thread, NULL);
	pthread_join(dump_thread, NULL);
	s->online.saved_ns = clock_ns();
	if (files == 0 && (dump.ret < 0 || memory.ret < 0))
		*e = dump.ret < 0 ? dump.err : memory.err;
	return files < 0 || dump.ret < 0 || memory.ret < 0 ? -1 : 0;
}

static int send_piece(void *arg, const void *piece, size_t len, struct err *e)
{
	struct source *s = arg;

	return peer_send_now(s->remote.peer, PROTO_LIVE_IMAGE, 0, piece, len, e);
}

int online_step_restore(void *ctx, struct err *e)
{
	struct source *s = ctx;
	struct online *o = &s->online;
	own_buf struct buf b = BUF_INIT;
	own_frame struct frame f = FRAME_INIT;

	if (online_net_send_news(s, e) < 0 || imgdir_send(save_images(o->save), send_piece, s, e) < 0)
		return -1;
	if (o->track) {
		if (save_hidden(o->save, o->track, &b, e) < 0)
			return -1;
	} else {
		static const struct hidden_spaces nothing = HIDDEN_SPACES_INIT;

		hidden_spaces_put(&b, &nothing);
	}
	neighs_put(&b, &o->neighs);
	if (o->lazy && online_serve_begin(s, e) < 0)
		return -1;
	o->sent_ns = clock_ns();
	if (peer_call(s->remote.peer, PROTO_LIVE_RESTORE, &b, &f, e) < 0 || online_net_send_closed(s, e) < 0)
		return -1;
	o->restored_ns = clock_ns();
	return 0;
}

void online_after_commit(struct source *s)
{
	unsigned n = hold_release(&s->online.hold, true);

	bucket_open(s->limit, false);
	if (n)
		log_debug("%u packets had waited for it", n);
}

int online_before_commit(struct source *s, struct err *e)
{
	return s->online.save ? save_disarm(s->online.save, e) : 0;
}
