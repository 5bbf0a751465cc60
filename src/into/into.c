// SPDX-License-Identifier: MIT
#include "into/into.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/own.h"
#include "move/remote.h"
#include "move/step.h"
#include "plan/predict.h"

/* --- the steps --------------------------------------------------------------------- */

static bool has_keeper(const void *ctx)
{
	const struct into *n = ctx;

	return n->job->srvstop.n > 0 || n->job->take_addresses;
}

static bool goes_on(const void *ctx)
{
	const struct into *n = ctx;

	return has_keeper(n) && !n->job->take_addresses;
}

static bool takes(const void *ctx)
{
	const struct into *n = ctx;

	return n->job->take_addresses;
}

static int step_begin(void *ctx, struct err *e)
{
	return into_area_begin(ctx, e);
}

static int step_copy(void *ctx, struct err *e)
{
	return into_copy(ctx, false, e);
}

static int step_stop(void *ctx, struct err *e)
{
	return into_services_stop(ctx, e);
}

/* Also after a failure, and twice.  -1: the copy is worth nothing. */
static int start_services(struct into *n, struct err *e)
{
	own_strv struct strv failed = STRV_INIT;
	own_free char *names = NULL;

	if (into_services_start(n, &failed, e) < 0)
		return -1;
	if (!failed.n)
		return 0;
	names = strv_join(&failed, " ");
	err_set(&n->services_err, ERR_START, "on %s these services do not start again: %s",
		n->source, names);
	event_warning(n->ev, "%s", n->services_err.msg);
	return 0;
}

static void undo_stop(void *ctx)
{
	struct into *n = ctx;
	struct err e = ERR_INIT;

	if (start_services(n, &e) < 0)
		event_warning(n->ev, "%s", e.msg);
}

static int step_last(void *ctx, struct err *e)
{
	return into_copy(ctx, true, e);
}

static int step_settle(void *ctx, struct err *e)
{
	return into_settle(ctx, e);
}

static int step_register(void *ctx, struct err *e)
{
	return into_area_register(ctx, e);
}

/* All is read: the services go on.  One that does not is told at the end. */
static int step_restart(void *ctx, struct err *e)
{
	return start_services(ctx, e);
}

static int step_flags(void *ctx, struct err *e)
{
	return into_traits_flags(ctx, e);
}

/* The Container takes over: into_take.c.  When it cannot, the server goes on. */
static int step_take(void *ctx, struct err *e)
{
	struct into *n = ctx;
	struct err why = ERR_INIT;

	if (into_take(n, e) == 0)
		return 0;
	if (!n->given && start_services(n, &why) < 0)
		event_warning(n->ev, "%s", why.msg);
	return -1;
}

static int step_boot(void *ctx, struct err *e)
{
	struct into *n = ctx;

	(void)e;
	if (n->started)
		into_boot(n);
	return 0;
}

static int step_services(void *ctx, struct err *e)
{
	const struct into *n = ctx;

	if (n->services_err.code == ERR_NONE)
		return 0;
	*e = n->services_err;
	return -1;
}

/* The area has no undo: what was copied is kept on purpose. */
static const struct step from_server[] = {
	{ "begin", PHASE_COPY, STEP_REVERSIBLE, NULL, step_begin, NULL },
	{ "copy", PHASE_COPY, STEP_REVERSIBLE, NULL, step_copy, NULL },
	{ "stop", PHASE_STOP, STEP_REVERSIBLE, has_keeper, step_stop, undo_stop },
	{ "last", PHASE_LAST, STEP_REVERSIBLE, NULL, step_last, NULL },
	{ "restart", PHASE_LAST, STEP_REVERSIBLE, goes_on, step_restart, NULL },
	{ "settle", PHASE_HOLD, STEP_REVERSIBLE, NULL, step_settle, NULL },
	{ "register", PHASE_HOLD, STEP_COMMIT, NULL, step_register, NULL },
	{ "flags", PHASE_HOLD, STEP_AFTER, NULL, step_flags, NULL },
	{ "take", PHASE_START, STEP_AFTER, takes, step_take, NULL },
	{ "boot", PHASE_START, STEP_AFTER, takes, step_boot, NULL },
	{ "services", PHASE_HOLD, STEP_AFTER, has_keeper, step_services, NULL },
	{ .name = NULL },
};

