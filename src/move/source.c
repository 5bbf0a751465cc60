// SPDX-License-Identifier: MIT
#include "move/source.h"

#include <stdlib.h>
#include <string.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/own.h"
#include "commit/decide.h"
#include "engine/vz/kept.h"
#include "move/live.h"
#include "move/local.h"
#include "move/move.h"
#include "move/online/source.h"
#include "move/recover.h"
#include "move/step.h"
#include "move/vm_live.h"
#include "wire/proto.h"

enum {
	RECOPY_MOST = 8,	/* passes over a tree that keeps changing */
	RECOPY_SMALL = 64,	/* so few names left: not worth another pass */
	RECONNECT_TRIES = 5,
	RECONNECT_MS = 2000,
	STARTING_MS = 150000,
	DOWN_SILENCE_MS = 5000, /* while the container is stopped or frozen; pmigrate(1), --timeout */
};

/* --- asking the agent -------------------------------------------------------------- */

static int ask_empty(struct source *s, uint8_t type, struct err *e)
{
	own_frame struct frame f = FRAME_INIT;

	return peer_call(s->remote.peer, type, NULL, &f, e);
}

int source_list_processes(struct source *s, const struct ct_parts *parts, struct procs *p,
			  struct err *e)
{
	if (procs_init(p, parts->init, parts->freezer, e) < 0 || procs_refresh(p, e) < 0)
		return -1;
	free(s->pids);
	s->pids = xcalloc(p->n + 1, sizeof(*s->pids));
	for (s->n_pids = 0; s->n_pids < p->n; s->n_pids++)
		s->pids[s->n_pids] = p->v[s->n_pids].pid;
	return 0;
}

/* The files of those who write to the tree while it runs.  Not knowing them leaves more to the last pass, no
 * less is right. */
static void look_at_running(struct source *s)
{
	own_ct_parts struct ct_parts parts = CT_PARTS_INIT;
	own_procs struct procs p = PROCS_INIT;
	struct err why = ERR_INIT;

	held_fini(&s->held);
	if (s->was == CT_RUNNING && s->ops->parts &&
	    (s->ops->parts(&s->ct, &parts, &why) < 0 ||
	     source_list_processes(s, &parts, &p, &why) < 0 ||
	     held_look(&s->held, s->pids, s->n_pids, &why) < 0))
		log_debug("its processes cannot be listed: %s", why.msg);
}

/* One pass over the tree: the request, the frames, the reply. */
static int pass(struct source *s, enum pass_kind kind, struct tree_stats *st, uint64_t *left,
		struct err *e)
{
	own_buf struct buf b = BUF_INIT;
	own_frame struct frame f = FRAME_INIT;
	struct msg_pass m = { .kind = kind, .n_streams = (uint16_t)s->n_tree };
	struct peer *const *streams = s->streams.peer;
	unsigned n = s->n_tree;
	int ret = -1;

	msg_pass_put(&b, &m);
	if (peer_send(s->remote.peer, PROTO_PASS, kind, b.data, b.len, e) < 0)
		return -1;
	switch (kind) {
	case PASS_FIRST:
		ret = tree_source_first(s->tree, streams, n, st, e);
		break;
	case PASS_NEXT:
		look_at_running(s);
		ret = tree_source_next(s->tree, streams, n, &s->held, st, left, e);
		break;
	case PASS_LAST:
		ret = tree_source_last(s->tree, streams, n, &s->held, st, e);
		break;
	}
	if (ret < 0 || peer_recv(s->remote.peer, &f, e) < 0)
		return -1;
	if (f.type != PROTO_REPLY || f.id != (uint32_t)kind)
		return err_set(e, ERR_PROTO, "%s did not end the pass", s->remote.hello.host);
	s->account.files += st->files + st->others;
	s->account.file_bytes += st->bytes;
	return 0;
}

static void tell_round(struct source *s, enum phase p, unsigned number,
		       const struct tree_stats *st, uint64_t left)
{
	struct event_round r = { .phase = p,
				 .number = number,
				 .ms = (double)st->ns / 1e6,
				 .bytes = st->bytes,
				 .items = st->files + st->others + st->dirs + st->removed };

	(void)left;
	event_round(s->ev, &r);
}

/* --- the steps --------------------------------------------------------------------- */

static bool running(const void *ctx)
{
	const struct source *s = ctx;

	return s->was == CT_RUNNING && !s->job->readonly;
}

