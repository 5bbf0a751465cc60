// SPDX-License-Identifier: MIT
#include "move/recover.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/own.h"
#include "commit/dest.h"
#include "commit/origin.h"
#include "move/follow.h"
#include "move/local.h"
#include "move/move.h"
#include "move/remote.h"

enum { GUARD_MS = 30000, ASK_MS = 9000, FOLLOW_MS = 20000 };

/* Where decisions are told to. */
struct teller {
	void (*say)(void *arg, const char *line);
	void *arg;
};

__attribute__((format(printf, 2, 3))) static void tell(const struct teller *t, const char *fmt,
						       ...)
{
	own_free char *line = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&line, fmt, ap) < 0)
		line = NULL;
	va_end(ap);
	if (!line)
		return;
	log_info("%s", line);
	if (t->say)
		t->say(t->arg, line);
}

/* What the destination says to our verdict. */
static int ask_destination(const struct origin *o, enum verdict v, struct msg_asked *out,
			   struct err *e)
{
	struct remote r = REMOTE_INIT;
	struct link_opts lo = { .timeout_ms = 0 };
	struct where w = { 0 };
	int ret = -1;

	int known = origin_destination(o, &w, &lo, e);

	/* A container may be waiting for the answer: not for long. */
	lo.timeout_ms = ASK_MS;
	if (known == 0 && remote_open(&r, &w, &lo, NULL, e) == 0)
		ret = remote_ask(&r, journal_id(o->journal), v, out, e);
	remote_close(&r);
	where_fini(&w);
	strv_fini(&lo.ssh);
	return ret;
}

/* By hand, when the destination lost the memory of the container after it had run. */
static int take_back(struct origin *o, const struct teller *t, struct err *e)
{
	const char *id = journal_id(o->journal);
	struct msg_asked asked = { .state = JOURNAL_NONE };

	if (ask_destination(o, VERDICT_LOST, &asked, e) < 0) {
		e->code = ERR_RECOVER;
		return err_wrap(e, "migration %s was committed, and its destination cannot be "
				   "asked", id);
	}
	if (asked.state != JOURNAL_UNDONE && asked.state != JOURNAL_NONE) {
		err_set(e, ERR_RECOVER, "migration %s is %s at its destination: Container %s is not lost there",
			id, journal_state_word(asked.state), o->ct.id);
		return err_hint(e, "pmigrate recover %s", id);
	}
	tell(t, "migration %s: Container %s goes on here from the moment of the switch", id, o->ct.id);
	return origin_undo(o, e);
}

/* Until the destination has decided, and all memory. */
static int follow(const struct origin *o, struct msg_asked *out, struct err *e)
{
	own_ct_parts struct ct_parts parts = CT_PARTS_INIT;
	struct link_opts lo = { .timeout_ms = 0 };
	struct where w = { 0 };
	struct follow f = { .id = journal_id(o->journal), .where = &w, .link = &lo, .timeout_ms = FOLLOW_MS };
	int ret = origin_destination(o, &w, &lo, e);

	lo.timeout_ms = ASK_MS;
	if (ret == 0 && origin_is_lazy(o)) {
		f.parts = &parts;
		ret = o->ops->parts(&o->ct, &parts, e);
	}
	if (ret == 0)
		ret = follow_run(&f, out, e);
	where_fini(&w);
	strv_fini(&lo.ssh);
	return ret;
}

static int finish_committed(struct origin *o, const struct teller *t, struct err *e)
{
	const char *id = journal_id(o->journal);
	struct msg_asked asked = { .state = JOURNAL_NONE };

	if (ask_destination(o, VERDICT_COMMIT, &asked, e) < 0) {
		e->code = ERR_RECOVER;
		return err_wrap(e, "migration %s was committed, and its destination cannot be "
				   "asked", id);
	}
	if (asked.state == JOURNAL_COMMITTED && asked.why.code == ERR_NONE &&
	    follow(o, &asked, e) < 0) {
		e->code = ERR_RECOVER;
		return err_wrap(e, "Container %s runs at its destination, but needs its copy here", o->ct.id);
	}
	switch (asked.state) {
	case JOURNAL_DONE:
		tell(t, "migration %s: %s %s is at its destination; the copy here is put "
			"away", id, engine_noun(o->ops->name), o->ct.id);
		return origin_retire(o, e);
	case JOURNAL_NONE:
	case JOURNAL_UNDONE:
		tell(t, "migration %s: the destination gave %s %s up before it ran; it stays here",
		     id, engine_noun(o->ops->name), o->ct.id);
		return origin_undo(o, e);
	case JOURNAL_ACTIVE:
	case JOURNAL_READY:
	case JOURNAL_COMMITTED:
		break;
	}
	err_set(e, ERR_RECOVER, "migration %s is %s at its destination: %s", id,
		journal_state_word(asked.state), asked.why.msg);
	return err_hint(e, "%s", asked.why.hint[0] ? asked.why.hint : "mend that, then run it again");
}

