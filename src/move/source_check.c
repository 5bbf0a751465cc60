// SPDX-License-Identifier: MIT
/*
 * Everything before the first change: the container, the link, the joint
 * checks, and the prediction of --dry-run.
 */
#include "move/source.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/own.h"
#include "move/online/source.h"
#include "plan/gather.h"
#include "plan/predict.h"
#include "wire/proto.h"

/* What a cold stop and start cost without data, with an init of its own and with one service, and what
 * the frozen window of an online move costs with such an init: as measured in the lab. */
enum {
	WATCH_MS = 2000,
	STOP_SYSTEMD_MS = 600,
	START_MS = 150,
	STOP_MS = 100,
	FREEZE_SYSTEMD_MS = 550,
};

static void replace(char **text, const char *by)
{
	free(*text);
	*text = by ? xstrdup(by) : NULL;
}

/* The description with what the user wants different there. */
static int describe(struct source *s, struct err *e)
{
	const struct job *job = s->job;
	struct ct_desc *d = &s->desc;

	if (s->ops->describe(&s->ct, d, e) < 0)
		return -1;
	/* The destination's own defaults, unless the user says where. */
	replace(&d->private_area, job->new_private);
	replace(&d->root, job->new_root);
	if (job->new_id)
		replace(&d->id, job->new_id);
	if (job->vm_dir)
		d->private_area = xasprintf("%s/%s", job->vm_dir, d->id);
	if (job->new_name)
		replace(&d->name, job->new_name);
	return 0;
}

/* Names of virtual machines are libvirt's, those of containers are looked up everywhere. */
static int find(struct source *s, struct err *e)
{
	const char *name = s->job->src.name;

	if (s->job->src_kind != KIND_VM)
		return engine_find(name, &s->ops, &s->ct, e);
	s->ops = engine_by_name("libvirt");
	if (!s->ops->present()) {
		err_set(e, ERR_ABSENT, "there is no libvirt here to ask for the virtual machine %s",
			name);
		return err_hint(e, "is libvirtd (or virtqemud) running?");
	}
	return s->ops->find(name, &s->ct, e);
}

/* It is not here: did we move it away?  The journals know, for a month. */
static int say_where_it_went(const char *name, struct err *e)
{
	own_free char *host = NULL;
	char **ids = NULL;

	if (journal_list(ROLE_SOURCE, &ids, NULL) < 0)
		return -1;
	for (size_t i = 0; ids[i]; i++) { /* the newest is the last */
		own_free char *id = ids[i];
		const char *ct, *called, *to;
		struct journal *j;
		bool live;

		if (journal_peek(id, ROLE_SOURCE, &j, &live, NULL) < 0)
			continue;
		ct = journal_get(j, "ct");
		called = journal_get(j, "name");
		to = journal_get(j, "host");
		if (to && journal_get_state(j) == JOURNAL_DONE &&
		    ((ct && !strcmp(ct, name)) || (called && !strcmp(called, name)))) {
			free(host);
			host = xstrdup(to);
		}
		journal_free(j);
	}
	free(ids);
	return host ? err_hint(e, "it was moved to %s", host) : -1;
}

int source_find(struct source *s, struct err *e)
{
	if (find(s, e) < 0)
		return e->code == ERR_ABSENT && s->job->src_kind == KIND_CONTAINER ?
			       say_where_it_went(s->job->src.name, e) : -1;
	if (s->ops->state(&s->ct, &s->was, e) < 0)
		return -1;
	if (s->job->src_kind == KIND_VM && s->was == CT_HELD) {
		err_set(e, ERR_UNSUPPORTED, "virtual machine %s is paused", s->ct.id);
		return err_hint(e, "virsh resume %s, or shut it down", s->ct.id);
	}
	if (s->job->online && s->was != CT_RUNNING) {
		err_set(e, ERR_USAGE, "Container %s is %s: --online moves running ones", s->ct.id,
			ct_state_word(s->was));
		return err_hint(e, "leave out --online");
	}
	if (describe(s, e) < 0)
		return -1;
	return need_gather(s->job, &s->ct, &s->desc, s->was, &s->need, e) < 0 ||
			       facts_gather(&s->need, NULL, &s->here, e) < 0
		       ? -1
		       : 0;
}

int source_connect(struct source *s, struct err *e)
{
	if (s->job->limit_bps)
		s->limit = bucket_new(s->job->limit_bps);
	return remote_open(&s->remote, &s->job->dst.where, &s->job->link, s->limit, e);
}

static int open_there(struct source *s, struct err *e)
{
	const struct job *job = s->job;
	own_buf struct buf b = BUF_INIT;
	own_frame struct frame f = FRAME_INIT;
	struct msg_open m = { .flags = (job->keep_dst ? OPEN_KEEP_DST : 0u) |
				       (job->dry_run ? OPEN_DRY_RUN : 0u) |
				       (job->online ? OPEN_ONLINE : 0u),
			      .source = s->here.hostname,
			      .desc = s->desc,
			      .need = s->need };

	memcpy(m.id, s->id, sizeof(m.id));
	msg_open_put(&b, &m);
	msg_opened_fini(&s->opened);
	if (peer_call(s->remote.peer, PROTO_OPEN, &b, &f, e) < 0)
		return -1;
	return msg_opened_get(&f, &s->opened, e);
}

