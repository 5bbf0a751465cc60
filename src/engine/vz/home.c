// SPDX-License-Identifier: MIT
/*
 * engine/vz/home.c - how a container is told to another server, and registered there.
 *
 * The config is written last: what has no /etc/vz/conf/ID.conf does not exist.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/log.h"
#include "base/own.h"
#include "base/path.h"
#include "engine/vz/run/run.h"
#include "engine/vz/vz.h"

enum { SCRIPT_MAX_BYTES = 1 << 20 };

static int describe_scripts(const char *id, struct ct_desc *out, struct err *e)
{
	out->script = xcalloc(4, sizeof(*out->script));
	for (size_t i = 0; vz_scripts[i]; i++) {
		own_free char *file = vz_conf_file(id, vz_scripts[i]);
		struct ct_script *s = &out->script[out->n_scripts];
		struct stat st;

		if (stat(file, &st) < 0) {
			if (errno == ENOENT)
				continue;
			return err_sys(e, "cannot read %s", file);
		}
		if (file_read(AT_FDCWD, file, SCRIPT_MAX_BYTES, &s->text, NULL, e) < 0)
			return -1;
		s->name = xstrdup(vz_scripts[i]);
		s->mode = st.st_mode & 07777;
		out->n_scripts++;
	}
	return 0;
}

int vz_describe(const struct ct *ct, struct ct_desc *out, struct err *e)
{
	own_vz struct vz v = VZ_INIT;

	memset(out, 0, sizeof(*out));
	if (vz_open(&v, ct->id, e) < 0)
		return -1;
	if (describe_scripts(ct->id, out, e) < 0) {
		ct_desc_fini(out);
		return -1;
	}
	out->engine = xstrdup("vz");
	out->id = xstrdup(v.ct.id);
	out->name = v.ct.name ? xstrdup(v.ct.name) : NULL;
	out->config = conf_text(&v.conf);
	vz_addresses(&v, &out->addresses);
	return 0;
}

/* The paths and name it would get; nothing is looked at but vz.conf. */
static int home_of(const struct ct_desc *d, struct ct *out, struct err *e)
{
	own_vz struct vz v = VZ_INIT;

	if (vz_open_new(&v, d->id, e) < 0)
		return -1;
	*out = v.ct;
	v.ct = (struct ct)CT_INIT;
	free(out->name);
	out->name = d->name && *d->name ? xstrdup(d->name) : NULL;
	if (d->private_area) {
		free(out->private_area);
		out->private_area = xstrdup(d->private_area);
	}
	if (d->root) {
		free(out->root);
		out->root = xstrdup(d->root);
	}
	return 0;
}

/* but: the id of one that gives the name away. */
static int name_is_free(const struct ct *ct, const char *but, struct err *e)
{
	own_free char *owner = ct->name ? vz_name_owner(ct->name) : NULL;

	if (ct->name && vz_name_check(ct->name, e) < 0)
		return -1;
	if (!owner || strcmp(owner, ct->id) == 0 || (but && strcmp(owner, but) == 0))
		return 0;
	err_set(e, ERR_NAME_USED, "the name '%s' belongs to container %s", ct->name, owner);
	return err_hint(e, "choose another name");
}

static int home_is_free(const struct ct *ct, struct err *e)
{
	own_free char *conf = vz_conf_file(ct->id, "conf");
	struct stat st;

	if (lstat(conf, &st) == 0) {
		err_set(e, ERR_EXISTS, "container %s exists already", ct->id);
		return err_hint(e, "choose another id, or remove that one: pctl destroy %s", ct->id);
	}
	if (lstat(ct->private_area, &st) == 0) {
		err_set(e, ERR_EXISTS, "the private area %s exists already", ct->private_area);
		return err_hint(e, "remove it, or choose another path");
	}
	if (vz_root_is_mounted(ct))
		return err_set(e, ERR_EXISTS, "something is mounted on %s", ct->root);
	return vz_paths_free(ct, NULL, e) < 0 ? -1 : name_is_free(ct, NULL, e);
}

int vz_plan_home(const struct ct_desc *d, struct ct *out, struct err *e)
{
	if (home_of(d, out, e) < 0)
		return -1;
	if (home_is_free(out, e) < 0) {
		ct_fini(out);
		return -1;
	}
	return 0;
}

/* A path as a config says it: with $VEID where the id is the last part. */
static char *path_for_conf(const char *path, const char *id)
{
	const char *slash = strrchr(path, '/');

	if (slash && strcmp(slash + 1, id) == 0)
		return xasprintf("%.*s/$VEID", (int)(slash - path), path);
	return xstrdup(path);
}

/* A path parameter is written when it differs from what vz.conf says, or was there. */
static int fit_path(struct conf *c, const char *name, const char *path, const char *standard,
		    const char *id, struct err *e)
{
	own_free char *text = path_for_conf(path, id);

	if (!conf_get(c, name) && strcmp(path, standard) == 0)
		return 0;
	return conf_set(c, name, text, e);
}

static int fit_config(struct conf *c, const struct ct *ct, const struct ct_desc *d, struct err *e)
{
	own_vz struct vz standard = VZ_INIT;
	own_free char *what = xasprintf("the config of container %s", d->id);

	if (vz_open_new(&standard, ct->id, e) < 0 ||
	    conf_parse(c, d->config, strlen(d->config), what, e) < 0 ||
	    fit_path(c, "VE_PRIVATE", ct->private_area, standard.ct.private_area, ct->id, e) < 0 ||
	    fit_path(c, "VE_ROOT", ct->root, standard.ct.root, ct->id, e) < 0)
		return -1;
	if (conf_get(c, "VEID") && conf_set(c, "VEID", ct->id, e) < 0)
		return -1;
	if (!ct->name) {
		conf_unset(c, "NAME");
		return 0;
	}
	return conf_set(c, "NAME", ct->name, e);
}