/* Held, mounted, running: all but a stopped one must be stopped for a cold move. */
static bool must_stop(const void *ctx)
{
	const struct source *s = ctx;

	return s->was != CT_STOPPED && !s->job->readonly;
}

/* -r, else REMOVEMIGRATED of vz.conf, which is about Containers. */
static bool shall_remove(const struct source *s)
{
	own_conf struct conf global = CONF_INIT;
	const struct conf_view view = { .global = &global };

	if (s->job->remove_area != UNSET || s->job->keep_src || s->job->readonly || strcmp(s->ops->name, "vz") != 0)
		return s->job->remove_area == YES;
	return vz_global_load(&global, NULL) == 0 && conf_yes(&view, "REMOVEMIGRATED", false);
}

static int step_begin(void *ctx, struct err *e)
{
	struct source *s = ctx;
	bool remove = shall_remove(s);

	if (origin_begin(&s->origin, s->id, s->ops, &s->ct, s->job, remove, e) < 0)
		return -1;
	guard_arm(&s->guard, s->id);
	return 0;
}

static void undo_begin(void *ctx)
{
	struct source *s = ctx;
	struct err e = ERR_INIT;

	if (!s->origin.journal)
		return;
	if (origin_undo(&s->origin, &e) < 0)
		event_warning(s->ev, "%s", e.msg);
	else
		guard_stand_down(&s->guard);
}

static int step_area(void *ctx, struct err *e)
{
	struct source *s = ctx;
	own_frame struct frame f = FRAME_INIT;
	struct tree_opts opts = { .no_journal = s->was == CT_STOPPED || source_is_vm(s),
				  .mounted_files = source_is_vm(s),
				  .progress = &s->tree_progress };
	bool resumed;

	s->area_begun = true;
	if (peer_call(s->remote.peer, PROTO_AREA, NULL, &f, e) < 0 ||
	    msg_bool_get(&f, &resumed, e) < 0)
		return -1;
	if (resumed)
		event_decision(s->ev, "an earlier try's area is there: only differences are sent");
	if (tree_source_open(&s->tree, s->ct.private_area, &opts, e) < 0)
		return -1;
	if (!opts.no_journal && tree_source_no_journal(s->tree))
		event_decision(s->ev, "changes are found by walking the tree: %s",
			       tree_source_no_journal(s->tree));
	return 0;
}

/* More connections for the data, when the user wants them. */
static int step_streams(void *ctx, struct err *e)
{
	struct source *s = ctx;

	/* One for the memory, and one to ask by. */
	unsigned n = s->job->streams, most = link_most(&s->job->dst.where) - 2;

	if (ask_empty(s, PROTO_STREAMS, e) < 0)
		return -1;
	if (n > most) {
		event_warning(s->ev, "%u streams, not %u: ssh had to ask, so one connection carries all", most, n);
		n = most;
	}
	if (streams_open(&s->streams, n, s->id, s->job, s->limit, e) < 0)
		return -1;
	s->n_tree = s->streams.n;
	return 0;
}

static bool several_streams(const void *ctx)
{
	const struct source *s = ctx;

	return s->job->streams > 1 && s->job->dst.where.host;
}

/* The agent undoes all that it did; over a new link when this one is dead. */
static void undo_area(void *ctx)
{
	struct source *s = ctx;
	struct msg_asked asked = { .state = JOURNAL_NONE };
	struct err e = ERR_INIT;

	if (!s->area_begun || ask_empty(s, PROTO_UNDO, &e) == 0)
		return;
	log_debug("undo over the old link: %s", e.msg);
	peer_free(take_ptr(&s->remote.peer));
	child_fini(&s->remote.child);
	if (remote_open(&s->remote, &s->job->dst.where, &s->job->link, s->limit, &e) == 0 &&
	    remote_ask(&s->remote, s->id, VERDICT_UNDO, &asked, &e) == 0 &&
	    (asked.state == JOURNAL_UNDONE || asked.state == JOURNAL_NONE))
		return;
	event_warning(s->ev, "%s could not be asked to clean up (%s): the next try or "
			     "`pmigrate recover` there does it",
		      s->job->dst.where.host ? s->job->dst.where.host : "the destination",
		      asked.why.msg[0] ? asked.why.msg : e.msg);
}

