// SPDX-License-Identifier: MIT
#include "move/local.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/own.h"
#include "base/path.h"
#include "commit/guard.h"
#include "move/recover.h"
#include "move/step.h"
#include "tree/recv/recv.h"
#include "tree/send/send.h"

struct local {
	const struct job *job;
	struct events *ev;
	struct guard guard;
	struct origin origin; /* the container as it was */
	struct ct to;	      /* as it shall be */
	int to_lock;
	enum ct_state was;
	char id[JOURNAL_ID_MAX];
	int phase;
	uint64_t begun_ns, down_ns, up_ns;
};

/* --- undo and finish, from the journal alone --------------------------------------- */

static bool said(const struct journal *j, const char *key)
{
	const char *v = journal_get(j, key);

	return v && strcmp(v, "no");
}

bool local_is(const struct journal *j)
{
	return said(j, "local");
}

static bool same_area(const struct ct *a, const struct ct *b)
{
	return !strcmp(a->private_area, b->private_area);
}

static int take_back_area(const struct origin *o, const struct ct *to, struct err *e)
{
	const char *how = journal_get(o->journal, "placed");

	if (!how || access(to->private_area, F_OK) < 0)
		return 0;
	if (!strcmp(how, "copied"))
		return path_remove_tree(AT_FDCWD, to->private_area, e);
	if (access(o->ct.private_area, F_OK) == 0)
		return 0; /* the rename was never done: `to` is somebody else's */
	if (rename(to->private_area, o->ct.private_area) < 0)
		return err_sys(e, "cannot move %s back to %s", to->private_area,
			       o->ct.private_area);
	return 0;
}

static int undo(struct origin *o, const struct ct *to, struct err *e)
{
	if (said(o->journal, "held") && o->ops->unhold(to, e) < 0)
		return -1;
	if (said(o->journal, "renamed") && o->ops->rename(to, &o->ct, e) < 0)
		return -1;
	if (take_back_area(o, to, e) < 0 || origin_restart(o, e) < 0)
		return -1;
	return journal_set_state(o->journal, JOURNAL_UNDONE, e);
}

static int finish(struct origin *o, const struct ct *to, struct err *e)
{
	const char *how = journal_get(o->journal, "placed");
	enum ct_state state;

	if (said(o->journal, "stopped") && said(o->journal, "held")) {
		if (o->ops->state(to, &state, e) < 0)
			return -1;
		if (state == CT_HELD ? o->ops->let_run(to, e) < 0
				     : state != CT_RUNNING && o->ops->start(to, e) < 0)
			return -1;
	}
	if (how && !strcmp(how, "copied") &&
	    path_remove_tree(AT_FDCWD, o->ct.private_area, e) < 0)
		return -1;
	return journal_set_state(o->journal, JOURNAL_DONE, e);
}

static void unlock_both(struct origin *o, const struct ct *to, int *to_lock)
{
	if (strcmp(o->ct.id, to->id))
		o->ops->unlock(to->id, to_lock);
	o->ops->unlock(o->ct.id, &o->lock_fd);
}

int local_recover(struct origin *o, struct err *e)
{
	struct journal *j = o->journal;
	const char *id = journal_get(j, "to_ct"), *name = journal_get(j, "to_name");
	const char *area = journal_get(j, "to_private"), *root = journal_get(j, "to_root");
	struct ct to;
	int to_lock = -1, ret;

	if (!id || !area || !root) /* it died before it did anything */
		return origin_undo(o, e);
	to = (struct ct){ .engine = xstrdup(o->ops->name),
			  .id = xstrdup(id),
			  .name = name ? xstrdup(name) : NULL,
			  .private_area = xstrdup(area),
			  .root = xstrdup(root) };
	/* Both are ours by the migration's ticket. */
	ret = strcmp(to.id, o->ct.id) ? o->ops->lock(to.id, "recover", journal_id(j), &to_lock, e)
				      : 0;
	if (ret == 0)
		ret = journal_get_state(j) == JOURNAL_COMMITTED ? finish(o, &to, e)
								: undo(o, &to, e);
	if (ret == 0)
		unlock_both(o, &to, &to_lock);
	close_fd(&to_lock);
	ct_fini(&to);
	return ret;
}

