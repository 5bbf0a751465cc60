// SPDX-License-Identifier: MIT
/* The online move's source: before the freeze.  The frozen window is in online_freeze.c. */
#include "move/online/source.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/own.h"
#include "base/prio.h"
#include "criu/carry/mountnotes.h"
#include "criu/check/obstacles.h"
#include "criu/version.h"
#include "mem/converge.h"
#include "mem/track/serve.h"
#include "move/follow.h"
#include "move/online/online.h"
#include "move/online/priv.h"
#include "wire/proto.h"

enum {
	ROUNDS_MAX = 30,
	LOOKS = 3,	 /* for obstacles */
	LOOK_MS = 100,	 /* between two of them */
	STOP_MS = 2000,
	WAIT_ID = 34,
	FOLLOW_LEAST_MS = 20000, /* nobody is harmed by waiting */
	SETTLE_TRIES = 24,
	SETTLE_MS = 500,
	SETTLE_PAGES = 4096, /* sent again in some ms */
};

void online_fini(struct online *o)
{
	for (size_t i = 0; i < o->n_places; i++)
		tree_source_close(o->place[i]);
	sender_free(o->sender);
	save_free(o->save);
	track_close(o->track);
	ct_parts_fini(&o->parts);
	hold_close(&o->hold);
	neighs_fini(&o->neighs);
	online_net_close(&o->net);
	backlog_close(&o->backlog);
	*o = (struct online)ONLINE_INIT;
}

bool online_wanted(const void *ctx)
{
	const struct source *s = ctx;

	return s->job->online && s->was == CT_RUNNING;
}

/* ---- preflight ---- */

static size_t obstacles_blocking(const struct obstacles *obs)
{
	size_t n = 0;

	for (size_t i = 0; i < obs->n; i++)
		n += obs->v[i].blocks;
	return n;
}

/*
 * What cannot be moved.  The processes go on while they are looked at: a connection that just ends
 * looks like one to the outside.  So an obstacle is one that is still there a moment later.
 */
static int look_for_obstacles(struct obstacles *obs, const struct source *s, const struct ct_parts *parts, struct err *e)
{
	const struct facts *there = &s->opened.facts;
	const unsigned lacks = criu_lacks(s->here.criu_version, s->here.kernel) | criu_lacks(there->criu_version, there->kernel);

	for (int i = 0;; i++) {
		if (obstacles_find(obs, parts->init, parts->freezer, lacks, e) < 0)
			return -1;
		if (!obstacles_blocking(obs) || i == LOOKS - 1)
			return 0;
		obstacles_fini(obs);
		clock_sleep_ms(LOOK_MS);
	}
}

/* What has begun since the check: copying may have taken hours. The container runs on, untouched. */
static int refuse_obstacles(struct source *s, uint64_t *ghost_max, struct err *e)
{
	own_obstacles struct obstacles obs = OBSTACLES_INIT;

	if (look_for_obstacles(&obs, s, &s->online.parts, e) < 0)
		return -1;
	for (size_t i = 0; i < obs.n; i++) {
		own_free char *text = obs.v[i].blocks ? obstacle_text(&obs.v[i]) : NULL;

		if (!text)
			continue;
		err_set(e, ERR_UNSUPPORTED, "it cannot move online any more: %s", text);
		return err_hint(e, "%s", obs.v[i].remedy);
	}
	*ghost_max = obs.ghost_max;
	return 0;
}