static int step_copy(void *ctx, struct err *e)
{
	struct source *s = ctx;
	struct tree_stats st;

	if (pass(s, PASS_FIRST, &st, NULL, e) < 0)
		return -1;
	tell_round(s, PHASE_COPY, 1, &st, 0);
	if (st.mounts)
		event_warning(s->ev, "%llu mount points inside the private area were not entered",
			      (unsigned long long)st.mounts);
	return 0;
}

static int step_recopy(void *ctx, struct err *e)
{
	struct source *s = ctx;
	uint64_t left = UINT64_MAX, before;
	struct tree_stats st;

	for (unsigned n = 1; n <= RECOPY_MOST && left > RECOPY_SMALL; n++) {
		before = left;
		if (pass(s, PASS_NEXT, &st, &left, e) < 0)
			return -1;
		tell_round(s, PHASE_RECOPY, n, &st, left);
		if (left > before / 2)
			break; /* it does not shrink any more */
	}
	event_decision(s->ev, "stopping now: %llu names are left",
		       (unsigned long long)left);
	return 0;
}

void source_is_down(struct source *s, bool down)
{
	int most = s->job->link.timeout_ms, ms = down && (!most || most > DOWN_SILENCE_MS) ? DOWN_SILENCE_MS : most;

	for (unsigned i = 0; s->remote.peer && i < s->streams.n; i++)
		peer_set_silence(i ? s->streams.peer[i] : s->remote.peer, ms);
}

static int step_stop(void *ctx, struct err *e)
{
	struct source *s = ctx;

	source_is_down(s, true);
	held_fini(&s->held); /* they end */
	s->down_ns = clock_ns();
	cancel_allow_pause(false);
	return origin_stop(&s->origin, e);
}

static void undo_stop(void *ctx)
{
	struct source *s = ctx;
	struct err e = ERR_INIT;

	/* Before the agent cleans up, which may take long: clients are waiting. */
	if (origin_restart(&s->origin, &e) < 0)
		event_warning(s->ev, "%s", e.msg);
	source_is_down(s, false);
}

int source_pass_last(struct source *s, struct err *e)
{
	struct tree_stats st;

	if (pass(s, PASS_LAST, &st, NULL, e) < 0)
		return -1;
	s->account.files_last = st.files + st.others;
	return 0;
}

static int step_last(void *ctx, struct err *e)
{
	return source_pass_last(ctx, e);
}

static int step_config(void *ctx, struct err *e)
{
	return ask_empty(ctx, PROTO_CONFIG, e);
}

static int step_hold(void *ctx, struct err *e)
{
	struct source *s = ctx;
	own_buf struct buf b = BUF_INIT;
	own_frame struct frame f = FRAME_INIT;

	buf_put_u8(&b, s->run_there);
	return peer_call(s->remote.peer, PROTO_HOLD, &b, &f, e);
}

/* The link broke between COMMIT and its answer: ask again, over a new one. */
static int commit_again(struct source *s, struct err *e)
{
	uint64_t starting = 0; /* until when it may be about to start there */
	struct err last = ERR_INIT;

	event_warning(s->ev, "the link broke at the switch (%s); asking again", e->msg);
	for (int i = 0; i < RECONNECT_TRIES || (starting && clock_left_ms(starting)); i++) {
		struct msg_asked asked;

		clock_sleep_ms(i ? RECONNECT_MS : 0);
		peer_free(take_ptr(&s->remote.peer));
		child_fini(&s->remote.child);
		if (remote_open(&s->remote, &s->job->dst.where, &s->job->link, s->limit, &last) < 0 ||
		    remote_ask(&s->remote, s->id, VERDICT_COMMIT, &asked, &last) < 0)
			continue;
		switch (decide(true, answer_of(asked.state, &asked.why), WORD_NONE)) {
		case DECIDE_RETIRE:
			return 0;
		case DECIDE_FOLLOW:
			if (online_wanted(s)) /* it runs, and gets its memory: the next step */
				return 0;
			err_set(&last, ERR_RECOVER, "it is still starting");
			starting = starting ? starting : clock_deadline(STARTING_MS);
			break;
		case DECIDE_UNDO:
			*e = asked.why;
			if (e->code == ERR_NONE || e->code == ERR_RECOVER)
				err_set(e, ERR_START, "%s gave it up before it ran", s->remote.hello.host);
			return -1;
		case DECIDE_WAIT:
			last = asked.why;
			if (last.code == ERR_NONE)
				err_set(&last, ERR_RECOVER, "it is %s there", journal_state_word(asked.state));
			break;
		}
	}
	err_set(e, ERR_RECOVER, "it is not known whether %s %s runs on %s: %s",
		engine_noun(s->ops->name), s->ct.id,
		s->job->dst.where.host ? s->job->dst.where.host : "localhost", last.msg);
	return err_hint(e, "when %s can be reached again: pmigrate recover %s",
			s->job->dst.where.host ? s->job->dst.where.host : "it", s->id);
}

