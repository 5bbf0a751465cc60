// SPDX-License-Identifier: MIT
/*
 * Makes a Container of a copied tree: device nodes, the distribution's POST_MIGRATE,
 * name and resolver, and the quotas of one partition for all of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/log.h"
#include "base/own.h"
#include "base/path.h"
#include "engine/inside.h"
#include "engine/ugquota.h"
#include "into/into.h"
#include "plan/restrict.h"

/* The environment that the scripts of distribution files know. */
static void make_env(const struct into *n, struct strv *env)
{
	own_free char *addresses = n->plan.addresses.n ? strv_join(&n->plan.addresses, " ") :
							 xstrdup("");

	strv_addf(env, "VE_STATE=%s", "stopped");
	strv_addf(env, "IP_ADDR=%s", addresses);
	strv_addf(env, "HOSTNM=%s", n->plan.hostname ? n->plan.hostname : "");
	strv_addf(env, "NAMESERVER=%s", n->plan.nameservers ? n->plan.nameservers : "");
	strv_addf(env, "SEARCHDOMAIN=%s", n->plan.searchdomains ? n->plan.searchdomains : "");
}

/* Services are many: one line for all with the same reason. */
static void tell_masked(struct into *n)
{
	for (size_t i = 0; i < n->changes.n; i++) {
		const struct dist_change *c = &n->changes.item[i];
		own_strv struct strv units = STRV_INIT;
		own_free char *text = NULL;
		bool told = false;

		for (size_t k = 0; k < n->changes.n; k++) {
			const struct dist_change *o = &n->changes.item[k];

			if (o->kind != DIST_MASK || strcmp(o->text, c->text) != 0)
				continue;
			told = told || k < i;
			strv_add(&units, o->object);
		}
		if (c->kind != DIST_MASK || told)
			continue;
		text = strv_join(&units, " ");
		event_decision(n->ev, "not started in the Container: %s (%s)", text, c->text);
	}
}

/* The whole list is in the log, in --batch and the report, and in a file. */
static int keep_list(struct into *n, struct err *e)
{
	own_free char *file = xasprintf(INTO_DIR "/%s.changes", n->desc.id);
	own_buf struct buf text = BUF_INIT;
	unsigned edits = 0, masked = 0;

	for (size_t i = 0; i < n->changes.n; i++) {
		const struct dist_change *c = &n->changes.item[i];
		own_free char *line = xasprintf("%s\t%s\t%s\n",
						c->kind == DIST_EDIT ? "changed" :
						c->kind == DIST_MASK ? "masked" :
								       "note",
						c->object, c->text);

		buf_put(&text, line, strlen(line));
		edits += c->kind == DIST_EDIT;
		masked += c->kind == DIST_MASK;
	}
	if (!text.len)
		return 0;
	into_note(n, "changed",
		  "%u files in it were fitted (FILE.migsave is what they were), %u services are "
		  "not started in a Container: %s",
		  edits, masked, file);
	return file_replace(AT_FDCWD, file, text.data, text.len, 0644, e);
}

static void tell_changes(struct into *n)
{
	for (size_t i = 0; i < n->changes.n; i++) {
		const struct dist_change *c = &n->changes.item[i];

		if (c->kind == DIST_NOTE)
			event_warning(n->ev, "%s", c->text);
		else if (c->kind == DIST_EDIT)
			event_decision(n->ev, "changed %s: %s", c->object, c->text);
	}
	tell_masked(n);
}

/* What the kernel does not take is kept beside the config, for later. */
static int apply_quotas(struct into *n, struct err *e)
{
	own_free char *file = xasprintf("/etc/vz/conf/%s.quota", n->desc.id);
	own_free char *why = NULL;
	unsigned set, left;

	if (!n->job->quota_part)
		return 0;
	ugquota_apply(n->ct.private_area, n->quotas, &set, &left, &why);
	if (set)
		event_decision(n->ev, "%u user and group quotas of %s hold for the whole Container",
			       set, n->job->quota_part);
	if (!left)
		return 0;
	if (file_replace(AT_FDCWD, file, n->quotas, strlen(n->quotas), 0600, e) < 0)
		return -1;
	event_warning(n->ev, "%u quotas of %s could not be set here (%s): they are kept in %s", left,
		      n->job->quota_part, why, file);
	return 0;
}

/* Where network file systems were: they were not read, not even the directory. */
static void make_mount_point(void *arg, const char *path, const char *text)
{
	own_free char *copy = xstrdup(path);
	const int *top = arg;
	own_fd int at = dup(*top);
	char *rest = copy, *name;

	(void)text;
	while (at >= 0 && (name = strsep(&rest, "/"))) {
		int next;

		if (!*name || !strcmp(name, ".") || !strcmp(name, ".."))
			continue;
		if (mkdirat(at, name, 0755) < 0 && errno != EEXIST)
			return;
		next = path_open_beneath(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
		close(at);
		at = next;
	}
}

static int make_mount_points(struct into *n, struct err *e)
{
	own_fd int top = open(n->ct.private_area, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (top < 0)
		return err_sys(e, "cannot open %s", n->ct.private_area);
	restrict_each(n->scan ? n->scan : "", "mount-point", make_mount_point, &top);
	return 0;
}

int into_settle(struct into *n, struct err *e)
{
	static const char *const keys[] = { "POST_MIGRATE", "SET_HOSTNAME", "SET_DNS", "ADD_IP" };
	own_strv struct strv env = STRV_INIT;

	make_env(n, &env);
	if (make_mount_points(n, e) < 0 || inside_make_nodes(n->ct.private_area, e) < 0)
		return -1;
	for (size_t i = 0; i < array_len(keys); i++) {
		if (dist_run(&n->dist, keys[i], n->ct.private_area,
			     (const char *const *)env.item, &n->changes, e) < 0)
			return -1;
	}
	tell_changes(n);
	if (keep_list(n, e) < 0)
		return -1;
	return apply_quotas(n, e);
}
