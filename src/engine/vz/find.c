// SPDX-License-Identifier: MIT
/* engine/vz/find.c - which native containers there are, by id and by name. */
#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

#include "base/own.h"
#include "base/path.h"
#include "engine/vz/vz.h"

/* The id in ".../ID.conf"; NULL when that is none. */
static char *id_of_file(const char *path)
{
	const char *base = strrchr(path, '/');
	size_t len;

	base = base ? base + 1 : path;
	len = strlen(base);
	if (len <= 5 || strcmp(base + len - 5, ".conf") != 0)
		return NULL;
	own_free char *id = xstrndup(base, len - 5);

	return vz_id_ok(id) ? take_ptr(&id) : NULL;
}

/* Is it registered, and does its config give it this name? */
static bool has_name(const char *id, const char *name)
{
	own_vz struct vz v = VZ_INIT;

	return vz_open(&v, id, NULL) == 0 && v.ct.name && strcmp(v.ct.name, name) == 0;
}

/* By the registry.  A link whose container is gone, or has another name meanwhile, counts
 * as none. */
static char *registered_owner(const char *name)
{
	own_free char *link = xasprintf(VZ_NAMES_DIR "/%s", name);
	char target[4096];
	ssize_t n;

	if (strchr(name, '/') || (n = readlink(link, target, sizeof(target) - 1)) < 0)
		return NULL;
	target[n] = '\0';
	own_free char *id = id_of_file(target);

	return id && has_name(id, name) ? take_ptr(&id) : NULL;
}

int vz_name_add(const char *name, const char *id, struct err *e)
{
	own_free char *link = xasprintf(VZ_NAMES_DIR "/%s", name);
	own_free char *tmp = xasprintf(VZ_NAMES_DIR "/.%s.new", id);
	own_free char *target = xasprintf("../conf/%s.conf", id);

	if (path_mkdirs(VZ_NAMES_DIR, 0755, e) < 0)
		return -1;
	unlink(tmp);
	if (symlink(target, tmp) < 0 || rename(tmp, link) < 0)
		return err_sys(e, "cannot register the name '%s'", name);
	return 0;
}

void vz_name_remove(const char *name, const char *id)
{
	own_free char *link = xasprintf(VZ_NAMES_DIR "/%s", name);
	char target[4096];
	ssize_t n = readlink(link, target, sizeof(target) - 1);

	if (n < 0)
		return;
	target[n] = '\0';
	own_free char *owner = id_of_file(target);

	if (owner && strcmp(owner, id) == 0)
		unlink(link);
}

static int conf_filter(const struct dirent *d)
{
	own_free char *id = id_of_file(d->d_name);

	return id != NULL;
}

static int by_number(const struct dirent **a, const struct dirent **b)
{
	return strverscmp((*a)->d_name, (*b)->d_name);
}

/* A config that cannot be read is left out, as long as it is not asked for by its id. */
int vz_list(struct ct **out, size_t *n, struct err *e)
{
	struct dirent **entry = NULL;
	int count = scandir(VZ_CONF_DIR, &entry, conf_filter, by_number);

	*out = NULL;
	*n = 0;
	if (count < 0 && errno != ENOENT)
		return err_sys(e, "cannot list " VZ_CONF_DIR);
	for (int i = 0; i < count; i++) {
		own_free char *id = id_of_file(entry[i]->d_name);
		own_vz struct vz v = VZ_INIT;

		free(entry[i]);
		if (vz_open(&v, id, NULL) < 0)
			continue;
		*out = xrealloc(*out, (*n + 1) * sizeof(**out));
		(*out)[(*n)++] = v.ct;
		v.ct = (struct ct)CT_INIT;
	}
	free(entry);
	return 0;
}

/* Names made by other tools have no link: then the configs are asked. */
char *vz_name_owner(const char *name)
{
	char *id = registered_owner(name);
	struct ct *all;
	size_t n;

	if (id || vz_list(&all, &n, NULL) < 0)
		return id;
	for (size_t i = 0; i < n; i++) {
		if (!id && all[i].name && strcmp(all[i].name, name) == 0)
			id = xstrdup(all[i].id);
		ct_fini(&all[i]);
	}
	free(all);
	return id;
}

int vz_find(const char *id_or_name, struct ct *out, struct err *e)
{
	own_vz struct vz v = VZ_INIT;
	own_free char *id = NULL;

	if (!vz_id_ok(id_or_name)) {
		id = vz_name_owner(id_or_name);
		if (!id)
			return err_set(e, ERR_ABSENT, "there is no container '%s'", id_or_name);
	}
	if (vz_open(&v, id ? id : id_or_name, e) < 0)
		return -1;
	*out = v.ct;
	v.ct = (struct ct)CT_INIT;
	return 0;
}

/* Is one the other, or does it hold it? */
static bool paths_meet(const char *a, const char *b)
{
	size_t n = strlen(a), m = strlen(b);

	if (n > m)
		return paths_meet(b, a);
	while (n > 1 && a[n - 1] == '/')
		n--;
	return strncmp(a, b, n) == 0 && (b[n] == '/' || !b[n] || n == 1);
}

int vz_paths_free(const struct ct *ct, const char *but, struct err *e)
{
	const char *mine[] = { ct->private_area, ct->root };
	struct ct *all;
	size_t n;
	int ret = 0;

	if (paths_meet(ct->private_area, ct->root))
		return err_set(e, ERR_USAGE, "the private area %s and the root %s lie in each other",
			       ct->private_area, ct->root);
	if (vz_list(&all, &n, e) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		bool other = strcmp(all[i].id, ct->id) != 0 &&
			     (!but || strcmp(all[i].id, but) != 0);

		for (size_t k = 0; other && ret == 0 && k < array_len(mine); k++) {
			if (paths_meet(mine[k], all[i].private_area) ||
			    paths_meet(mine[k], all[i].root))
				ret = err_set(e, ERR_EXISTS, "%s is in use by container %s",
					      mine[k], all[i].id);
		}
		ct_fini(&all[i]);
	}
	free(all);
	return ret;
}