static int step_commit(void *ctx, struct err *e)
{
	struct source *s = ctx;
	own_frame struct frame f = FRAME_INIT;
	struct msg_committed m = { .done = false };
	struct err moving = ERR_INIT;

	if (online_before_commit(s, e) < 0 || origin_commit(&s->origin, e) < 0)
		return -1;
	/* From here on libvirt may switch at any moment: the agent knows whether it did. */
	if (vm_live_wanted(s) && vm_migrate(s, &moving) < 0)
		event_decision(s->ev, "libvirt: %s", moving.msg);
	if (peer_call(s->remote.peer, PROTO_COMMIT, NULL, &f, e) < 0 ||
	    msg_committed_get(&f, &m, e) < 0) {
		if (commit_again(s, e) < 0)
			return -1;
	} else if (!m.done) {
		*e = moving.code != ERR_NONE ? moving : m.why;
		if (e->code == ERR_SYS || e->code == ERR_CHILD)
			e->code = ERR_START;
		s->area_begun = false; /* it has undone itself */
		return err_wrap(e, "%s could not start it", s->remote.hello.host);
	}
	s->up_ns = clock_ns();
	source_is_down(s, false);
	online_after_commit(s);
	return 0;
}

static int step_retire(void *ctx, struct err *e)
{
	struct source *s = ctx;

	/* It is needed there until all its memory is. */
	if (online_wanted(s) && !s->online.followed)
		return err_set(e, ERR_RECOVER, "the copy of Container %s here stays frozen", s->ct.id);
	if (origin_retire(&s->origin, e) < 0) {
		err_wrap(e, "the container has moved, but its copy here could not be put away");
		e->code = ERR_RECOVER;
		return err_hint(e, "mend that, then: pmigrate recover %s", s->id);
	}
	guard_stand_down(&s->guard);
	return 0;
}

static const struct step cold[] = {
	{ "begin", PHASE_COPY, STEP_REVERSIBLE, NULL, step_begin, undo_begin },
	{ "area", PHASE_COPY, STEP_REVERSIBLE, NULL, step_area, undo_area },
	{ "streams", PHASE_COPY, STEP_REVERSIBLE, several_streams, step_streams, NULL },
	{ "copy", PHASE_COPY, STEP_REVERSIBLE, NULL, step_copy, NULL },
	{ "recopy", PHASE_RECOPY, STEP_REVERSIBLE, running, step_recopy, NULL },
	{ "stop", PHASE_STOP, STEP_REVERSIBLE, must_stop, step_stop, undo_stop },
	{ "last", PHASE_LAST, STEP_REVERSIBLE, must_stop, step_last, NULL },
	{ "config", PHASE_HOLD, STEP_REVERSIBLE, NULL, step_config, NULL },
	{ "hold", PHASE_HOLD, STEP_REVERSIBLE, NULL, step_hold, NULL },
	{ "commit", PHASE_START, STEP_COMMIT, NULL, step_commit, NULL },
	{ "retire", PHASE_RETIRE, STEP_AFTER, NULL, step_retire, NULL },
	{ .name = NULL },
};

static const struct step vm_live[] = {
	{ "begin", PHASE_COPY, STEP_REVERSIBLE, NULL, step_begin, undo_begin },
	{ "area", PHASE_COPY, STEP_REVERSIBLE, NULL, step_area, undo_area },
	{ "expect", PHASE_COPY, STEP_REVERSIBLE, NULL, vm_step_expect, vm_undo_expect },
	{ "commit", PHASE_MEMORY, STEP_COMMIT, NULL, step_commit, NULL },
	{ "retire", PHASE_RETIRE, STEP_AFTER, NULL, step_retire, NULL },
	{ .name = NULL },
};