int online_check(struct source *s, struct findings *found, struct err *e)
{
	own_obstacles struct obstacles obs = OBSTACLES_INIT;
	own_ct_parts struct ct_parts parts = CT_PARTS_INIT;

	if (!online_wanted(s))
		return 0;
	if (!s->ops->parts) {
		findings_fail(found, s->job, 0, false, "online", ERR_UNSUPPORTED,
			      "leave out --online", "containers of engine %s cannot move online",
			      s->ops->name);
		return 0;
	}
	if (s->ops->parts(&s->ct, &parts, e) < 0 ||
	    look_for_obstacles(&obs, s, &parts, e) < 0)
		return -1;
	for (size_t i = 0; i < obs.n; i++) {
		own_free char *text = obstacle_text(&obs.v[i]);

		if (obs.v[i].blocks)
			findings_fail(found, s->job, 0, false, "processes", ERR_UNSUPPORTED,
				      obs.v[i].remedy, "%s", text);
		else
			findings_note(found, FINDING_NOTE, "processes", "%s", text);
	}
	online_net_check(s, &parts, found);
	online_check_memory(s, &parts, found);
	if (!obstacles_blocking(&obs))
		findings_note(found, FINDING_PASS, "processes", "%zu processes can be moved",
			      obs.nr_tasks);
	return 0;
}

/* ---- the steps ---- */

void online_be_gentle(struct source *s, bool gentle)
{
	struct online *o = &s->online;
	int nice;

	if (gentle) {
		o->usual_nice = prio_get();
		o->gentle_nice = prio_gentle();
	}
	nice = gentle ? o->gentle_nice : o->usual_nice;
	prio_set(getpid(), nice);
	prio_set(s->remote.child.pid, nice);
	for (unsigned i = 1; i < s->streams.n; i++)
		prio_set(s->streams.child[i].pid, nice);
	if (o->save)
		prio_set(save_criu(o->save), gentle ? nice : prio_first(nice));
}

/* The files' streams are [0, n_tree); memory has one of its own behind them. */
int online_step_open(void *ctx, struct err *e)
{
	struct source *s = ctx;
	struct online *o = &s->online;
	own_buf struct buf b = BUF_INIT;
	own_frame struct frame f = FRAME_INIT;
	struct msg_live_open m;

	o->lazy = s->job->lazy;
	o->iterate = !s->job->noiter;
	s->n_tree = s->streams.n;
	if (s->streams.n == 1 &&
	    peer_call(s->remote.peer, PROTO_STREAMS, NULL, &f, e) < 0)
		return -1;
	frame_fini(&f);
	f = (struct frame)FRAME_INIT;
	if (streams_open(&s->streams, s->n_tree + 1, s->id, s->job, s->limit, e) < 0)
		return -1;
	m = (struct msg_live_open){ .n_streams = (uint16_t)s->streams.n,
				    .n_tree = (uint16_t)s->n_tree,
				    .lazy = o->lazy,
				    .max_pages = (uint64_t)sysconf(_SC_PHYS_PAGES) * 2 };
	msg_live_open_put(&b, &m);
	return peer_call(s->remote.peer, PROTO_LIVE_OPEN, &b, &f, e);
}

/* For rounds that need it (mem/track/soft.h).  The freeze's guard thaws when we die; when it dies too,
 * recover does. */
static int stop_all(void *arg, struct err *e)
{
	struct source *s = arg;

	cancel_allow_pause(false);
	if (!s->online.was_stopped && origin_freeze(&s->origin, false, e) < 0)
		return -1;
	s->online.was_stopped = true;
	if (save_freeze(s->online.save, STOP_MS, e) < 0)
		return -1;
	if (fault_point("source", "memory", ".stopped", e) == 0)
		return 0;
	save_thaw(s->online.save, NULL);
	return -1;
}

static int let_go(void *arg, struct err *e)
{
	struct source *s = arg;

	int ret;

	if (s->online.track)
		save_frozen(s->online.save, track_procs(s->online.track));
	ret = save_let_run_on(s->online.save, e);
	cancel_allow_pause(true);
	return ret;
}

static struct track_opts track_opts(const struct ct_parts *parts)
{
	return (struct track_opts){ .init = parts->init, .cgroup = parts->freezer };
}

int online_track(const struct ct_parts *parts, struct track **out, struct err *e)
{
	struct track_opts to = track_opts(parts);

	return track_open(out, &to, e);
}

