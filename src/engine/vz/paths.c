// SPDX-License-Identifier: MIT
/* engine/vz/paths.c - where a native container's things are, from its config and vz.conf. */
#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "base/own.h"
#include "base/parse.h"
#include "base/path.h"
#include "engine/vz/vz.h"

const char *const vz_scripts[] = { "mount", "umount", "start", "stop", NULL };

static bool is_uuid(const char *id)
{
	static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";

	if (strlen(id) != sizeof(form) - 1)
		return false;
	for (size_t i = 0; form[i]; i++) {
		if (form[i] == 'x' ? !isxdigit((unsigned char)id[i]) : id[i] != '-')
			return false;
	}
	return true;
}

bool vz_id_ok(const char *id)
{
	uint64_t n;

	if (is_uuid(id))
		return true;
	return id[0] != '0' && parse_u64(id, "", 1, 2147483644, &n, NULL) == 0;
}

int vz_name_check(const char *name, struct err *e)
{
	bool number = true;

	for (const char *s = name; *s; s++) {
		if (!isalnum((unsigned char)*s) && !strchr(" -_.", *s))
			return err_set(e, ERR_USAGE, "the name '%s' has other characters than "
				       "letters, digits, blanks, '-', '_' and '.'", name);
		number = number && isdigit((unsigned char)*s);
	}
	if (!*name || *name == '.' || *name == '-' || *name == ' ' || strlen(name) > 128)
		return err_set(e, ERR_USAGE, "'%s' cannot be a container's name", name);
	if (number || is_uuid(name))
		return err_set(e, ERR_USAGE, "the name '%s' looks like an id", name);
	return 0;
}

char *vz_conf_file(const char *id, const char *what)
{
	return xasprintf(VZ_CONF_DIR "/%s.%s", id, what);
}

int vz_global_load(struct conf *c, struct err *e)
{
	struct err why = ERR_INIT;

	if (conf_load(c, VZ_ETC "/vz.conf", &why) == 0 || why.code == ERR_ABSENT)
		return 0;
	if (e)
		*e = why;
	return -1;
}

void vz_fini(struct vz *v)
{
	ct_fini(&v->ct);
	conf_fini(&v->global);
	conf_fini(&v->conf);
	free(v->conf_file);
	free(v->run_dir);
	free(v->netns);
	*v = (struct vz)VZ_INIT;
}

char *vz_value(const struct vz *v, const char *name, const char *builtin)
{
	struct conf_view view = { &v->conf, &v->global, v->ct.id };

	return conf_value(&view, name, builtin);
}

bool vz_yes(const struct vz *v, const char *name, bool builtin)
{
	struct conf_view view = { &v->conf, &v->global, v->ct.id };

	return conf_yes(&view, name, builtin);
}

/* What follows from the id and the configs; *v has those. */
static int fill(struct vz *v, struct err *e)
{
	char *name = vz_value(v, "NAME", NULL);

	v->ct.engine = xstrdup("vz");
	v->ct.private_area = vz_value(v, "VE_PRIVATE", "/vz/private/$VEID");
	v->ct.root = vz_value(v, "VE_ROOT", "/vz/root/$VEID");
	v->ct.name = name && *name ? take_ptr(&name) : NULL;
	free(name);
	v->run_dir = xasprintf(VZ_RUN_DIR "/%s", v->ct.id);
	v->netns = xasprintf("/run/netns/vz%s", v->ct.id);
	if (v->ct.private_area[0] != '/' || v->ct.root[0] != '/')
		return err_set(e, ERR_BROKEN, "VE_PRIVATE or VE_ROOT of container %s is not absolute",
			       v->ct.id);
	path_squeeze(v->ct.private_area);
	path_squeeze(v->ct.root); /* runc compares it with paths that it has cleaned */
	return 0;
}

int vz_open_new(struct vz *v, const char *id, struct err *e)
{
	*v = (struct vz)VZ_INIT;
	if (!vz_id_ok(id))
		return err_set(e, ERR_USAGE, "'%s' cannot be a container's id", id);
	v->ct.id = xstrdup(id);
	v->conf_file = vz_conf_file(id, "conf");
	if (vz_global_load(&v->global, e) < 0 || fill(v, e) < 0) {
		vz_fini(v);
		return -1;
	}
	return 0;
}

int vz_open(struct vz *v, const char *id, struct err *e)
{
	struct err why = ERR_INIT;

	*v = (struct vz)VZ_INIT;
	if (!vz_id_ok(id))
		return err_set(e, ERR_ABSENT, "there is no container '%s'", id);
	v->ct.id = xstrdup(id);
	v->conf_file = vz_conf_file(id, "conf");
	if (conf_load(&v->conf, v->conf_file, &why) == 0 && vz_global_load(&v->global, &why) == 0 &&
	    fill(v, &why) == 0)
		return 0;
	if (why.code == ERR_ABSENT)
		err_set(&why, ERR_ABSENT, "there is no container '%s'", id);
	if (e)
		*e = why;
	vz_fini(v);
	return -1;
}