static const struct step online[] = {
	{ "begin", PHASE_COPY, STEP_REVERSIBLE, NULL, step_begin, undo_begin },
	{ "area", PHASE_COPY, STEP_REVERSIBLE, NULL, step_area, undo_area },
	{ "streams", PHASE_COPY, STEP_REVERSIBLE, several_streams, step_streams, NULL },
	{ "copy", PHASE_COPY, STEP_REVERSIBLE, NULL, step_copy, NULL },
	{ "recopy", PHASE_RECOPY, STEP_REVERSIBLE, NULL, step_recopy, NULL },
	{ "live-open", PHASE_MEMORY, STEP_REVERSIBLE, NULL, online_step_open, NULL },
	{ "live-ready", PHASE_MEMORY, STEP_REVERSIBLE, NULL, online_step_ready, online_undo_ready },
	{ "memory", PHASE_MEMORY, STEP_REVERSIBLE, NULL, online_step_memory, NULL },
	{ "live-arm", PHASE_MEMORY, STEP_REVERSIBLE, NULL, online_step_arm, NULL },
	{ "freeze", PHASE_FREEZE, STEP_REVERSIBLE, NULL, online_step_freeze, online_undo_freeze },
	{ "save", PHASE_LAST, STEP_REVERSIBLE, NULL, online_step_save, NULL },
	{ "restore", PHASE_HOLD, STEP_REVERSIBLE, NULL, online_step_restore, NULL },
	{ "commit", PHASE_START, STEP_COMMIT, NULL, step_commit, NULL },
	{ "follow", PHASE_LAZY, STEP_AFTER, NULL, online_step_follow, NULL },
	{ "retire", PHASE_RETIRE, STEP_AFTER, NULL, step_retire, NULL },
	{ .name = NULL },
};

static const struct step *list_of(const struct source *s)
{
	return online_wanted(s) ? online : vm_live_wanted(s) ? vm_live : cold;
}

/* --- the whole --------------------------------------------------------------------- */

static void end_phase(struct source *s, bool ok)
{
	if (s->phase < 0)
		return;
	/* A cold move is down in just these. */
	if (ok && !online_wanted(s) && !vm_live_wanted(s) && s->phase >= PHASE_STOP && s->phase <= PHASE_START)
		account_add_part(&s->account, phase_word((enum phase)s->phase),
				 (double)(clock_ns() - s->phase_ns) / 1e6);
	event_phase_end(s->ev, (enum phase)s->phase, ok);
	s->phase = -1;
}

static void show_phase(void *ctx, const struct step *st)
{
	struct source *s = ctx;

	if (st->phase == s->phase)
		return;
	end_phase(s, true);
	s->phase = st->phase;
	s->phase_ns = clock_ns();
	live_phase(s->live, (enum phase)s->phase);
	event_phase_begin(s->ev, (enum phase)s->phase, NULL);
}

static const struct step_hooks hooks = { .end = "source", .begin = show_phase };

static void tell_account(struct source *s)
{
	struct account *a = &s->account;

	a->mode = "cold";
	for (unsigned i = 0; s->remote.peer && i < s->streams.n; i++) {
		struct peer_stats ps = peer_stats(i ? s->streams.peer[i] : s->remote.peer);

		a->wire_bytes += ps.sent_bytes + ps.received_bytes;
	}
	a->total_ms = (double)(clock_ns() - s->begun_ns) / 1e6;
	if (s->down_ns && s->run_there && s->up_ns) {
		a->has_downtime = true;
		a->downtime_ms = (double)(s->up_ns - s->down_ns) / 1e6;
	}
	if (online_wanted(s))
		online_account(s, a);
	if (vm_live_wanted(s))
		vm_account(s, a);
	event_account(s->ev, a);
}

static const char *state_here(const struct source *s)
{
	struct ct now = CT_INIT;
	enum ct_state st;
	bool here = s->ops->find(s->ct.id, &now, NULL) == 0;

	ct_fini(&now);
	return here && s->ops->state(&s->ct, &st, NULL) == 0 ? ct_state_word(st) : "absent";
}