/*
 * It was never told to run.  The destination is asked before our copy is: an
 * administrator there may have decided by hand that it has the container, because
 * this server counted as lost.
 */
static int undo_active(struct origin *o, const struct teller *t, struct err *e)
{
	const char *id = journal_id(o->journal);
	struct msg_asked asked = { .state = JOURNAL_NONE, .why = ERR_INIT };
	struct err far = ERR_INIT;
	bool reached = ask_destination(o, VERDICT_UNDO, &asked, &far) == 0;

	if (reached && asked.state == JOURNAL_DONE) {
		tell(t, "migration %s was completed at its destination by hand; the copy of %s %s "
			"here is put away", id, engine_noun(o->ops->name), o->ct.id);
		return origin_retire(o, e);
	}
	if (origin_undo(o, e) < 0) {
		e->code = ERR_RECOVER;
		return -1;
	}
	tell(t, "migration %s is undone: %s %s stays here", id,
	     o->ops ? engine_noun(o->ops->name) : "Container", o->ct.id ? o->ct.id : "");
	if (!reached)
		tell(t, "its destination could not be asked to clean up (%s); the next migration "
			"there does it", far.msg);
	else if (asked.why.code != ERR_NONE)
		tell(t, "its destination could not clean up: %s", asked.why.msg);
	return 0;
}

static int recover_source(const char *id, const char *verdict, const struct teller *t, struct err *e)
{
	struct origin o = ORIGIN_INIT;
	int ret = -1;

	if (origin_resume(&o, id, e) < 0)
		goto out;
	if (local_is(o.journal) && journal_get_state(o.journal) != JOURNAL_DONE &&
	    journal_get_state(o.journal) != JOURNAL_UNDONE) {
		ret = local_recover(&o, e);
		if (ret == 0)
			tell(t, "local move %s of Container %s is %s", id, o.ct.id,
			     journal_get_state(o.journal) == JOURNAL_DONE ? "finished" : "undone");
		goto out;
	}
	switch (journal_get_state(o.journal)) {
	case JOURNAL_ACTIVE:
	case JOURNAL_READY:
		ret = undo_active(&o, t, e);
		break;
	case JOURNAL_COMMITTED:
		ret = verdict && !strcmp(verdict, "undo") ? take_back(&o, t, e) : finish_committed(&o, t, e);
		break;
	case JOURNAL_NONE:
	case JOURNAL_DONE:
	case JOURNAL_UNDONE:
		ret = 0;
		break;
	}
out:
	origin_fini(&o);
	return ret;
}

static int recover_dest(const char *id, const char *verdict, const struct teller *t,
			struct err *e)
{
	struct dest d = DEST_INIT;
	bool commit = verdict && !strcmp(verdict, "commit");
	bool undo = verdict && !strcmp(verdict, "undo");
	struct journal *j = NULL;
	enum journal_state s;
	bool live = false;
	int ret = -1;

	if (journal_peek(id, ROLE_DEST, &j, &live, e) < 0)
		return -1;
	s = journal_get_state(j);
	journal_free(j);
	if (s == JOURNAL_DONE || s == JOURNAL_UNDONE)
		return 0;
	/* By hand: its source is lost, and it waits for memory for ever. */
	if (live && !(s == JOURNAL_COMMITTED && commit))
		return err_set(e, ERR_LOCKED, "migration %s is running", id);
	if (s == JOURNAL_READY && !commit && !undo) {
		err_set(e, ERR_RECOVER, "migration %s is ready here; only its source knows whether "
					"it shall run", id);
		return err_hint(e, "run `pmigrate recover %s` on the source; if that is lost for "
				   "good: pmigrate recover --commit %s (or --undo)", id, id);
	}
	if (dest_resume(&d, id, e) < 0)
		goto out;
	if (dest_lacks_memory(&d) && undo) {
		err_set(e, ERR_RECOVER, "only the source can take Container %s back", d.home.id);
		err_hint(e, "there: pmigrate recover --undo %s", id);
	} else if (journal_get_state(d.journal) == JOURNAL_COMMITTED || commit) {
		ret = dest_lacks_memory(&d) && commit ? dest_start_anew(&d, e) : dest_commit(&d, e);
		if (ret == 0)
			tell(t, "migration %s is finished: %s %s is here", id,
			     engine_noun(d.ops->name), d.home.id);
	} else if (d.ops) {
		ret = dest_undo(&d, e);
		if (ret == 0)
			tell(t, "migration %s is undone: nothing of it is left here", id);
	} else {
		ret = 0;
	}
out:
	dest_fini(&d);
	return ret;
}