/*
 * An unfinished migration of this container lies there.  Ours and decided here:
 * the destination is told so.  Otherwise nobody here knows, and it stays.
 */
static int settle_stale(struct source *s, struct err *e)
{
	for (size_t i = 0; i < s->opened.stale.n; i++) {
		const char *id = s->opened.stale.item[i];
		struct msg_asked asked;
		struct journal *j = NULL;
		enum journal_state ours = JOURNAL_NONE;
		bool live = false;

		if (journal_peek(id, ROLE_SOURCE, &j, &live, NULL) == 0)
			ours = journal_get_state(j);
		journal_free(j);
		if (ours != JOURNAL_UNDONE || live) {
			err_set(e, ERR_LOCKED, "%s has an unfinished migration %s of it",
				s->remote.hello.host, id);
			return err_hint(e, "run `pmigrate recover %s` on the server it came from",
					id);
		}
		if (remote_ask(&s->remote, id, VERDICT_UNDO, &asked, e) < 0)
			return -1;
		if (asked.state != JOURNAL_UNDONE)
			return err_set(e, ERR_LOCKED,
				       "an earlier migration, %s, cannot be undone on %s: %s", id,
				       s->remote.hello.host, asked.why.msg);
		log_info("an earlier migration, %s, was undone on %s", id,
			 s->remote.hello.host);
	}
	return 0;
}

int source_check(struct source *s, struct err *e)
{
	own_findings struct findings found = FINDINGS_INIT;
	int verdict;

	if (open_there(s, e) < 0)
		return -1;
	if (s->opened.stale.n && !s->job->dry_run) {
		if (settle_stale(s, e) < 0 || open_there(s, e) < 0)
			return -1;
	}
	check_all(s->job, &s->need, &s->here, &s->opened.facts, &found);
	if (online_check(s, &found, e) < 0)
		return -1;
	for (size_t i = 0; i < found.n; i++)
		event_finding(s->ev, &found.item[i]);
	verdict = findings_verdict(&found, e);
	s->run_there = s->need.start && !findings_nostart(&found);
	if (s->need.start && !s->run_there)
		event_warning(s->ev, "a bypassed check failed: %s %s will not be started on "
				     "%s", engine_noun(s->ops->name), s->desc.id, s->remote.hello.host);
	return verdict;
}

/* Watches for a while how fast files and, for an online move, memory change. */
static int watch_changes(struct source *s, struct predict_in *in, struct tree_measure *m,
			 struct err *e)
{
	struct online_watch watch = { .track = NULL };
	struct tree_opts opts = { .no_journal = s->was != CT_RUNNING || source_is_vm(s),
				  .mounted_files = source_is_vm(s) };
	int ret;

	if (in->online && !in->noiter && online_watch_begin(s, &watch, e) < 0) {
		if (s->job->require_realtime)
			return err_wrap(e, "iterative migration is not possible");
		event_warning(s->ev, "would go on as %s migration: %s", in->lazy ? "lazy" : "simple",
			      e->msg);
		*e = (struct err)ERR_INIT;
		in->noiter = true;
	}
	ret = tree_source_open(&s->tree, s->ct.private_area, &opts, e) < 0 ||
			      tree_source_measure(s->tree, in->running ? WATCH_MS : 0, m, e) < 0
		      ? -1
		      : 0;
	if (ret == 0 && watch.track)
		ret = online_watch_read(&watch, &in->memory_bytes, &in->dirty_bps, e);
	online_watch_end(&watch);
	return ret;
}

int source_predict(struct source *s, struct err *e)
{
	struct tree_measure m;
	struct prediction out;
	struct predict_in in = {
		.running = s->was == CT_RUNNING && s->run_there,
		.online = s->job->online,
		.lazy = s->job->lazy,
		.noiter = s->job->noiter,
		.memory_bytes = s->need.memory_used,
		.stop_ms = s->need.systemd ? STOP_SYSTEMD_MS : STOP_MS,
		.start_ms = START_MS,
		.freeze_ms = s->need.systemd ? FREEZE_SYSTEMD_MS : 0,
		.max_downtime_ms = (double)s->job->max_downtime_ms,
	};
	uint64_t link;

	if (watch_changes(s, &in, &m, e) < 0 || remote_probe(&s->remote, &in.rtt_ms, &link, e) < 0)
		return -1;
	if (s->job->limit_bps && s->job->limit_bps < link)
		link = s->job->limit_bps;
	in.tree_bytes = m.bytes;
	in.tree_files = m.files + m.dirs;
	in.link_bps = (double)link;
	if (m.changed_names_per_s > 0) {
		in.change_files_ps = m.changed_names_per_s;
		in.change_bps = m.changed_bytes_per_s;
	}
	predict(&in, &out);
	event_prediction(s->ev, &out);
	return 0;
}
