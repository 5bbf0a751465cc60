// SPDX-License-Identifier: MIT
/*
 * The new Container's place: its id, its private area, and the note that says whose
 * half-copied files lie there.
 *
 * The note, INTO_DIR/CTID, is written before the area is made and goes when the
 * Container is registered: an area with a note of the same source is gone on with, any
 * other one is somebody's and not touched.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/own.h"
#include "base/path.h"
#include "engine/conf.h"
#include "engine/template.h"
#include "engine/vz/vz.h"
#include "into/into.h"
#include "plan/address.h"

enum { FIRST_FREE_ID = 101, IDS_TRIED = 100000 };

static char *note_path(const char *id)
{
	return xasprintf(INTO_DIR "/%s", id);
}

static bool id_is_free(const struct engine_ops *ops, const char *id)
{
	own_free char *note = note_path(id);
	struct err e = ERR_INIT;
	struct ct ct = CT_INIT;

	if (ops->find(id, &ct, &e) == 0) {
		ct_fini(&ct);
		return false;
	}
	return e.code == ERR_ABSENT && access(note, F_OK) < 0;
}

/* "105" is the id; "web" is the name, and the id is the first free one. */
static int choose_id(struct into *n, struct err *e)
{
	own_free char *engine = NULL;
	const char *name = address_engine(n->job->dst.name, &engine);
	char id[16];

	if (engine && strcmp(engine, "vz") != 0) {
		err_set(e, ERR_UNSUPPORTED, "a server can only become a native Container, not one of %s",
			engine);
		return err_hint(e, "leave the prefix '%s:' out", engine);
	}
	if (address_is_id(name)) {
		n->desc.id = xstrdup(name);
		return 0;
	}
	n->desc.name = xstrdup(name);
	for (unsigned i = 0; i < IDS_TRIED; i++) {
		snprintf(id, sizeof(id), "%u", FIRST_FREE_ID + i);
		if (id_is_free(n->ops, id)) {
			n->desc.id = xstrdup(id);
			return 0;
		}
	}
	return err_set(e, ERR_EXISTS, "no id is free");
}

/* Does the note of this id name our source and this area?  *private is fresh. */
static bool read_note(const struct into *n, char **private_area)
{
	own_free char *path = note_path(n->desc.id), *text = NULL;
	own_conf struct conf c = CONF_INIT;
	const char *source, *area;
	size_t len;

	if (file_read(AT_FDCWD, path, 65536, &text, &len, NULL) < 0 ||
	    conf_parse(&c, text, len, path, NULL) < 0)
		return false;
	source = conf_get(&c, "SOURCE");
	area = conf_get(&c, "PRIVATE");
	if (!source || !area || strcmp(source, n->source) != 0)
		return false;
	*private_area = xstrdup(area);
	return true;
}

static int write_note(const struct into *n, struct err *e)
{
	own_free char *path = note_path(n->desc.id), *text = NULL;
	own_conf struct conf c = CONF_INIT;

	if (conf_set(&c, "SOURCE", n->source, e) < 0 ||
	    conf_set(&c, "PRIVATE", n->ct.private_area, e) < 0 ||
	    path_mkdirs(INTO_DIR, 0700, e) < 0)
		return -1;
	text = conf_text(&c);
	return file_replace(AT_FDCWD, path, text, strlen(text), 0600, e);
}

static bool is_mount_point(const char *path)
{
	own_free char *above = xasprintf("%s/..", path);
	struct stat here, up;

	return stat(path, &here) == 0 && stat(above, &up) == 0 && here.st_dev != up.st_dev;
}

static bool is_empty(const char *path)
{
	own_fd int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool empty;

	return fd >= 0 && path_is_empty(fd, &empty, NULL) == 0 && empty;
}

/*
 * The administrator mounted a file system of its own as private area: then its user and
 * group quotas can be set.  The engine's plan would refuse it as somebody's.
 */
static int plan_mounted(struct into *n, struct vz *v, struct err *e)
{
	own_free char *owner = n->desc.name ? vz_name_owner(n->desc.name) : NULL;
	struct err why = ERR_INIT;
	struct ct ct = CT_INIT;

	if (n->ops->find(n->desc.id, &ct, &why) == 0) {
		ct_fini(&ct);
		return err_set(e, ERR_EXISTS, "container %s exists already", n->desc.id);
	}
	if (n->desc.name && vz_name_check(n->desc.name, e) < 0)
		return -1;
	if (owner)
		return err_set(e, ERR_NAME_USED, "the name '%s' belongs to container %s",
			       n->desc.name, owner);
	n->ct = v->ct;
	v->ct = (struct ct)CT_INIT;
	free(n->ct.name);
	n->ct.name = n->desc.name ? xstrdup(n->desc.name) : NULL;
	n->mounted = true;
	return vz_paths_free(&n->ct, NULL, e);
}