static int track_it(struct source *s, bool rounds, struct err *e)
{
	struct online *o = &s->online;
	struct track_opts to = track_opts(&o->parts);
	struct sender_opts so = { .streams = &s->streams.peer[s->n_tree],
				  .nr_streams = s->streams.n - s->n_tree };

	to.no_rounds = !rounds;
	to.stop = stop_all;
	to.go = let_go;
	to.arg = s;
	return track_open(&o->track, &to, e) < 0 || sender_new(&o->sender, &so, e) < 0 ? -1 : 0;
}

/* Lazy migration needs to know only what there is, and that every kernel tells. */
static int lazy_instead(struct source *s, struct err *e)
{
	struct online *o = &s->online;
	struct err why = *e;

	if (!o->lazy || o->track || track_it(s, false, NULL) < 0)
		return -1;
	if (o->iterate) {
		snprintf(o->note, sizeof(o->note), "moved as lazy: %.200s", why.msg);
		event_warning(s->ev, "goes on as lazy migration: %s", why.msg);
	}
	*e = (struct err)ERR_INIT;
	o->iterate = false;
	return 0;
}

int online_downgrade(struct source *s, struct err *e)
{
	struct online *o = &s->online;

	if (s->job->require_realtime) {
		err_wrap(e, "iterative migration is not possible");
		return err_hint(e, "leave out --require-realtime");
	}
	if (lazy_instead(s, e) == 0)
		return 0;
	snprintf(o->note, sizeof(o->note), "moved as simple: %.200s", e->msg);
	event_warning(s->ev, "goes on as simple migration: %s", e->msg);
	*e = (struct err)ERR_INIT;
	o->iterate = o->lazy = false;
	sender_free(take_ptr(&o->sender));
	track_close(take_ptr(&o->track));
	return 0;
}

int online_step_ready(void *ctx, struct err *e)
{
	struct source *s = ctx;
	struct online *o = &s->online;
	uint64_t ghost_max = 0;
	struct save_opts so;

	if (s->ops->parts(&s->ct, &o->parts, e) < 0 || refuse_obstacles(s, &ghost_max, e) < 0 ||
	    backlog_open(&o->backlog, o->parts.netns, e) < 0)
		return -1;
	if ((o->iterate || o->lazy) && track_it(s, true, e) < 0 && online_downgrade(s, e) < 0)
		return -1;
	so = (struct save_opts){ .init = o->parts.init,
				 .rootfs = o->parts.root,
				 .netns = o->parts.netns,
				 .freezer_dir = o->parts.freezer,
				 .memory = o->track ? SAVE_SHIM : SAVE_WHOLE,
				 .ghost_max = ghost_max,
				 .enable_fs = criu_trusted_fs,
				 .cgroups = o->parts.has_cgroups };
	if (save_prepare(&o->save, &so, e) == 0)
		return 0;
	if (so.memory != SAVE_SHIM || online_downgrade(s, e) < 0)
		return -1;
	so.memory = SAVE_WHOLE;
	return save_prepare(&o->save, &so, e);
}

void online_undo_ready(void *ctx)
{
	struct source *s = ctx;

	online_serve_end(s, true, NULL);
	online_fini(&s->online);
}

static void tell_memory_round(struct source *s, const struct track_round *r,
			      const struct converge *c)
{
	struct event_round er = { .phase = PHASE_MEMORY,
				  .number = r->nr,
				  .ms = (double)(r->scan_ns + r->send_ns) / 1e6,
				  .bytes = r->dirty_pages << 12,
				  .items = r->dirty_pages,
				  .dirty_bps = c->dirty_pages_s * 4096 };

	event_round(s->ev, &er);
	s->account.rounds = r->nr;
	if ((double)r->stop_ns / 1e6 > s->account.stop_ms)
		s->account.stop_ms = (double)r->stop_ns / 1e6;
	s->account.dirty_bps = er.dirty_bps;
}

