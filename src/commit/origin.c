// SPDX-License-Identifier: MIT
#include "commit/origin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/own.h"
#include "base/parse.h"
#include "commit/ticket.h"
#include "wire/login.h"

enum { STOP_MS = 120000 };

void origin_fini(struct origin *o)
{
	journal_free(o->journal);
	close_fd(&o->lock_fd);
	ct_fini(&o->ct);
	*o = (struct origin)ORIGIN_INIT;
}

static int lock_it(struct origin *o, struct err *e)
{
	own_free char *why = xasprintf("migration %s takes it away", journal_id(o->journal));

	return ticket_take(o->ops, o->ct.id, why, journal_id(o->journal), &o->lock_fd, e);
}

static bool said(const struct origin *o, const char *key, const char *value)
{
	const char *v = journal_get(o->journal, key);

	return v && !strcmp(v, value);
}

static int put_if(struct journal *j, const char *key, const char *value, struct err *e)
{
	return value ? journal_put(j, key, value, e) : 0;
}

/* What recover will need: the container, the way to the destination, the wishes. */
static int write_beginning(struct origin *o, const struct job *job, bool remove, struct err *e)
{
	const struct where *w = &job->dst.where;
	struct journal *j = o->journal;
	char number[24];

	if (journal_put(j, "engine", o->ops->name, e) < 0 ||
	    journal_put(j, "ct", o->ct.id, e) < 0 || put_if(j, "name", o->ct.name, e) < 0 ||
	    journal_put(j, "private", o->ct.private_area, e) < 0 ||
	    journal_put(j, "root", o->ct.root, e) < 0 ||
	    journal_put(j, "remove", remove ? "yes" : "no", e) < 0 ||
	    journal_put(j, "readonly", job->readonly ? "yes" : "no", e) < 0 ||
	    (job->keep_src && journal_put(j, "keep", "yes", e) < 0) ||
	    put_if(j, "host", w->host, e) < 0 || put_if(j, "user", w->user, e) < 0)
		return -1;
	snprintf(number, sizeof(number), "%u", w->port);
	if (w->port && journal_put(j, "port", number, e) < 0)
		return -1;
	for (size_t i = 0; i < job->link.ssh.n; i++) {
		own_free char *key = xasprintf("ssh%zu", i);

		if (journal_put(j, key, job->link.ssh.item[i], e) < 0)
			return -1;
	}
	return 0;
}

static void copy_ct(struct ct *to, const char *engine, const struct ct *from)
{
	*to = (struct ct){ .engine = xstrdup(engine),
			   .id = xstrdup(from->id),
			   .name = from->name ? xstrdup(from->name) : NULL,
			   .private_area = xstrdup(from->private_area),
			   .root = xstrdup(from->root) };
}

int origin_begin(struct origin *o, const char *id, const struct engine_ops *ops,
		 const struct ct *ct, const struct job *job, bool remove, struct err *e)
{
	*o = (struct origin)ORIGIN_INIT;
	o->ops = ops;
	copy_ct(&o->ct, ops->name, ct);
	if (journal_create(id, ROLE_SOURCE, &o->journal, e) < 0)
		goto fail;
	if (write_beginning(o, job, remove, e) < 0 ||
	    (!job->readonly && lock_it(o, e) < 0)) {
		journal_set_state(o->journal, JOURNAL_UNDONE, NULL);
		goto fail;
	}
	return 0;
fail:
	origin_fini(o);
	return -1;
}

int origin_resume(struct origin *o, const char *id, struct err *e)
{
	const char *engine, *id_of, *name, *area, *root;
	enum journal_state s;

	*o = (struct origin)ORIGIN_INIT;
	if (journal_resume(id, ROLE_SOURCE, &o->journal, NULL, e) < 0)
		return -1;
	s = journal_get_state(o->journal);
	engine = journal_get(o->journal, "engine");
	id_of = journal_get(o->journal, "ct");
	name = journal_get(o->journal, "name");
	area = journal_get(o->journal, "private");
	root = journal_get(o->journal, "root");
	if (!engine || !id_of || !area || !root || !journal_get(o->journal, "readonly") ||
	    !(o->ops = engine_by_name(engine))) {
		/* It died before it did anything. */
		if (s == JOURNAL_ACTIVE && journal_set_state(o->journal, JOURNAL_UNDONE, e) == 0)
			return 0;
		return err_set(e, ERR_RECOVER, "the journal of migration %s is incomplete", id);
	}
	o->ct = (struct ct){ .engine = xstrdup(engine),
			     .id = xstrdup(id_of),
			     .name = name ? xstrdup(name) : NULL,
			     .private_area = xstrdup(area),
			     .root = xstrdup(root) };
	if (s == JOURNAL_DONE || s == JOURNAL_UNDONE || said(o, "readonly", "yes"))
		return 0;
	return lock_it(o, e);
}