/* Recovers all of one role; remembers the first failure, goes on with the rest. */
static int recover_all(enum journal_role role, const struct teller *t, struct err *e)
{
	char **ids = NULL;
	int ret = 0;

	if (journal_list(role, &ids, e) < 0)
		return -1;
	for (size_t i = 0; ids[i]; i++) {
		own_free char *id = ids[i];
		struct err one = ERR_INIT;
		int r = role == ROLE_SOURCE ? recover_source(id, NULL, t, &one)
					    : recover_dest(id, NULL, t, &one);

		if (r == 0)
			continue;
		tell(t, "%s", one.msg);
		if (one.code == ERR_LOCKED)
			continue; /* it runs: nothing to recover */
		if (ret == 0)
			*e = one;
		ret = -1;
	}
	free(ids);
	return ret;
}

int recover_run(const char *id, const char *verdict, void (*say)(void *arg, const char *line),
		void *arg, struct err *e)
{
	const struct teller t = { say, arg };
	struct err other = ERR_INIT;
	int a, b;

	if (!id) {
		a = recover_all(ROLE_SOURCE, &t, e);
		b = recover_all(ROLE_DEST, &t, a < 0 ? &other : e);
		return a < 0 || b < 0 ? -1 : 0;
	}
	/* Both ends of a local move are here. */
	a = recover_source(id, verdict, &t, e);
	if (a < 0 && e->code != ERR_ABSENT)
		return -1;
	b = recover_dest(id, verdict, &t, a < 0 ? e : &other);
	if (b < 0 && a == 0 && other.code != ERR_ABSENT) {
		*e = other;
		return -1;
	}
	return a == 0 ? 0 : b;
}

/* Does journal `id` speak of the container the user named? */
static bool is_about(const char *id, const char *name, bool *live, enum journal_state *state,
		     char **host)
{
	const char *ct, *called, *colon = strchr(name, ':');
	struct journal *j = NULL;
	bool same;

	if (journal_peek(id, ROLE_SOURCE, &j, live, NULL) < 0)
		return false;
	if (colon)
		name = colon + 1;
	ct = journal_get(j, "ct");
	called = journal_get(j, "name");
	same = (ct && !strcmp(ct, name)) || (called && !strcmp(called, name));
	*state = journal_get_state(j);
	*host = journal_get(j, "host") ? xstrdup(journal_get(j, "host")) : NULL;
	journal_free(j);
	return same;
}

static int settle_one(const char *id, const struct job *job, const char *host,
		      struct events *ev, bool *settled, struct err *e)
{
	uint64_t deadline = clock_deadline(GUARD_MS);
	const struct teller quiet = { NULL, NULL };
	struct journal *j = NULL;
	enum journal_state now;
	bool live;

	/* Its guard may be at it. */
	while (recover_source(id, NULL, &quiet, e) < 0) {
		if (e->code != ERR_LOCKED || !clock_left_ms(deadline))
			return -1;
		clock_sleep_ms(200);
	}
	if (journal_peek(id, ROLE_SOURCE, &j, &live, e) < 0)
		return -1;
	now = journal_get_state(j);
	journal_free(j);
	event_warning(ev, "an interrupted migration, %s, was %s", id,
		       now == JOURNAL_DONE ? "finished" : "undone");
	*settled = now == JOURNAL_DONE && host && job->dst.where.host &&
		   !strcmp(host, job->dst.where.host);
	return 0;
}

int recover_earlier(const struct job *job, struct events *ev, bool *settled, struct err *e)
{
	char **ids = NULL;
	int ret = 0;

	*settled = false;
	if (job->dry_run)
		return 0;
	if (journal_list(ROLE_SOURCE, &ids, e) < 0)
		return -1;
	for (size_t i = 0; ids[i]; i++) {
		own_free char *id = ids[i];
		own_free char *host = NULL;
		enum journal_state state;
		bool live;

		if (ret < 0 || !is_about(id, job->src.name, &live, &state, &host) ||
		    state == JOURNAL_DONE || state == JOURNAL_UNDONE)
			continue;
		ret = settle_one(id, job, host, ev, settled, e);
	}
	free(ids);
	return ret;
}
