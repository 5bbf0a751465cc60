// SPDX-License-Identifier: MIT
/* Which options exclude or need each other.  Each refusal says why. */
#include <string.h>

#include "base/own.h"
#include "plan/address.h"
#include "pmigrate/options.h"

static int refuse(struct err *e, const char *what, const char *why)
{
	return err_set(e, ERR_USAGE, "%s: %s", what, why);
}

static int rules_online(struct options *o, struct err *e)
{
	const struct job *j = &o->job;

	if (!j->online) {
		if (j->lazy)
			return refuse(e, "--lazy", "it needs --online");
		if (j->noiter)
			return refuse(e, "--noiter", "it needs --online");
		if (j->require_realtime)
			return refuse(e, "--require-realtime", "it needs --online");
		if (j->max_downtime_ms)
			return refuse(e, "--max-downtime", "it needs --online");
		return 0;
	}
	if (j->noiter && j->require_realtime)
		return refuse(e, "--noiter with --require-realtime",
			      "realtime means to copy memory in rounds, noiter forbids it");
	if (j->readonly)
		return refuse(e, "--online with --readonly",
			      "a running Container cannot be moved without changing it here");
	if (j->noiter && j->max_downtime_ms)
		return refuse(e, "--noiter with --max-downtime",
			      "without rounds there is no moment to choose");
	if (j->nostart) {
		strv_add(&o->warnings, "--nostart has no effect with --online: it goes on "
				       "running there");
		o->job.nostart = false;
	}
	return 0;
}

static int rules_path(const char *option, const char *path, struct err *e)
{
	if (!path)
		return 0;
	if (path[0] != '/')
		return err_set(e, ERR_USAGE, "%s '%s' is not an absolute path", option, path);
	if (!path[1] || strlen(path) > 4000)
		return err_set(e, ERR_USAGE, "%s '%s' cannot be used", option, path);
	return 0;
}

/* "…/102" is --new-id=102, "…/web" is --new-name=web. */
static int rules_destination_name(struct options *o, struct err *e)
{
	struct job *j = &o->job;
	own_free char *engine = NULL;
	const char *name, *wish;
	bool is_id;

	if (!j->dst.name)
		return 0;
	name = address_engine(j->dst.name, &engine);
	is_id = address_is_id(name);
	wish = is_id ? j->new_id : j->new_name;
	if (wish && strcmp(wish, name))
		return err_set(e, ERR_USAGE, "the destination's address says %s, but %s says %s",
			       name, is_id ? "--new-id" : "--new-name", wish);
	if (!wish && is_id)
		j->new_id = xstrdup(name);
	else if (!wish)
		j->new_name = xstrdup(name);
	return 0;
}

static int rules_wishes(struct options *o, struct err *e)
{
	const struct job *j = &o->job;
	bool any = j->new_id || j->new_name || j->new_private || j->new_root;

	if (j->new_id && !address_is_id(j->new_id))
		return err_set(e, ERR_USAGE, "--new-id '%s' is no CTID", j->new_id);
	if (j->new_name && !address_is_name(j->new_name))
		return err_set(e, ERR_USAGE, "--new-name '%s' is no name of a Container",
			       j->new_name);
	if (rules_path("--new-private", j->new_private, e) < 0 ||
	    rules_path("--new-root", j->new_root, e) < 0)
		return -1;
	if (any && o->names.n > 1)
		return refuse(e, "several Containers with a new ID, name or path",
			      "only one can have it");
	return 0;
}

/* This server to this server: a new ID, name or place. */
static int rules_local(struct options *o, struct err *e)
{
	const struct job *j = &o->job;

	if (!job_is_local(j))
		return 0;
	if (j->remove_area != UNSET)
		return refuse(e, "--remove-area within one server",
			      "a local move leaves nothing behind");
	if (j->nodeps)
		return refuse(e, "--nodeps within one server", "there is no other server to check");
	if (j->online)
		return refuse(e, "--online within one server", "a local move is always cold");
	if ((!j->new_id || (j->src.name && !strcmp(j->new_id, j->src.name))) && !j->new_name &&
	    !j->new_private && !j->new_root) {
		err_set(e, ERR_SAME, "source and destination are the same");
		return err_hint(e, "name another server, or give a new ID, name or path");
	}
	return 0;
}

static int rules_cc(struct options *o, struct err *e)
{
	const struct job *j = &o->job;

	if (rules_online(o, e) < 0 || rules_destination_name(o, e) < 0 ||
	    rules_wishes(o, e) < 0 || rules_local(o, e) < 0)
		return -1;
	if (j->readonly && j->remove_area == YES)
		return refuse(e, "--readonly with --remove-area=yes",
			      "one leaves everything here, the other nothing");
	return 0;
}

static int rules_into(struct options *o, struct err *e)
{
	const struct job *j = &o->job;

	if (!j->dst.name) {
		err_set(e, ERR_USAGE, "the destination names no Container");
		return err_hint(e, "write CTID, NAME or HOST/CTID behind 'c'");
	}
	if (!j->src.where.host && j->src_kind == KIND_SERVER && !j->dst.where.host)
		return refuse(e, "h localhost c localhost",
			      "a server cannot become a Container of itself");
	if (j->take_addresses && j->nostart)
		return refuse(e, "--take-addresses with --nostart",
			      "nobody would have the addresses then");
	if (j->quota_part && j->quota_part[0] == '-')
		return err_set(e, ERR_USAGE, "--quota '%s' is no partition", j->quota_part);
	return 0;
}

static bool vm_name_ok(const char *name)
{
	static const char digits[] = "0123456789";

	return strlen(name) <= 64 && strspn(name, digits) < strlen(name) &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") ==
		       strlen(name);
}

static int rules_vv(struct options *o, struct err *e)
{
	struct job *j = &o->job;

	if (rules_path("--dst", j->vm_dir, e) < 0)
		return -1;
	if (j->dst.name && j->new_name && strcmp(j->dst.name, j->new_name))
		return err_set(e, ERR_USAGE,
			       "the destination's address says %s, but --new-name says %s",
			       j->dst.name, j->new_name);
	if (j->src.name && j->src.name[0] == '/')
		return refuse(e, "a disk as source of v -> v", "what moves is a virtual machine of "
								"libvirt: give its name");
	/* A virtual machine is known by its name alone. */
	j->new_id = j->new_name ? j->new_name : j->dst.name ? xstrdup(j->dst.name) : NULL;
	j->new_name = NULL;
	if (j->new_id && (strspn(j->new_id, "-.") || !vm_name_ok(j->new_id)))
		return err_set(e, ERR_USAGE, "'%s' cannot be the name of a virtual machine: letters, "
					     "digits, - _ and . can, not only digits", j->new_id);
	if (j->keep_src && j->remove_area == YES)
		return refuse(e, "--keep-src with --remove-area=yes",
			      "one leaves everything here, the other nothing");
	if (job_is_local(j))
		return err_set(e, ERR_SAME, "source and destination are the same server");
	return 0;
}

int options_rules(struct options *o, struct err *e)
{
	switch (o->pair) {
	case PAIR_CC:
		return rules_cc(o, e);
	case PAIR_INTO:
		return rules_into(o, e);
	case PAIR_VV:
		return rules_vv(o, e);
	case PAIR_MAX:
		break;
	}
	return 0;
}