/* One round: pages, what the library may answer from, files that changed meanwhile. */
static int one_round(struct source *s, struct track_round *r, bool last, struct err *e)
{
	struct online *o = &s->online;

	return track_round(o->track, o->sender, r, e) < 0 || save_look(o->save, o->track, last, e) < 0
		       ? -1 : 0;
}

static int look_without_rounds(struct source *s, struct err *e)
{
	track_learn(s->online.track);
	return save_look(s->online.save, s->online.track, false, e);
}

/* Where devices are always writing somewhere, what they may still write into is known only with time (mem/track/direct.h). */
static int let_doubts_settle(struct source *s, struct err *e)
{
	struct online *o = &s->online;

	for (int i = 0; i < SETTLE_TRIES && track_doubted(o->track) > SETTLE_PAGES; i++) {
		struct track_round r;

		if (cancel_sleep_ms(SETTLE_MS, e) < 0 || one_round(s, &r, false, e) < 0)
			return -1;
	}
	return 0;
}

/* Said before, for nobody expects it of a live move.  The rate limit does not hold in the freeze, so it may be shorter. */
static void tell_long_freeze(struct source *s, const struct converge *c)
{
	struct online *o = &s->online;

	snprintf(o->note, sizeof(o->note), "frozen for longer: %.200s", c->why);
	event_warning(s->ev, "goes on with the rest in the freeze, up to %.*f s: %s (--lazy makes it short)",
		      c->downtime_s < 1 ? 2 : 1, c->downtime_s, c->why);
}

/* After the switch: a wish that was not kept is not silent. */
static void tell_exceeded(struct source *s)
{
	uint64_t ms = s->up_ns > s->down_ns ? (s->up_ns - s->down_ns) / 1000000 : 0;

	if (s->job->max_downtime_ms && s->down_ns && ms > (uint64_t)s->job->max_downtime_ms)
		event_warning(s->ev, "the downtime was %llu ms, longer than the %llu ms asked for", (unsigned long long)ms,
			      (unsigned long long)s->job->max_downtime_ms);
}

int online_step_memory(void *ctx, struct err *e)
{
	struct source *s = ctx;
	struct online *o = &s->online;
	struct converge_round rounds[ROUNDS_MAX];
	struct converge_opts co = { .max_rounds = ROUNDS_MAX,
				    .max_downtime_s = (double)s->job->max_downtime_ms / 1e3,
				    .limit_pages_s = (double)s->job->limit_bps / 4096 };
	struct converge c = { .what = CONVERGE_AGAIN };

	if (!o->track)
		return 0;
	if (!o->iterate) /* lazy: all of it follows later */
		return look_without_rounds(s, e);
	for (size_t n = 0; n < ROUNDS_MAX && c.what == CONVERGE_AGAIN; n++) {
		struct track_round r;

		if (one_round(s, &r, false, e) < 0)
			return -1;
		rounds[n] = (struct converge_round){
			.dirty_pages = r.dirty_pages,
			.interval_s = n ? (double)r.interval_ns / 1e9 : 0,
			.scan_s = (double)r.scan_ns / 1e9,
			.send_s = (double)r.send_ns / 1e9,
			.stop_s = (double)r.stop_ns / 1e9,
		};
		converge_decide(&c, rounds, n + 1, &co);
		tell_memory_round(s, &r, &c);
		if (c.what == CONVERGE_AGAIN && cancel_sleep_ms((unsigned)(c.pause_s * 1e3), e) < 0)
			return -1;
	}
	event_decision(s->ev, "%s", c.why);
	if (c.what == CONVERGE_NEVER && !o->lazy) {
		if (s->job->require_realtime) {
			err_set(e, ERR_UNSUPPORTED, "rounds do not help: %s", c.why);
			return err_hint(e, "allow more with --max-downtime, or leave out --require-realtime");
		}
		tell_long_freeze(s, &c);
	}
	return let_doubts_settle(s, e);
}

