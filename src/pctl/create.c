// SPDX-License-Identifier: MIT
/* pctl/create.c - create, destroy. */
#include <string.h>

#include "base/own.h"
#include "engine/vz/create.h"
#include "engine/vz/kept.h"
#include "engine/vz/run/run.h"
#include "pctl/pctl.h"

static char *dup_arg(const struct pctl_args *a, const char *name)
{
	const char *value = pctl_arg(a, name);

	return value && *value ? xstrdup(value) : NULL;
}

/* The tree's source: NULL for an empty one. */
static int source_of(const struct pctl_args *a, const char **out, struct err *e)
{
	const char *given = pctl_arg(a, "ostemplate");

	*out = given;
	if (given && pctl_arg(a, "empty"))
		return err_set(e, ERR_USAGE, "--ostemplate and --empty exclude each other");
	if (given || pctl_arg(a, "empty"))
		return 0;
	err_set(e, ERR_USAGE, "what shall the container's tree be made from?");
	return err_hint(e, "--ostemplate NAME, FILE.tar.zst or DIRECTORY; or --empty");
}

/* OSTEMPLATE is told only for a template's name: other servers cannot know our files. */
static int fill_config(const struct pctl_args *a, const char *source, struct conf *c, struct err *e)
{
	if (vz_sample(pctl_arg(a, "config"), c, e) < 0 || pctl_apply(a, c, e) < 0)
		return -1;
	if (source && !strchr(source, '/') && conf_set(c, "OSTEMPLATE", source, e) < 0)
		return -1;
	return pctl_arg(a, "config") ? conf_set(c, "ORIGIN_SAMPLE", pctl_arg(a, "config"), e) : 0;
}

/* All of it before the tree is made, which takes a while. */
static int check(const char *id, const struct conf *c, struct err *e)
{
	own_vz struct vz v = VZ_INIT;
	own_free char *text = conf_text(c);

	if (!vz_id_ok(id))
		return err_set(e, ERR_USAGE, "'%s' cannot be an ID: a number from 1 to 2147483644, or a UUID", id);
	if (vz_open_new(&v, id, e) < 0 || conf_parse(&v.conf, text, strlen(text), id, e) < 0)
		return -1;
	return pctl_understood(&v, e);
}

/* Asked for, and perhaps not to be had. */
static int tell_disk(const char *id, struct err *e)
{
	own_vz struct vz v = VZ_INIT;

	return vz_open(&v, id, e) < 0 ? -1 : vz_disk_limits(&v, true, e);
}

static int absolute(const char *path, const char *option, struct err *e)
{
	if (!path || path[0] == '/')
		return 0;
	return err_set(e, ERR_USAGE, "--%s '%s' is not absolute", option, path);
}

int pctl_create(const struct pctl_args *a, struct err *e)
{
	own_conf struct conf c = CONF_INIT;
	struct ct ct = { .engine = xstrdup("vz"), .id = xstrdup(a->words.item[0]) };
	const char *source;
	int lock = -1, ret = -1;

	ct.name = dup_arg(a, "name");
	ct.private_area = dup_arg(a, "private");
	ct.root = dup_arg(a, "root");
	if (absolute(ct.private_area, "private", e) == 0 && absolute(ct.root, "root", e) == 0 &&
	    source_of(a, &source, e) == 0 && fill_config(a, source, &c, e) == 0 &&
	    check(ct.id, &c, e) == 0 &&
	    vz_lock(ct.id, "creating", NULL, &lock, e) == 0)
		ret = vz_create(&ct, &c, source, pctl_arg(a, "keep-identity"), e);
	if (ret == 0)
		pctl_tell_left_out(&c);
	if (ret == 0 && (pctl_arg(a, "diskspace") || pctl_arg(a, "diskinodes")))
		ret = tell_disk(ct.id, e);
	if (ret == 0 && pctl_arg(a, "onboot"))
		pctl_check_onboot_unit();
	vz_unlock(ct.id, &lock);
	ct_fini(&ct);
	return ret;
}

/* "101.migrated": what a migration left here. */
static int destroy_kept(const char *id, const char *origin, struct err *e)
{
	struct ct kept = CT_INIT;
	int lock = -1, ret;

	if (vz_kept_find(id, &kept, e) < 0)
		return err_hint(e, "`pctl list -a` shows what is here");
	ret = vz_lock(origin, "destroying what is left of it", NULL, &lock, e);
	if (ret == 0)
		ret = vz_kept_destroy(&kept, e);
	vz_unlock(origin, &lock);
	ct_fini(&kept);
	return ret;
}

int pctl_destroy(const struct pctl_args *a, struct err *e)
{
	own_free char *origin = vz_kept_origin(a->words.item[0]);
	struct ct ct = CT_INIT;
	int lock = -1, ret;

	if (origin)
		return destroy_kept(a->words.item[0], origin, e);
	if (pctl_find(a, &ct, e) < 0)
		return -1;
	ret = vz_lock(ct.id, "destroying", NULL, &lock, e);
	if (ret == 0)
		ret = vz_destroy(&ct, e);
	vz_unlock(ct.id, &lock);
	ct_fini(&ct);
	return ret;
}