static int step_copy_image(void *ctx, struct err *e)
{
	return into_image_copy(ctx, e);
}

static const struct step from_image[] = {
	{ "begin", PHASE_COPY, STEP_REVERSIBLE, NULL, step_begin, NULL },
	{ "copy", PHASE_COPY, STEP_REVERSIBLE, NULL, step_copy_image, NULL },
	{ "settle", PHASE_HOLD, STEP_REVERSIBLE, NULL, step_settle, NULL },
	{ "register", PHASE_HOLD, STEP_COMMIT, NULL, step_register, NULL },
	{ "take", PHASE_START, STEP_AFTER, takes, step_take, NULL },
	{ "boot", PHASE_START, STEP_AFTER, takes, step_boot, NULL },
	{ .name = NULL },
};

/* --- the whole --------------------------------------------------------------------- */

static void show_phase(void *ctx, const struct step *st)
{
	struct into *n = ctx;

	if (st->phase == n->phase)
		return;
	if (n->phase >= 0)
		event_phase_end(n->ev, (enum phase)n->phase, true);
	n->phase = st->phase;
	event_phase_begin(n->ev, (enum phase)n->phase, NULL);
}

static void end_phase(struct into *n, bool ok)
{
	if (n->phase >= 0)
		event_phase_end(n->ev, (enum phase)n->phase, ok);
	n->phase = -1;
}

static const struct step_hooks hooks = { .end = "into", .begin = show_phase };

void into_note(struct into *n, const char *word, const char *fmt, ...)
{
	own_findings struct findings f = FINDINGS_INIT;
	own_free char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = xmust(NULL);
	va_end(ap);
	findings_note(&f, FINDING_NOTE, word, "%s", text);
	event_finding(n->ev, &f.item[0]);
}

static void tell_not_started(struct into *n)
{
	if (into_image_autostart(n))
		event_warning(n->ev, "%s starts with its server: virsh autostart --disable %s there",
			      n->source, n->job->src.name);
	if (n->started)
		into_note(n, "started",
			  n->image ? "Container %s runs: %s must stay shut off" :
				     "Container %s runs with the addresses of %s, which has them no "
				     "more until it is rebooted: switch it off, or keep it off the network",
			  n->desc.id, n->source);
	else if (n->image)
		into_note(n, "not_started",
			  "Container %s is not started: %s must stay shut off then; "
			  "pctl start %s --wait", n->desc.id, n->source, n->desc.id);
	else if (n->given)
		into_note(n, "not_started",
			  "%s has given its addresses up, but Container %s does not run: pctl start %s --wait; "
			  "a reboot gives them back to the server", n->source, n->desc.id, n->desc.id);
	else
		into_note(n, "not_started",
			  "Container %s is not started: %s still has its addresses; stop "
			  "that one, then: pctl start %s --wait (--take-addresses does both at once)",
			  n->desc.id, n->source, n->desc.id);
}

static void tell_end(struct into *n)
{
	char host[256] = "localhost";
	struct final_state f = {
		.id = n->source,
		.source = n->source,
		.source_state = n->image || n->given ? "stopped" : "running",
		.destination = host,
		.destination_id = n->desc.id,
		.destination_state = n->started	   ? "running" :
				     n->registered ? "stopped" :
						     "absent",
	};

	gethostname(host, sizeof(host) - 1);
	if (n->registered) {
		n->account.mode = "cold";
		n->account.total_ms = (double)((n->done_ns ? n->done_ns : clock_ns()) - n->begun_ns) / 1e6;
		event_account(n->ev, &n->account);
		tell_not_started(n);
	}
	event_state(n->ev, &f);
}