/* The memory file systems: their first pass, while all runs. */
static int open_places(struct source *s, struct err *e)
{
	struct online *o = &s->online;
	const struct ext_mounts *l = save_mounts(o->save);
	own_free size_t *index = NULL;
	size_t n = ext_mounts_memory(l, &index);

	if (n > array_len(o->place))
		return err_set(e, ERR_UNSUPPORTED, "the container has %zu memory file systems", n);
	for (size_t i = 0; i < n; i++) {
		const struct tree_opts to = { .zip = TREE_ZIP_OFF, .threads = 1 };
		own_fd int alone = mount_alone(o->parts.init, l->m[index[i]].at, e);
		own_free char *at = xasprintf("/proc/self/fd/%d", alone);

		if (alone < 0 || tree_source_open(&o->place[i], at, &to, e) < 0)
			return -1;
		o->n_places++;
		if (online_pass_place(s, i, PASS_FIRST, e) < 0)
			return -1;
	}
	return 0;
}

int online_step_arm(void *ctx, struct err *e)
{
	struct source *s = ctx;
	struct online *o = &s->online;
	own_buf struct buf b = BUF_INIT;
	own_frame struct frame f = FRAME_INIT;
	struct err why = ERR_INIT;
	struct msg_live_arm m = { .cgroups = o->parts.has_cgroups };
	uint64_t ghost_max;
	size_t n = 0;
	int ret;

	if (refuse_obstacles(s, &ghost_max, e) < 0)
		return -1;
	save_ghosts(o->save, ghost_max);
	/* A session may have begun or ended during the rounds, and its /run/user/UID with it. */
	if (save_read_mounts(o->save, e) < 0)
		return -1;
	m.mounts = *save_mounts(o->save);
	if (o->track && save_arm(o->save, o->track, &m.shared, &n, e) < 0)
		return -1;
	m.n_shared = (uint32_t)n;
	msg_live_arm_put(&b, &m);
	ret = peer_call(s->remote.peer, PROTO_LIVE_ARM, &b, &f, e);
	free(m.shared);
	if (ret < 0 || online_net_send(s, e) < 0 || open_places(s, e) < 0)
		return -1;
	if (o->parts.routed && hold_open(&o->hold, &s->desc.addresses, &why) < 0)
		log_info("packets are not held at the switch: %s", why.msg);
	if (online_keep_sharing(s, e) < 0 || save_begin(o->save, e) < 0)
		return -1;
	/* The last rounds of all kinds, short: what the arming took has been seen.  The first looks for guard regions once more. */
	if (o->track && o->iterate) {
		struct track_round r;

		if (one_round(s, &r, false, e) < 0 || one_round(s, &r, true, e) < 0)
			return -1;
		return 0;
	}
	return o->track ? look_without_rounds(s, e) : 0;
}

/* ---- the end ---- */

static void *serve_main(void *arg)
{
	struct source *s = arg;

	s->online.serve_ret = serve_run(s->online.serve, s->streams.peer[s->n_tree],
					&s->online.serve_err);
	return NULL;
}

/* Lazy: pages that it asks for, and all others after them, until it has said that all is
 * there.  The first are asked for while it is restored. */
int online_serve_begin(struct source *s, struct err *e)
{
	struct online *o = &s->online;

	s->account.memory_bytes = sender_stats(o->sender).data_pages << 12;
	sender_free(take_ptr(&o->sender));
	if (serve_new(&o->serve, o->track, e) < 0)
		return -1;
	if (pthread_create(&o->serve_thread, NULL, serve_main, s) == 0)
		return 0;
	serve_free(take_ptr(&o->serve));
	return err_set(e, ERR_SYS, "cannot start a thread");
}

