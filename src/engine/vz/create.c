// SPDX-License-Identifier: MIT
#include "engine/vz/create.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/own.h"
#include "base/path.h"
#include "engine/template.h"
#include "engine/vz/identity.h"
#include "engine/vz/run/run.h"

/* What is one container's own and never comes from a sample. */
static const char *const private_set[] = {
	"HOSTNAME", "IP_ADDRESS", "OSTEMPLATE", "TEMPLATE", "TEMPLATES", "VE_ROOT", "VE_PRIVATE",
	"NETIF", "VEID", "UUID", "NAME", "DISTRIBUTION", "VEFORMAT", "VEFSTYPE", "TECHNOLOGIES",
	"PCI", "DISK",
};

int vz_sample(const char *name, struct conf *out, struct err *e)
{
	own_conf struct conf global = CONF_INIT;
	own_free char *file = NULL;
	const char *standard;
	struct err why = ERR_INIT;

	conf_fini(out);
	if (vz_global_load(&global, e) < 0)
		return -1;
	standard = conf_get(&global, "CONFIGFILE");
	if (name && (strchr(name, '/') || !*name))
		return err_set(e, ERR_USAGE, "'%s' cannot be a sample's name", name);
	file = xasprintf(VZ_CONF_DIR "/ve-%s.conf-sample", name ? name : standard ? standard : "basic");
	if (conf_load(out, file, &why) < 0 && (name || why.code != ERR_ABSENT)) {
		if (e)
			*e = why;
		return err_hint(e, "samples are " VZ_CONF_DIR "/ve-NAME.conf-sample");
	}
	for (size_t i = 0; i < array_len(private_set); i++)
		conf_unset(out, private_set[i]);
	return 0;
}

static int parent_of(const char *path, struct err *e)
{
	own_free char *dir = xstrdup(path);
	char *slash = strrchr(dir, '/');

	*slash = '\0';
	return *dir ? path_mkdirs(dir, 0755, e) : 0;
}

/* The tree grows beside its place and takes it when it is complete. */
static int build_area(const char *area, const char *template, struct err *e)
{
	own_free char *work = xasprintf("%s.creating", area);
	own_conf struct conf global = CONF_INIT;
	const char *templates;

	if (vz_global_load(&global, e) < 0 || parent_of(area, e) < 0 ||
	    path_remove_tree(AT_FDCWD, work, e) < 0)
		return -1;
	templates = conf_get(&global, "TEMPLATE");
	if (path_make_area(work, 0755, e) < 0)
		return -1;
	if (template_unpack(templates ? templates : "/vz/template", template, work, e) < 0 ||
	    path_sync(work, e) < 0 ||
	    (rename(work, area) < 0 && err_sys(e, "cannot rename %s", work))) {
		path_remove_tree(AT_FDCWD, work, NULL);
		return -1;
	}
	return 0;
}

int vz_create(const struct ct *ct, const struct conf *config, const char *template, bool same_identity, struct err *e)
{
	own_free char *text = conf_text(config);
	struct ct_desc d = { .engine = ct->engine, .id = ct->id, .name = ct->name,
			     .private_area = ct->private_area, .root = ct->root, .config = text };
	struct ct home = CT_INIT;
	int ret;

	if (vz_plan_home(&d, &home, e) < 0)
		return -1;
	ret = build_area(home.private_area, template, e);
	vz_shut_dirs();
	if (ret == 0 && template && !same_identity)
		vz_identity_renew(home.private_area, home.id);
	if (ret == 0 && vz_adopt_new(&home, &d, e) < 0) {
		path_remove_tree(AT_FDCWD, home.private_area, NULL);
		ret = -1;
	}
	ct_fini(&home);
	return ret;
}

int vz_make_area(const char *id, char **path, struct err *e)
{
	own_vz struct vz v = VZ_INIT;
	struct err why = ERR_INIT;
	struct stat st;

	if (vz_open(&v, id, &why) < 0 && (why.code != ERR_ABSENT || vz_open_new(&v, id, &why) < 0)) {
		if (e)
			*e = why;
		return -1;
	}
	if (lstat(v.ct.private_area, &st) == 0)
		return err_set(e, ERR_EXISTS, "the private area %s exists already", v.ct.private_area);
	if (build_area(v.ct.private_area, NULL, e) < 0)
		return -1;
	*path = xstrdup(v.ct.private_area);
	return 0;
}

int vz_destroy(const struct ct *ct, struct err *e)
{
	enum ct_state state;

	if (vz_state(ct, &state, e) < 0)
		return -1;
	if (state != CT_STOPPED) {
		err_set(e, ERR_STOP, "container %s is %s", ct->id, ct_state_word(state));
		return err_hint(e, state == CT_MOUNTED ? "unmount it first: pctl umount %s" :
							 "stop it first: pctl stop %s", ct->id);
	}
	return vz_retire(ct, true, e);
}