/* --- the steps --------------------------------------------------------------------- */

static bool was_up(const void *ctx)
{
	return ((const struct local *)ctx)->was != CT_STOPPED;
}

static bool starts(const void *ctx)
{
	const struct local *l = ctx;

	return l->was == CT_RUNNING && !l->job->nostart;
}

static bool moves_area(const void *ctx)
{
	const struct local *l = ctx;

	return !same_area(&l->origin.ct, &l->to);
}

static int put_new_home(struct local *l, struct err *e)
{
	struct journal *j = l->origin.journal;

	if (l->to.name && journal_put(j, "to_name", l->to.name, e) < 0)
		return -1;
	return journal_put(j, "local", "yes", e) < 0 ||
			       journal_put(j, "to_root", l->to.root, e) < 0 ||
			       journal_put(j, "to_private", l->to.private_area, e) < 0 ||
			       journal_put(j, "to_ct", l->to.id, e) < 0
		       ? -1
		       : 0;
}

static int step_begin(void *ctx, struct err *e)
{
	struct local *l = ctx;
	const struct engine_ops *ops = l->origin.ops;
	struct ct from = l->origin.ct;
	int ret;

	l->origin.ct = (struct ct)CT_INIT;
	ret = origin_begin(&l->origin, l->id, ops, &from, l->job, false, e);
	if (ret < 0) {
		l->origin.ops = ops;
		l->origin.ct = from;
		return -1;
	}
	ct_fini(&from);
	if (put_new_home(l, e) < 0)
		return -1;
	guard_arm(&l->guard, l->id);
	if (!strcmp(l->origin.ct.id, l->to.id))
		return 0;
	return ops->lock(l->to.id, "a local move brings it here", l->id, &l->to_lock, e);
}

/* All undo is one function over the journal; it runs as the first step's. */
static void undo_begin(void *ctx)
{
	struct local *l = ctx;
	struct err e = ERR_INIT;

	if (!l->origin.journal)
		return;
	if (undo(&l->origin, &l->to, &e) < 0) {
		event_warning(l->ev, "%s", e.msg);
		return;
	}
	unlock_both(&l->origin, &l->to, &l->to_lock);
	guard_stand_down(&l->guard);
}

static int step_stop(void *ctx, struct err *e)
{
	struct local *l = ctx;

	l->down_ns = clock_ns();
	cancel_allow_pause(false);
	return origin_stop(&l->origin, e);
}

/* The destination's half of a copy, in a thread of its own. */
struct copy {
	struct tree_dest *dest;
	struct peer *peer;
	struct tree_stats stats;
	struct err err;
	int ret;
};

static void *copy_main(void *arg)
{
	struct copy *c = arg;

	c->ret = tree_dest_pass(c->dest, &c->peer, 1, &c->stats, &c->err);
	if (c->ret == 0)
		c->ret = tree_dest_sync(c->dest, &c->err);
	if (c->ret < 0)
		peer_abort(c->peer, &c->err);
	return NULL;
}

static int copy_tree(const char *from, const char *to, struct err *e)
{
	static const struct peer_opts opts = { .name = "localhost" };
	struct tree_opts topts = { .no_journal = true };
	struct tree_dest_opts dopts = { 0 };
	struct tree_source *src = NULL;
	struct copy c = { .err = ERR_INIT };
	struct peer *here = NULL;
	struct tree_stats st;
	pthread_t thread;
	int sv[2], ret = -1;

	if (mkdir(to, 0700) < 0)
		return err_sys(e, "cannot create %s", to);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) < 0)
		return err_sys(e, "cannot make a socket pair");
	if (peer_new(&here, sv[0], sv[0], &opts, e) < 0) {
		close(sv[1]);
		return -1;
	}
	if (peer_new(&c.peer, sv[1], sv[1], &opts, e) < 0 ||
	    tree_source_open(&src, from, &topts, e) < 0 ||
	    tree_dest_open(&c.dest, AT_FDCWD, to, &dopts, e) < 0)
		goto out;
	errno = pthread_create(&thread, NULL, copy_main, &c);
	if (errno) {
		err_sys(e, "cannot start a thread");
		goto out;
	}
	ret = tree_source_first(src, &here, 1, &st, e);
	if (ret < 0)
		peer_abort(here, e);
	pthread_join(thread, NULL);
	if (ret == 0 && c.ret < 0) {
		*e = c.err;
		ret = -1;
	}