int online_serve_end(struct source *s, bool give_up, struct err *e)
{
	struct online *o = &s->online;
	struct serve_stats st;

	if (!o->serve)
		return 0;
	if (give_up)
		peer_stop(s->streams.peer[s->n_tree]);
	pthread_join(o->serve_thread, NULL);
	st = serve_stats(o->serve);
	s->account.lazy_pages = st.wanted;
	log_debug("lazy: %llu pages wanted, %llu pushed, %llu left",
		  (unsigned long long)st.wanted, (unsigned long long)st.pushed,
		  (unsigned long long)st.left);
	serve_free(take_ptr(&o->serve));
	if (o->serve_ret < 0 && e)
		*e = o->serve_err;
	return o->serve_ret;
}

/* The links broke: the same with new ones, until it has all its memory or cannot be reached. */
static int follow_again(struct source *s, const struct err *broke, struct err *e)
{
	struct online *o = &s->online;
	int patience_ms = s->job->link.timeout_ms;
	struct follow f = { .id = s->id,
				  .where = &s->job->dst.where,
				  .link = &s->job->link,
				  .limit = s->limit,
				  .parts = o->lazy ? &o->parts : NULL,
				  .timeout_ms = patience_ms > FOLLOW_LEAST_MS ? patience_ms : FOLLOW_LEAST_MS };
	struct msg_asked asked;

	event_warning(s->ev, "the link broke after the switch (%s): connecting again", broke->msg);
	if (follow_run(&f, &asked, e) < 0)
		goto undecided;
	if (asked.state == JOURNAL_DONE)
		return 0;
	err_set(e, ERR_RECOVER, "%s gave it up", s->remote.hello.host);
undecided:
	e->code = ERR_RECOVER;
	err_wrap(e, "Container %s is not whole on %s yet, and its copy here stays frozen for that", s->desc.id,
		 s->job->dst.where.host);
	if (!e->hint[0])
		err_hint(e, "when it can be reached again: pmigrate recover %s", s->id);
	return -1;
}

int online_step_follow(void *ctx, struct err *e)
{
	struct source *s = ctx;
	own_frame struct frame f = FRAME_INIT;
	struct err broke = ERR_INIT;
	/* Asked first: while it waits for its memory it takes other streams, too. */
	int asked = s->remote.peer ? peer_send(s->remote.peer, PROTO_LIVE_WAIT, WAIT_ID, NULL, 0, &broke) :
				     err_set(&broke, ERR_LINK, "no link");
	int served;

	tell_exceeded(s);
	served = online_serve_end(s, false, &broke);
	if (served == 0 && asked == 0)
		asked = peer_recv(s->remote.peer, &f, &broke);
	if (served == 0 && asked == 0 && (f.type != PROTO_REPLY || f.id != WAIT_ID))
		asked = err_set(&broke, ERR_PROTO, "%s did not say that its memory is complete",
				s->remote.hello.host);
	if ((served < 0 || asked < 0) && follow_again(s, &broke, e) < 0)
		return -1;
	s->online.followed = true;
	save_free(take_ptr(&s->online.save));
	return origin_end(&s->origin, e);
}

void online_account(const struct source *s, struct account *a)
{
	const struct online *o = &s->online;

	a->mode = o->track ? (o->lazy ? (o->iterate ? "lazy+iterative" : "lazy") : "iterative") :
			     "simple";
	a->note = *o->note ? o->note : NULL;
	if (o->sender) {
		struct sender_stats st = sender_stats(o->sender);

		a->memory_bytes = st.data_pages << 12;
	}
	account_add_part(a, "freeze", o->freeze_ms);
	account_add_part(a, "dump", o->dump_ms);
	account_add_part(a, "memory", o->memory_ms);
	account_add_part(a, "files", o->files_ms);
	account_add_part(a, "memory files", o->places_ms);
	account_add_part(a, "images", (double)(o->sent_ns - o->saved_ns) / 1e6);
	account_add_part(a, "restore", (double)(o->restored_ns - o->sent_ns) / 1e6);
	account_add_part(a, "switch", (double)(s->up_ns - o->restored_ns) / 1e6);
}
