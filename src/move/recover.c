// SPDX-License-Identifier: MIT
#include "move/recover.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/own.h"
#include "commit/decide.h"
#include "commit/dest.h"
#include "commit/origin.h"
#include "commit/ticket.h"
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

/* What the destination says to our verdict; *why: without an answer. */
static enum answer ask_destination(const struct origin *o, enum verdict v, struct msg_asked *out, struct err *why)
{
	struct remote r = REMOTE_INIT;
	struct link_opts lo = { .timeout_ms = 0 };
	struct where w = { 0 };
	int ret = -1;

	*out = (struct msg_asked){ .state = JOURNAL_NONE, .why = ERR_INIT };
	if (origin_destination(o, &w, &lo, why) == 0) {
		/* A container may be waiting for the answer: not for long. */
		lo.timeout_ms = ASK_MS;
		if (remote_open(&r, &w, &lo, NULL, why) == 0)
			ret = remote_ask(&r, journal_id(o->journal), v, out, why);
		remote_close(&r);
	}
	where_fini(&w);
	strv_fini(&lo.ssh);
	return ret < 0 ? ANSWER_SILENT : answer_of(out->state, &out->why);
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
	if (ret == 0)
		return 0;
	e->code = ERR_RECOVER;
	return err_wrap(e, "Container %s runs at its destination, but needs its copy here", o->ct.id);
}

/* Why nothing was decided, and what a person can do. */
static int tell_undecided(const struct origin *o, bool committed, enum word word, enum answer answer,
			  const struct msg_asked *asked, struct err *e)
{
	const char *id = journal_id(o->journal);

	switch (answer) {
	case ANSWER_SILENT: /* *e says why */
		e->code = ERR_RECOVER;
		return err_wrap(e, "migration %s was %s, and its destination cannot be asked", id,
				committed ? "committed" : "not committed");
	case ANSWER_NONE:
		err_set(e, ERR_RECOVER, "migration %s was %s, and its destination knows nothing of it", id,
			committed ? "committed" : "not committed");
		return committed ? err_hint(e, "look there for %s %s: if it is there, pmigrate recover --commit %s; "
					       "if it is not, and never will be: pmigrate recover --undo %s",
					    engine_noun(o->ops->name), o->ct.id, id, id)
				 : err_hint(e, "pmigrate recover %s", id);
	case ANSWER_COMMITTED:
		if (!committed)
			err_set(e, ERR_RECOVER, "migration %s is being completed at its destination by hand", id);
		else
			err_set(e, ERR_RECOVER, "migration %s is committed at its destination: %s %s is not lost there",
				id, engine_noun(o->ops->name), o->ct.id);
		return err_hint(e, "pmigrate recover %s", id);
	case ANSWER_ACTIVE:
	case ANSWER_READY:
	case ANSWER_STUCK:
	case ANSWER_DONE:
	case ANSWER_UNDONE:
		break;
	}
	if (!committed && word == WORD_COMMIT) {
		err_set(e, ERR_RECOVER, "migration %s was not committed: %s %s belongs here", id,
			engine_noun(o->ops->name), o->ct.id);
		return err_hint(e, "pmigrate recover %s", id);
	}
	err_set(e, ERR_RECOVER, "migration %s is %s at its destination%s%s", id, journal_state_word(asked->state),
		asked->why.code != ERR_NONE ? ": " : "", asked->why.code != ERR_NONE ? asked->why.msg : "");
	return err_hint(e, "%s", asked->why.hint[0] ? asked->why.hint : "mend that, then run it again");
}