static bool is_ours(const char *script)
{
	for (size_t i = 0; vz_scripts[i]; i++) {
		if (strcmp(vz_scripts[i], script) == 0)
			return true;
	}
	return false;
}

static int register_all(const struct ct *ct, const struct ct_desc *d, const struct conf *c,
			struct err *e)
{
	own_free char *file = vz_conf_file(ct->id, "conf");

	if (path_mkdirs(VZ_CONF_DIR, 0755, e) < 0)
		return -1;
	for (size_t i = 0; i < d->n_scripts; i++) {
		const struct ct_script *s = &d->script[i];
		own_free char *script = vz_conf_file(ct->id, s->name);

		if (!is_ours(s->name))
			return err_set(e, ERR_PROTO, "a container has no script '%s'", s->name);
		if (file_replace(AT_FDCWD, script, s->text, strlen(s->text), s->mode & 0777, e) < 0)
			return -1;
	}
	if (ct->name && vz_name_add(ct->name, ct->id, e) < 0)
		return -1;
	return conf_save(c, file, e);
}

static int adopt(const struct ct *ct, const struct ct_desc *d, bool tell, struct err *e)
{
	own_conf struct conf c = CONF_INIT;
	own_vz struct vz v = VZ_INIT;

	if (fit_config(&c, ct, d, e) < 0)
		return -1;
	if (register_all(ct, d, &c, e) < 0 || vz_open(&v, ct->id, e) < 0 ||
	    vz_disk_limits(&v, tell, e) < 0) {
		vz_disown(ct, NULL);
		return -1;
	}
	log_debug("container %s is registered here: %s", ct->id, ct->private_area);
	return 0;
}

int vz_adopt(const struct ct *ct, const struct ct_desc *d, struct err *e)
{
	return adopt(ct, d, true, e);
}

int vz_adopt_new(const struct ct *ct, const struct ct_desc *d, struct err *e)
{
	return adopt(ct, d, false, e);
}

int vz_disown(const struct ct *ct, struct err *e)
{
	own_free char *file = vz_conf_file(ct->id, "conf");

	if (unlink(file) < 0 && errno != ENOENT)
		return err_sys(e, "cannot remove %s", file);
	for (size_t i = 0; vz_scripts[i]; i++) {
		own_free char *script = vz_conf_file(ct->id, vz_scripts[i]);

		unlink(script);
	}
	if (ct->name)
		vz_name_remove(ct->name, ct->id);
	rmdir(ct->root);
	/* Before the journal says that it was undone. */
	return file_sync_name(AT_FDCWD, file, e);
}

/* ---- local move --------------------------------------------------------------------- */

/* Is its config already what we are going to write? */
static bool is_written(const char *file, const struct conf *c)
{
	own_free char *want = conf_text(c), *now = NULL;

	return file_read(AT_FDCWD, file, CONF_MAX_BYTES, &now, NULL, NULL) == 0 &&
	       strcmp(now, want) == 0;
}

static int rename_scripts(const struct ct *from, const struct ct *to, struct err *e)
{
	for (size_t i = 0; vz_scripts[i]; i++) {
		own_free char *old = vz_conf_file(from->id, vz_scripts[i]);
		own_free char *new = vz_conf_file(to->id, vz_scripts[i]);

		if (rename(old, new) < 0 && errno != ENOENT)
			return err_sys(e, "cannot rename %s", old);
	}
	return 0;
}

static void rename_names(const struct ct *from, const struct ct *to)
{
	bool same = from->name && to->name && strcmp(from->name, to->name) == 0;

	/* the link leads to the new one already when the name is the same */
	if (from->name && !same)
		vz_name_remove(from->name, from->id);
}

/*
 * The new config is written first and the old one removed last: after a crash between
 * both are there, and this goes on where it stopped.
 */
int vz_rename(const struct ct *from, const struct ct *to, struct err *e)
{
	own_free char *old = vz_conf_file(from->id, "conf"), *new = vz_conf_file(to->id, "conf");
	own_conf struct conf c = CONF_INIT;
	struct ct_desc d = { .id = from->id };
	bool same_id = strcmp(from->id, to->id) == 0;
	int ret = -1;

	if (!same_id && access(old, F_OK) < 0 && access(new, F_OK) == 0)
		return 0; /* done before */
	if (file_read(AT_FDCWD, old, CONF_MAX_BYTES, &d.config, NULL, e) < 0)
		return -1;
	if (vz_paths_free(to, from->id, e) < 0 || name_is_free(to, from->id, e) < 0 ||
	    fit_config(&c, to, &d, e) < 0)
		goto out;
	if (!same_id && access(new, F_OK) == 0 && !is_written(new, &c)) {
		err_set(e, ERR_EXISTS, "container %s exists already", to->id);
		goto out;
	}
	if (conf_save(&c, new, e) < 0 || (!same_id && rename_scripts(from, to, e) < 0) ||
	    (to->name && vz_name_add(to->name, to->id, e) < 0))
		goto out;
	rename_names(from, to);
	ret = same_id || unlink(old) == 0 ? 0 : err_sys(e, "cannot remove %s", old);
out:
	free(d.config);
	return ret;
}
