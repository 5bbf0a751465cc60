// SPDX-License-Identifier: MIT
#include "engine/vz/kept.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/own.h"
#include "base/path.h"

char *vz_kept_origin(const char *id)
{
	size_t n = strlen(id), k = strlen(VZ_KEPT_SUFFIX);
	own_free char *origin = NULL;

	if (n <= k || strcmp(id + n - k, VZ_KEPT_SUFFIX) != 0)
		return NULL;
	origin = xstrndup(id, n - k);
	return vz_id_ok(origin) ? take_ptr(&origin) : NULL;
}

int vz_kept_find(const char *id, struct ct *out, struct err *e)
{
	own_free char *origin = vz_kept_origin(id);
	own_free char *file = origin ? vz_conf_file(origin, "conf" VZ_KEPT_SUFFIX) : NULL;
	own_free char *area = NULL;
	own_vz struct vz v = VZ_INIT;
	struct stat st;

	if (!origin || lstat(file, &st) < 0)
		return err_set(e, ERR_ABSENT, "there is no container '%s'", id);
	if (vz_open_new(&v, origin, e) < 0)
		return -1;
	/* it may be a link into the area, which has another name now; then the usual place is tried */
	conf_load(&v.conf, file, NULL);
	area = vz_value(&v, "VE_PRIVATE", v.ct.private_area);
	*out = (struct ct){ .engine = xstrdup("vz"),
			    .id = xstrdup(id),
			    .name = vz_value(&v, "NAME", NULL),
			    .private_area = xasprintf("%s" VZ_KEPT_SUFFIX, area),
			    .root = xstrdup("") };
	return 0;
}

/* "101.conf.migrated" */
static char *id_of_file(const char *name)
{
	static const char end[] = ".conf" VZ_KEPT_SUFFIX;
	size_t n = strlen(name), k = strlen(end);

	if (n <= k || strcmp(name + n - k, end) != 0)
		return NULL;
	own_free char *id = xasprintf("%.*s" VZ_KEPT_SUFFIX, (int)(n - k), name);
	own_free char *origin = vz_kept_origin(id);

	return origin ? take_ptr(&id) : NULL;
}

static int is_kept(const struct dirent *d)
{
	own_free char *id = id_of_file(d->d_name);

	return id != NULL;
}

static int by_number(const struct dirent **a, const struct dirent **b)
{
	return strverscmp((*a)->d_name, (*b)->d_name);
}

int vz_kept_list(struct ct **out, size_t *n, struct err *e)
{
	struct dirent **entry = NULL;
	int count = scandir(VZ_CONF_DIR, &entry, is_kept, by_number);

	*out = NULL;
	*n = 0;
	if (count < 0 && errno != ENOENT)
		return err_sys(e, "cannot list " VZ_CONF_DIR);
	*out = xcalloc(count > 0 ? (size_t)count : 1, sizeof(**out));
	for (int i = 0; i < count; i++) {
		own_free char *id = id_of_file(entry[i]->d_name);

		free(entry[i]);
		*n += id && vz_kept_find(id, &(*out)[*n], NULL) == 0;
	}
	free(entry);
	return 0;
}

int vz_kept_destroy(const struct ct *kept, struct err *e)
{
	own_free char *origin = vz_kept_origin(kept->id);
	own_free char *file = vz_conf_file(origin, "conf" VZ_KEPT_SUFFIX);

	if (path_remove_tree(AT_FDCWD, kept->private_area, e) < 0)
		return -1;
	for (size_t i = 0; vz_scripts[i]; i++) {
		own_free char *what = xasprintf("%s" VZ_KEPT_SUFFIX, vz_scripts[i]);
		own_free char *script = vz_conf_file(origin, what);

		unlink(script);
	}
	/* last, for until then it is still listed */
	if (unlink(file) < 0 && errno != ENOENT)
		return err_sys(e, "cannot remove %s", file);
	return 0;
}