int origin_destination(const struct origin *o, struct where *w, struct link_opts *lo,
		       struct err *e)
{
	const char *host = journal_get(o->journal, "host");
	const char *user = journal_get(o->journal, "user");
	const char *port = journal_get(o->journal, "port");
	uint64_t n = 0;

	*w = (struct where){ .host = host ? xstrdup(host) : NULL,
			     .user = user ? xstrdup(user) : NULL,
			     .login = host ? login_new() : NULL };
	if (port && parse_u64(port, "the port", 1, 65535, &n, e) < 0)
		return -1;
	w->port = (uint16_t)n;
	*lo = (struct link_opts){ .timeout_ms = 30000 };
	for (size_t i = 0;; i++) {
		own_free char *key = xasprintf("ssh%zu", i);
		const char *word = journal_get(o->journal, key);

		if (!word)
			return 0;
		strv_add(&lo->ssh, word);
	}
}

int origin_stop(struct origin *o, struct err *e)
{
	if (journal_put(o->journal, "stopped", "yes", e) < 0)
		return -1;
	if (o->ops->stop(&o->ct, STOP_MS, e) < 0) {
		if (e->code == ERR_SYS || e->code == ERR_CHILD)
			e->code = ERR_STOP;
		return -1;
	}
	return 0;
}

bool origin_is_lazy(const struct origin *o)
{
	return said(o, "lazy", "yes");
}

int origin_freeze(struct origin *o, bool lazy, struct err *e)
{
	if (lazy && journal_put(o->journal, "lazy", "yes", e) < 0)
		return -1;
	return journal_put(o->journal, "frozen", "yes", e);
}

int origin_leave(struct origin *o, struct err *e)
{
	return journal_put(o->journal, "leaves", "yes", e);
}

int origin_end(struct origin *o, struct err *e)
{
	enum ct_state state;

	if (!said(o, "frozen", "yes") && !said(o, "leaves", "yes"))
		return 0;
	if (o->ops->state(&o->ct, &state, e) < 0)
		return -1;
	if (state == CT_STOPPED)
		return 0;
	if (!o->ops->cut)
		return o->ops->stop(&o->ct, 0, e);
	/* Its sockets must not say good-bye to the clients of the copy that runs. */
	return o->ops->cut(&o->ct, e) < 0 ? -1 : o->ops->stop(&o->ct, 0, e);
}

int origin_commit(struct origin *o, struct err *e)
{
	return journal_set_state(o->journal, JOURNAL_COMMITTED, e);
}

/* libvirt has resumed it itself, unless it died in the wrong moment. */
static int resume(struct origin *o, struct err *e)
{
	enum ct_state state;

	if (o->ops->state(&o->ct, &state, e) < 0)
		return -1;
	return state == CT_HELD ? o->ops->let_run(&o->ct, e) : 0;
}

int origin_restart(struct origin *o, struct err *e)
{
	enum ct_state state;

	if (said(o, "leaves", "yes"))
		return resume(o, e);

	if (said(o, "frozen", "yes") && o->ops->uncut(&o->ct, e) < 0)
		return -1;
	if (!said(o, "stopped", "yes"))
		return 0;
	if (o->ops->state(&o->ct, &state, e) < 0)
		return -1;
	if (state != CT_RUNNING && o->ops->start(&o->ct, e) < 0)
		return err_wrap(e, "%s %s could not be started again",
				engine_noun(o->ops->name), o->ct.id);
	return 0;
}

int origin_undo(struct origin *o, struct err *e)
{
	if (journal_get_state(o->journal) == JOURNAL_UNDONE)
		return 0;
	if (origin_restart(o, e) < 0 || journal_set_state(o->journal, JOURNAL_UNDONE, e) < 0)
		return -1;
	if (!said(o, "readonly", "yes"))
		o->ops->unlock(o->ct.id, &o->lock_fd);
	return 0;
}

static int put_away(struct origin *o, struct err *e)
{
	if (said(o, "keep", "yes") && o->ops->stay)
		return o->ops->stay(&o->ct, e);
	return o->ops->retire(&o->ct, said(o, "remove", "yes"), e);
}

int origin_retire(struct origin *o, struct err *e)
{
	if (journal_get_state(o->journal) == JOURNAL_DONE)
		return 0;
	if (origin_end(o, e) < 0)
		return -1;
	if (!said(o, "readonly", "yes") && put_away(o, e) < 0)
		return -1;
	if (journal_set_state(o->journal, JOURNAL_DONE, e) < 0)
		return -1;
	if (!said(o, "readonly", "yes"))
		o->ops->unlock(o->ct.id, &o->lock_fd);
	return 0;
}