out:
	tree_dest_close(c.dest);
	tree_source_close(src);
	peer_free(c.peer);
	peer_free(here);
	return ret;
}

static int step_place(void *ctx, struct err *e)
{
	struct local *l = ctx;
	const char *from = l->origin.ct.private_area, *to = l->to.private_area;
	own_free char *parent = xstrdup(to);
	char *slash = strrchr(parent, '/');

	if (slash && slash != parent) {
		*slash = '\0';
		if (path_mkdirs(parent, 0755, e) < 0)
			return -1;
	}
	if (access(to, F_OK) == 0)
		return err_set(e, ERR_EXISTS, "the private area %s exists", to);
	if (journal_put(l->origin.journal, "placed", "renamed", e) < 0)
		return -1;
	if (rename(from, to) == 0)
		return 0;
	if (errno != EXDEV)
		return err_sys(e, "cannot move %s to %s", from, to);
	event_decision(l->ev, "%s lies on another file system: the area is copied", to);
	if (journal_put(l->origin.journal, "placed", "copied", e) < 0)
		return -1;
	return copy_tree(from, to, e);
}

static int step_rename(void *ctx, struct err *e)
{
	struct local *l = ctx;

	if (journal_put(l->origin.journal, "renamed", "yes", e) < 0)
		return -1;
	return l->origin.ops->rename(&l->origin.ct, &l->to, e);
}

static int step_hold(void *ctx, struct err *e)
{
	struct local *l = ctx;

	if (journal_put(l->origin.journal, "held", "yes", e) < 0)
		return -1;
	return l->origin.ops->hold(&l->to, e);
}

static int step_commit(void *ctx, struct err *e)
{
	return origin_commit(&((struct local *)ctx)->origin, e);
}

static int step_finish(void *ctx, struct err *e)
{
	struct local *l = ctx;

	if (finish(&l->origin, &l->to, e) < 0) {
		e->code = ERR_RECOVER;
		return err_hint(e, "mend that, then: pmigrate recover %s", l->id);
	}
	l->up_ns = clock_ns();
	unlock_both(&l->origin, &l->to, &l->to_lock);
	guard_stand_down(&l->guard);
	return 0;
}

static const struct step steps[] = {
	{ "begin", PHASE_COPY, STEP_REVERSIBLE, NULL, step_begin, undo_begin },
	{ "stop", PHASE_STOP, STEP_REVERSIBLE, was_up, step_stop, NULL },
	{ "place", PHASE_COPY, STEP_REVERSIBLE, moves_area, step_place, NULL },
	{ "rename", PHASE_HOLD, STEP_REVERSIBLE, NULL, step_rename, NULL },
	{ "hold", PHASE_HOLD, STEP_REVERSIBLE, starts, step_hold, NULL },
	{ "commit", PHASE_START, STEP_COMMIT, NULL, step_commit, NULL },
	{ "finish", PHASE_START, STEP_AFTER, NULL, step_finish, NULL },
	{ .name = NULL },
};

/* --- the whole --------------------------------------------------------------------- */

static void show_phase(void *ctx, const struct step *st)
{
	struct local *l = ctx;

	if (st->phase == l->phase)
		return;
	if (l->phase >= 0)
		event_phase_end(l->ev, (enum phase)l->phase, true);
	l->phase = st->phase;
	event_phase_begin(l->ev, (enum phase)l->phase, NULL);
}

