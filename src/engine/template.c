// SPDX-License-Identifier: MIT
#include "engine/template.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/own.h"
#include "base/spawn.h"

enum { UNPACK_TIMEOUT_MS = 3600000 };

static const char *const endings[] = { ".tar.zst", ".tar.gz", ".tgz", ".tar.xz", ".tar.bz2", ".tar", NULL };

/* The name without the ending of a tar file; NULL when it has none. */
static char *name_of_tar(const char *file)
{
	size_t len = strlen(file);

	for (size_t i = 0; endings[i]; i++) {
		size_t n = strlen(endings[i]);

		if (len > n && strcmp(file + len - n, endings[i]) == 0)
			return xstrndup(file, len - n);
	}
	return NULL;
}

static struct template *list_add(struct template **list, size_t *n, const char *name)
{
	for (size_t i = 0; i < *n; i++) {
		if (strcmp((*list)[i].name, name) == 0)
			return &(*list)[i];
	}
	*list = xrealloc(*list, (*n + 1) * sizeof(**list));
	(*list)[*n] = (struct template){ .name = xstrdup(name) };
	return &(*list)[(*n)++];
}

void template_list_free(struct template *t, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(t[i].name);
	free(t);
}

static void list_caches(const char *template_dir, struct template **list, size_t *n)
{
	own_free char *dir = xasprintf("%s/cache", template_dir);
	own_dir DIR *d = opendir(dir);
	struct dirent *de;

	while (d && (de = readdir(d))) {
		own_free char *name = de->d_name[0] == '.' ? NULL : name_of_tar(de->d_name);
		struct template *t;
		struct stat st;

		if (!name || fstatat(dirfd(d), de->d_name, &st, 0) < 0 || !S_ISREG(st.st_mode))
			continue;
		t = list_add(list, n, name);
		t->cached = true;
		t->when = st.st_mtime;
	}
}

/* Three levels down: OS, version, architecture. */
static void list_ez(const char *dir, const char *name, int depth, struct template **list, size_t *n)
{
	own_dir DIR *d = opendir(dir);
	struct dirent *de;

	while (d && (de = readdir(d))) {
		if (de->d_name[0] == '.' || de->d_type != DT_DIR ||
		    (depth == 0 && strcmp(de->d_name, "cache") == 0))
			continue;
		own_free char *sub = xasprintf("%s/%s", dir, de->d_name);
		own_free char *more = xasprintf("%s%s%s", name, depth ? "-" : "", de->d_name);

		if (depth < 2)
			list_ez(sub, more, depth + 1, list, n);
		else
			list_add(list, n, more);
	}
}

static int by_name(const void *a, const void *b)
{
	return strverscmp(((const struct template *)a)->name, ((const struct template *)b)->name);
}

int template_list(const char *template_dir, struct template **out, size_t *n, struct err *e)
{
	(void)e;
	*out = NULL;
	*n = 0;
	list_caches(template_dir, out, n);
	list_ez(template_dir, "", 0, out, n);
	if (*n)
		qsort(*out, *n, sizeof(**out), by_name);
	return 0;
}

/* The tar file or directory that is meant, the caller's. */
static char *resolve(const char *template_dir, const char *spec)
{
	/* OSTEMPLATE says ".NAME" for EZ templates */
	const char *name = *spec == '.' && !strchr(spec, '/') ? spec + 1 : spec;

	if (strchr(spec, '/'))
		return access(spec, R_OK) == 0 ? xstrdup(spec) : NULL;
	for (size_t i = 0; endings[i]; i++) {
		own_free char *file = xasprintf("%s/cache/%s%s", template_dir, name, endings[i]);

		if (access(file, R_OK) == 0)
			return take_ptr(&file);
	}
	return access(spec, R_OK) == 0 ? xstrdup(spec) : NULL;
}

static int make_empty(const char *tree, struct err *e)
{
	static const char *const dirs[] = { "dev", "etc", "proc", "run", "sys", "tmp", "root", "var", NULL };
	own_fd int top = open(tree, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	for (size_t i = 0; dirs[i]; i++) {
		if (mkdirat(top, dirs[i], 0755) < 0 && errno != EEXIST)
			return err_sys(e, "cannot make %s/%s", tree, dirs[i]);
	}
	if (fchmodat(top, "tmp", 01777, 0) < 0 || fchmodat(top, "root", 0700, 0) < 0)
		return err_sys(e, "cannot set the mode of %s/tmp", tree);
	return 0;
}

/* tar starts them by itself, and says badly that they are missing. */
static int can_unpack(const char *file, struct err *e)
{
	static const char *const by[][2] = { { ".zst", "zstd" }, { "gz", "gzip" }, { ".xz", "xz" }, { ".bz2", "bzip2" } };
	size_t len = strlen(file);

	for (size_t i = 0; i < array_len(by); i++) {
		size_t n = strlen(by[i][0]);

		if (len > n && strcmp(file + len - n, by[i][0]) == 0 && !spawn_has(by[i][1]))
			return spawn_absent(by[i][1], e);
	}
	return 0;
}

static bool lies_within(const char *path, const char *dir)
{
	own_free char *a = realpath(path, NULL), *b = realpath(dir, NULL);
	size_t n = b ? strlen(b) : 0;

	/* "/" ends with its slash */
	return a && b && strncmp(a, b, n) == 0 && (n == 1 || a[n] == '/' || !a[n]);
}

int template_unpack(const char *template_dir, const char *spec, const char *tree, struct err *e)
{
	own_free char *from = NULL, *inside = NULL;
	struct stat st;

	if (!spec)
		return make_empty(tree, e);
	from = resolve(template_dir, spec);
	if (!from || stat(from, &st) < 0) {
		err_set(e, ERR_TEMPLATES, "there is no template '%s'", spec);
		return err_hint(e, "`vzpkg list` shows those of this server; a tar file or a directory "
				   "will do, too");
	}
	if (!S_ISDIR(st.st_mode) && can_unpack(from, e) < 0)
		return -1;
	if (!S_ISDIR(st.st_mode))
		return spawn_run(spawn_argv("tar", "--extract", "--file", from, "--directory", tree,
					    "--numeric-owner", "--same-owner", "--preserve-permissions",
					    "--xattrs", "--xattrs-include=*", "--sparse"),
				 UNPACK_TIMEOUT_MS, e);
	if (lies_within(tree, from))
		return err_set(e, ERR_USAGE, "the directory %s holds %s: it would be copied into itself", from, tree);
	inside = xasprintf("%s/.", from);
	return spawn_run(spawn_argv("cp", "--archive", "--reflink=auto", inside, tree),
			 UNPACK_TIMEOUT_MS, e);
}