/* What it would take, from what was measured.  A disk is read where it is: the speed
 * of that is not known. */
static void tell_prediction(struct into *n)
{
	struct predict_in in = { .tree_bytes = n->need_kib * 1024, .tree_files = n->need_inodes };
	struct prediction p;
	struct err e = ERR_INIT;

	into_note(n, "home", "%s would become Container %s in %s", n->source, n->desc.id,
		  n->ct.private_area);
	if (!n->image && into_ssh_probe(&n->ssh, &in.link_bps, &e) < 0)
		event_warning(n->ev, "%s", e.msg);
	if (n->job->limit_bps && (double)n->job->limit_bps < in.link_bps)
		in.link_bps = (double)n->job->limit_bps;
	predict(&in, &p);
	event_prediction(n->ev, &p);
}

static int run(struct into *n, struct err *e)
{
	enum step_outcome outcome;

	n->phase = PHASE_CHECK;
	event_phase_begin(n->ev, PHASE_CHECK, NULL);
	if (n->job->dst.where.host) {
		err_set(e, ERR_UNSUPPORTED, "a server becomes a Container only of the server where "
					    "pmigrate runs");
		return err_hint(e, "run it on %s, with localhost/%s behind 'c'",
				n->job->dst.where.host, n->job->dst.name);
	}
	if ((n->job->src_kind == KIND_VM ? into_image_look(n, e) : into_look(n, e)) < 0 ||
	    into_check(n, e) < 0)
		return -1;
	if (n->job->dry_run) {
		tell_prediction(n);
		end_phase(n, true);
		return 0;
	}
	if (cancel_requested())
		return cancel_err(e);
	outcome = steps_run(n->image ? from_image : from_server, &hooks, n, e);
	end_phase(n, outcome == STEPS_DONE);
	tell_end(n);
	return outcome == STEPS_DONE ? 0 : -1;
}

static void into_fini(struct into *n)
{
	child_fini(&n->keeper);
	into_ssh_close(&n->ssh);
	into_image_free(n->image);
	where_fini(&n->vm_where);
	if (n->lock_fd >= 0)
		n->ops->unlock(n->desc.id, &n->lock_fd);
	dist_changes_fini(&n->changes);
	dist_fini(&n->dist);
	into_plan_fini(&n->plan);
	strv_fini(&n->services);
	strv_fini(&n->lost);
	ct_desc_fini(&n->desc);
	ct_fini(&n->ct);
	free(n->quotas);
	free(n->machine);
	free(n->scan);
	free(n->source);
}

/* "root@old"; "/srv/vm.qcow2"; "root@kvm/web" */
static char *source_text(const struct job *job)
{
	own_free char *host = remote_text(&job->src.where);

	if (job->src_kind != KIND_VM)
		return take_ptr(&host);
	return job->src.where.host ? xasprintf("%s/%s", host, job->src.name) :
				     xstrdup(job->src.name);
}

int into_run(const struct job *job, struct events *ev, struct err *e)
{
	struct into n = { .job = job,
			  .ev = ev,
			  .ssh = INTO_SSH_INIT,
			  .dist = DIST_INIT,
			  .ct = CT_INIT,
			  .lock_fd = -1,
			  .keeper = CHILD_INIT,
			  .changes = DIST_CHANGES_INIT,
			  .phase = -1,
			  .begun_ns = clock_ns() };
	char host[256] = "localhost";
	int ret;

	gethostname(host, sizeof(host) - 1);
	n.where = &job->src.where;
	n.source = source_text(job);
	event_begin(ev, job, n.source, n.source, host);
	ret = run(&n, e);
	if (ret < 0)
		end_phase(&n, false);
	into_fini(&n);
	event_finish(ev, ret < 0 ? e : NULL, NULL);
	return ret;
}