/* The new home: what the user said, else as it was; defaults follow a new id. */
static int plan_new_home(struct local *l, struct err *e)
{
	const struct job *job = l->job;
	const struct ct *from = &l->origin.ct;
	const char *id = job->new_id ? job->new_id : job->dst.name ? job->dst.name : from->id;
	const char *name = job->new_name ? job->new_name : from->name;
	bool same_id = !strcmp(id, from->id);
	struct ct_desc d = { .engine = from->engine,
			     .id = (char *)(uintptr_t)id,
			     .name = NULL,
			     .private_area = job->new_private,
			     .root = job->new_root,
			     .config = (char *)(uintptr_t)"" };
	struct ct home = CT_INIT;
	int ret = 0;

	/* A new id's defaults are the engine's; the same id keeps its places. */
	if (!same_id)
		ret = l->origin.ops->plan_home(&d, &home, e);
	if (ret == 0) {
		const char *area = same_id ? from->private_area : home.private_area;
		const char *root = same_id ? from->root : home.root;

		l->to = (struct ct){
			.engine = xstrdup(l->origin.ops->name),
			.id = xstrdup(id),
			.name = name ? xstrdup(name) : NULL,
			.private_area = xstrdup(job->new_private ? job->new_private : area),
			.root = xstrdup(job->new_root ? job->new_root : root),
		};
		if (same_id && same_area(from, &l->to) && !strcmp(from->root, l->to.root) &&
		    !job->new_name) {
			ret = err_set(e, ERR_SAME, "source and destination are the same");
			err_hint(e, "say what shall be different: --new-id, --new-name, "
				    "--new-private, --new-root, or another server");
		}
	}
	ct_fini(&home);
	return ret;
}

static void tell_end(struct local *l, enum step_outcome outcome, const struct err *e)
{
	struct account a = { .mode = "local",
			     .total_ms = (double)(clock_ns() - l->begun_ns) / 1e6 };
	bool gone = outcome != STEPS_UNDONE;
	struct final_state f = {
		.id = l->origin.ct.id,
		.name = l->origin.ct.name,
		.source = "localhost",
		.source_state = gone			? "absent"
				: l->was == CT_RUNNING ? "running"
							: "stopped",
		.destination = "localhost",
		.destination_id = l->to.id,
		.destination_state = !gone		    ? "absent"
				     : starts(l) && l->up_ns ? "running"
							    : "stopped",
		.undecided = e->code == ERR_RECOVER,
		.migration_id = l->id,
	};

	if (gone && l->down_ns && l->up_ns && starts(l)) {
		a.has_downtime = true;
		a.downtime_ms = (double)(l->up_ns - l->down_ns) / 1e6;
	}
	if (gone)
		event_account(l->ev, &a);
	event_state(l->ev, &f);
}

static int run(struct local *l, struct err *e)
{
	static const struct step_hooks hooks = { .end = "local", .begin = show_phase };
	enum step_outcome outcome;
	bool settled;

	if (recover_earlier(l->job, l->ev, &settled, e) < 0)
		return -1;
	if (engine_find(l->job->src.name, &l->origin.ops, &l->origin.ct, e) < 0 ||
	    l->origin.ops->state(&l->origin.ct, &l->was, e) < 0 || plan_new_home(l, e) < 0)
		return -1;
	if (l->job->dry_run)
		return 0;
	journal_make_id(l->id, l->origin.ct.id);
	outcome = steps_run(steps, &hooks, l, e);
	if (l->phase >= 0)
		event_phase_end(l->ev, (enum phase)l->phase, outcome == STEPS_DONE);
	tell_end(l, outcome, e);
	return outcome == STEPS_DONE ? 0 : -1;
}

int local_run(const struct job *job, struct events *ev, struct err *e)
{
	struct local l = { .job = job,
			   .ev = ev,
			   .guard = GUARD_INIT,
			   .origin = ORIGIN_INIT,
			   .to_lock = -1,
			   .phase = -1,
			   .begun_ns = clock_ns() };
	int ret = guard_start(&l.guard, e) < 0 ? -1 : run(&l, e);

	guard_stand_down(&l.guard);
	close_fd(&l.to_lock);
	ct_fini(&l.to);
	origin_fini(&l.origin);
	return ret;
}