/*
 * The engine plans a home only where none is.  A kept area steps aside for that moment;
 * a crash in it is mended by the next try.
 */
static int plan_beside(struct into *n, const char *area, struct err *e)
{
	own_free char *aside = xasprintf("%s.into", area);
	int ret;

	if (access(area, F_OK) < 0 && access(aside, F_OK) < 0)
		return n->ops->plan_home(&n->desc, &n->ct, e); /* nothing was kept */
	if (access(area, F_OK) == 0 && rename(area, aside) < 0)
		return err_sys(e, "cannot look behind %s", area);
	ret = n->ops->plan_home(&n->desc, &n->ct, e);
	if (rename(aside, area) < 0)
		return err_sys(e, "cannot rename %s back", aside);
	n->kept = ret == 0 && !strcmp(n->ct.private_area, area);
	return ret;
}

int into_plan_home(struct into *n, struct err *e)
{
	own_free char *why = xasprintf("becoming %s", n->source), *area = NULL;
	own_vz struct vz v = VZ_INIT;

	n->ops = engine_by_name("vz");
	if (!n->ops)
		return err_set(e, ERR_UNSUPPORTED, "this program has no native engine");
	if (choose_id(n, e) < 0 || n->ops->lock(n->desc.id, why, NULL, &n->lock_fd, e) < 0)
		return -1;
	n->desc.engine = xstrdup(n->ops->name);
	n->desc.config = xstrdup(n->plan.config);
	for (size_t i = 0; i < n->plan.addresses.n; i++)
		strv_add(&n->desc.addresses, n->plan.addresses.item[i]);
	if (vz_open_new(&v, n->desc.id, e) < 0)
		return -1;
	n->kept = read_note(n, &area) && !strcmp(area, v.ct.private_area);
	if (is_mount_point(v.ct.private_area) && (n->kept || is_empty(v.ct.private_area)))
		return plan_mounted(n, &v, e);
	n->kept = false;
	if (area)
		return plan_beside(n, area, e);
	return n->ops->plan_home(&n->desc, &n->ct, e);
}

static const char *template_name(const struct into *n)
{
	const char *name = n->job->eztmpl;

	if (!name)
		return NULL;
	return name[0] == '.' ? name + 1 : name; /* ".NAME" is how configs say it */
}

/* The TEMPLATE of vz.conf. */
static char *template_dir(struct err *e)
{
	own_conf struct conf c = CONF_INIT;
	const char *dir;

	if (vz_global_load(&c, e) < 0)
		return NULL;
	dir = conf_get(&c, "TEMPLATE");
	return xstrdup(dir ? dir : "/vz/template");
}

int into_template_check(struct into *n, struct err *e)
{
	const char *name = template_name(n);
	own_free char *dir = name ? template_dir(e) : NULL;
	struct template *all;
	bool found = false;
	size_t count;

	if (!name)
		return 0;
	if (!dir || template_list(dir, &all, &count, e) < 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		found = found || (all[i].cached && !strcmp(all[i].name, name));
	template_list_free(all, count);
	if (found)
		return 0;
	err_set(e, ERR_TEMPLATES, "the template %s is not here", n->job->eztmpl);
	return err_hint(e, "see `vzpkg list --cached`, or leave -z out");
}

int into_area_begin(struct into *n, struct err *e)
{
	own_free char *above = xstrdup(n->ct.private_area), *dir = NULL;
	char *slash = strrchr(above, '/');

	if (write_note(n, e) < 0)
		return -1;
	/* What an earlier try left of a disk: it is read whole again, and what was deleted on it since must not stay. */
	if (n->kept && n->image && path_clear(n->ct.private_area, e) < 0)
		return -1;
	if (n->kept && !n->image)
		return 0;
	if (slash && slash != above) {
		*slash = '\0';
		if (path_mkdirs(above, 0755, e) < 0)
			return -1;
	}
	if (!n->mounted && !n->kept && path_make_area(n->ct.private_area, 0755, e) < 0)
		return -1;
	dir = template_dir(e);
	return dir ? template_unpack(dir, template_name(n), n->ct.private_area, e) : -1;
}

int into_area_register(struct into *n, struct err *e)
{
	own_free char *note = note_path(n->desc.id);

	/* From here on nothing sends it again, and the server may give its addresses up. */
	if (path_sync(n->ct.private_area, e) < 0 || n->ops->adopt(&n->ct, &n->desc, e) < 0)
		return -1;
	n->registered = true;
	if (unlink(note) < 0 && errno != ENOENT)
		log_warn("cannot remove %s", note);
	return 0;
}