static void tell_state(struct source *s, enum step_outcome outcome, const struct err *why)
{
	own_free char *dst = remote_text(&s->job->dst.where);
	own_free char *kept = xasprintf("%s" VZ_KEPT_SUFFIX, s->ct.private_area);
	own_free char *kept_id = xasprintf("%s" VZ_KEPT_SUFFIX, s->ct.id);
	bool unknown = outcome == STEPS_COMMITTED && !s->up_ns;
	struct final_state f = {
		.id = s->ct.id,
		.name = s->ct.name,
		.source = s->here.hostname,
		.source_state = state_here(s),
		.destination = dst,
		.destination_id = s->desc.id,
		.destination_state = unknown			   ? "unknown"
				     : outcome == STEPS_UNDONE ? "absent"
				     : s->run_there		   ? "running"
								   : "stopped",
		.undecided = why->code == ERR_RECOVER,
		.migration_id = s->id,
	};

	if (outcome == STEPS_DONE && !s->job->readonly && !shall_remove(s) && strcmp(s->ops->name, "vz") == 0 &&
	    access(kept, F_OK) == 0) {
		f.kept = kept;
		f.kept_id = kept_id;
		f.kept_bytes = s->need.bytes;
	}
	event_state(s->ev, &f);
}

static int run_steps(struct source *s, struct err *e)
{
	enum step_outcome outcome;

	s->live = live_start(s->id, &s->tree_progress, s->need.bytes, s->need.inodes,
			     &s->ev->progress);
	streams_init(&s->streams, s->remote.peer);
	s->n_tree = 1;
	outcome = steps_run(list_of(s), &hooks, s, e);
	live_stop(take_ptr(&s->live));
	end_phase(s, outcome == STEPS_DONE);
	if (outcome != STEPS_UNDONE)
		tell_account(s);
	else
		guard_stand_down(&s->guard);
	tell_state(s, outcome, e);
	online_fini(&s->online);
	free(s->pids);
	held_fini(&s->held);
	streams_fini(&s->streams);
	return outcome == STEPS_DONE ? 0 : -1;
}

static int run(struct source *s, struct err *e)
{
	bool settled = false;

	s->phase = PHASE_CHECK;
	event_phase_begin(s->ev, PHASE_CHECK, NULL);
	/* An interrupted migration of the same container comes first. */
	if (recover_earlier(s->job, s->ev, &settled, e) < 0)
		return -1;
	if (settled) {
		end_phase(s, true);
		return 0;
	}
	if (source_find(s, e) < 0)
		return -1;
	journal_make_id(s->id, s->ct.id);
	if (source_connect(s, e) < 0 || source_check(s, e) < 0)
		return -1;
	if (s->job->dry_run) {
		int ret = source_predict(s, e);

		end_phase(s, ret == 0);
		return ret;
	}
	if (cancel_requested())
		return cancel_err(e);
	if (online_wanted(s))
		online_be_gentle(s, true);
	return run_steps(s, e);
}

static void source_fini(struct source *s)
{
	guard_stand_down(&s->guard);
	tree_source_close(s->tree);
	vm_fini(s);
	remote_close(&s->remote);
	bucket_free(s->limit);
	origin_fini(&s->origin);
	msg_opened_fini(&s->opened);
	facts_fini(&s->here);
	need_fini(&s->need);
	ct_desc_fini(&s->desc);
	ct_fini(&s->ct);
}

int move_run(const struct job *job, struct events *ev, struct err *e)
{
	own_free char *dst = remote_text(&job->dst.where);
	struct source s = { .job = job,
			    .ev = ev,
			    .guard = GUARD_INIT,
			    .origin = ORIGIN_INIT,
			    .remote = REMOTE_INIT,
			    .online = ONLINE_INIT,
			    .phase = -1,
			    .begun_ns = clock_ns() };
	char host[256] = "localhost";
	int ret;

	cancel_allow(true); /* the move before this one let nobody interrupt its end */
	journal_prune();
	gethostname(host, sizeof(host) - 1);
	event_begin(ev, job, job->src.name, host, dst);
	if (!job->dst.where.host)
		ret = local_run(job, ev, e);
	else
		ret = (job->dry_run || guard_start(&s.guard, e) == 0) && run(&s, e) == 0 ? 0 : -1;
	if (ret < 0)
		end_phase(&s, false);
	if (ret < 0 && cancel_requested() && e->code != ERR_CANCELLED) { /* while checking */
		log_info("%s", e->msg);
		cancel_err(e);
	}
	source_fini(&s);
	event_finish(ev, ret < 0 ? e : NULL, NULL);
	return ret;
}