static int carry_out(struct origin *o, bool committed, enum decision what, enum answer answer,
		     const struct msg_asked *asked, const struct err *silence, const struct teller *t, struct err *e)
{
	const char *id = journal_id(o->journal), *noun = o->ops ? engine_noun(o->ops->name) : "Container";

	if (what == DECIDE_RETIRE) {
		tell(t, "migration %s: %s %s is at its destination; the copy here is put away", id, noun, o->ct.id);
		return origin_retire(o, e);
	}
	if (origin_undo(o, e) < 0) {
		e->code = ERR_RECOVER;
		return -1;
	}
	if (committed) {
		tell(t, "migration %s: the destination does not have %s %s; it stays here", id, noun, o->ct.id);
		return 0;
	}
	tell(t, "migration %s is undone: %s %s stays here", id, noun, o->ct.id ? o->ct.id : "");
	if (answer == ANSWER_SILENT)
		tell(t, "its destination could not be asked to clean up (%s); the next migration there does it",
		     silence->msg);
	else if (asked->why.code != ERR_NONE)
		tell(t, "its destination could not clean up: %s", asked->why.msg);
	return 0;
}

/* The destination is asked even before a copy that was never given away runs again: a person there may have
 * decided that it has the container, because this server counted as lost. */
static int settle_source(struct origin *o, enum word word, const struct teller *t, struct err *e)
{
	bool committed = journal_get_state(o->journal) == JOURNAL_COMMITTED;
	enum verdict v = !committed	     ? word == WORD_COMMIT ? VERDICT_ASK : VERDICT_UNDO
			 : word == WORD_UNDO ? VERDICT_LOST
					     : VERDICT_COMMIT;
	struct err silence = ERR_INIT;
	struct msg_asked asked;
	enum answer answer = ask_destination(o, v, &asked, &silence);
	enum decision what = decide(committed, answer, word);

	if (what == DECIDE_FOLLOW) {
		if (follow(o, &asked, e) < 0)
			return -1;
		answer = answer_of(asked.state, &asked.why);
		what = decide(committed, answer, word);
	}
	if (what == DECIDE_UNDO || what == DECIDE_RETIRE)
		return carry_out(o, committed, what, answer, &asked, &silence, t, e);
	if (answer == ANSWER_SILENT)
		*e = silence;
	return tell_undecided(o, committed, word, answer, &asked, e);
}

static int recover_source(const char *id, enum word word, const struct teller *t, struct err *e)
{
	struct origin o = ORIGIN_INIT;
	int ret = origin_resume(&o, id, e);
	enum journal_state now = ret < 0 ? JOURNAL_NONE : journal_get_state(o.journal);

	if (now == JOURNAL_ACTIVE || now == JOURNAL_READY || now == JOURNAL_COMMITTED) {
		if (local_is(o.journal)) {
			ret = local_recover(&o, e);
			if (ret == 0)
				tell(t, "local move %s of Container %s is %s", id, o.ct.id,
				     journal_get_state(o.journal) == JOURNAL_DONE ? "finished" : "undone");
		} else {
			ret = settle_source(&o, word, t, e);
		}
	}
	origin_fini(&o);
	ticket_sweep(id, ROLE_SOURCE);
	return ret;
}

static int recover_dest(const char *id, enum word word, const struct teller *t, struct err *e)
{
	struct dest d = DEST_INIT;
	bool commit = word == WORD_COMMIT;
	bool undo = word == WORD_UNDO;
	struct journal *j = NULL;
	enum journal_state s;
	bool live = false;
	int ret = -1;

	if (journal_peek(id, ROLE_DEST, &j, &live, e) < 0)
		return -1;
	s = journal_get_state(j);
	journal_free(j);
	if (s == JOURNAL_DONE || s == JOURNAL_UNDONE) {
		ticket_sweep(id, ROLE_DEST);
		return 0;
	}
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
		int r = role == ROLE_SOURCE ? recover_source(id, WORD_NONE, t, &one)
					    : recover_dest(id, WORD_NONE, t, &one);

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

int recover_run(const char *id, enum word word, void (*say)(void *arg, const char *line),
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
	a = recover_source(id, word, &t, e);
	if (a < 0 && e->code != ERR_ABSENT)
		return -1;
	b = recover_dest(id, word, &t, a < 0 ? e : &other);
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
	while (recover_source(id, WORD_NONE, &quiet, e) < 0) {
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
