// SPDX-License-Identifier: MIT
#include "engine/dist.h"

#include <ctype.h>
#include <fcntl.h>
#include <string.h>

#include "base/file.h"
#include "base/own.h"
#include "base/path.h"
#include "config.h"
#include "engine/conf.h"
#include "engine/inside.h"

enum { SCRIPT_MAX = 48 << 10, NAME_LEN_MAX = 128, CHANGES_MAX = 4096, TIMEOUT_MS = 120000 };

const char *const dist_dirs[] = {
	"/etc/vz/conf/dists",
	"/etc/vz/conf/dist",
	PMIGRATE_DATADIR "/dists",
	NULL,
};

void dist_fini(struct dist *d)
{
	free(d->name);
	free(d->dir);
	free(d->text);
	*d = (struct dist)DIST_INIT;
}

static bool is_file_name(const char *name)
{
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				"0123456789._-");

	return isalnum((unsigned char)name[0]) && n <= NAME_LEN_MAX && name[n] == '\0';
}

int dist_candidates(const char *name, struct strv *out, struct err *e)
{
	own_free char *rest = xstrdup(name);
	char *dash;

	if (!is_file_name(name)) {
		err_set(e, ERR_USAGE, "'%s' is no name of a distribution", name);
		return err_hint(e, "such as debian-12 or rhel-5; see /etc/vz/conf/dists");
	}
	do {
		if (rest[0])
			strv_addf(out, "%s.conf", rest);
		dash = strrchr(rest, '-');
		if (dash)
			*dash = '\0';
	} while (dash);
	strv_add(out, "default");
	return 0;
}

/* 1 found, 0 not there, -1 error. */
static int try_file(const char *dir, const char *file, struct dist *out, struct err *e)
{
	own_free char *path = xasprintf("%s/%s", dir, file);
	struct err why = ERR_INIT;
	char *end;

	if (access(path, F_OK) < 0)
		return 0;
	if (file_read(AT_FDCWD, path, CONF_MAX_BYTES, &out->text, NULL, &why) < 0) {
		if (e)
			*e = why;
		return -1;
	}
	out->name = xstrdup(file);
	end = strrchr(out->name, '.');
	if (end && !strcmp(end, ".conf"))
		*end = '\0';
	out->dir = xstrdup(dir);
	out->fallback = !strcmp(file, "default");
	return 1;
}

int dist_find(const char *const *dirs, const char *name, struct dist *out, struct err *e)
{
	own_strv struct strv files = STRV_INIT;

	*out = (struct dist)DIST_INIT;
	if (dist_candidates(name, &files, e) < 0)
		return -1;
	/* A closer name in a later directory beats a wider one in the first. */
	for (size_t i = 0; i < files.n; i++) {
		for (const char *const *dir = dirs; *dir; dir++) {
			int found = try_file(*dir, files.item[i], out, e);

			if (found)
				return found < 0 ? -1 : 0;
		}
	}
	err_set(e, ERR_ABSENT, "there is no distribution file for '%s'", name);
	return err_hint(e, "write %s/%s.conf, or use -d unknown", dirs[0], name);
}

/* The script's file name, a fresh string, or NULL. */
static char *script_name(const struct dist *d, const char *key)
{
	own_conf struct conf c = CONF_INIT;
	const char *value;

	if (conf_parse(&c, d->text, strlen(d->text), d->name, NULL) < 0)
		return NULL;
	value = conf_get(&c, key);
	return value && *value ? xstrdup(value) : NULL;
}

bool dist_has(const struct dist *d, const char *key)
{
	own_free char *name = script_name(d, key);

	return name != NULL;
}

int dist_script(const struct dist *d, const char *key, char **out, struct err *e)
{
	own_free char *name = script_name(d, key), *prelude = NULL, *text = NULL;
	own_free char *path = NULL, *common = xasprintf("%s/scripts/functions", d->dir);

	*out = NULL;
	if (!name)
		return 0;
	if (!is_file_name(name))
		return err_set(e, ERR_BROKEN, "%s/%s.conf: '%s' is no script's name", d->dir,
			       d->name, name);
	path = xasprintf("%s/scripts/%s", d->dir, name);
	if (file_read(AT_FDCWD, path, SCRIPT_MAX, &text, NULL, e) < 0)
		return err_wrap(e, "%s of %s/%s.conf", key, d->dir, d->name);
	if (access(common, F_OK) == 0 &&
	    file_read(AT_FDCWD, common, SCRIPT_MAX, &prelude, NULL, e) < 0)
		return -1;
	/* In brackets: the shell has read all of it before it begins, so that no program
	 * of the script eats the rest from stdin. */
	*out = xasprintf("{\n%s\n%s\nexit 0\n} </dev/null\n", prelude ? prelude : "", text);
	return 0;
}

void dist_changes_fini(struct dist_changes *c)
{
	for (size_t i = 0; i < c->n; i++) {
		free(c->item[i].object);
		free(c->item[i].text);
	}
	free(c->item);
	*c = (struct dist_changes)DIST_CHANGES_INIT;
}

/* Takes object and text. */
static void append(struct dist_changes *c, enum dist_change_kind kind, char *object, char *text)
{
	struct dist_change *one;

	c->item = xrealloc(c->item, (c->n + 1) * sizeof(*c->item));
	one = &c->item[c->n++];
	one->kind = kind;
	one->object = object;
	one->text = text;
}

static void add_change(struct dist_changes *c, enum dist_change_kind kind, char *object,
		       char *text)
{
	if (c->n == CHANGES_MAX)
		return;
	for (char *p = object; *p; p++)
		*p = iscntrl((unsigned char)*p) ? '?' : *p;
	for (char *p = text; *p; p++)
		*p = iscntrl((unsigned char)*p) ? '?' : *p;
	append(c, kind, xstrdup(object), xstrdup(text));
}

void dist_changes_parse(struct dist_changes *c, const char *output)
{
	own_free char *copy = xstrdup(output);
	char *rest = copy, *line, none[1] = "";

	while ((line = strsep(&rest, "\n"))) {
		char *word = strsep(&line, "\t"), *object = strsep(&line, "\t");

		if (object && !strcmp(word, "NOTE"))
			add_change(c, DIST_NOTE, none, object);
		else if (object && line && !strcmp(word, "EDIT"))
			add_change(c, DIST_EDIT, object, line);
		else if (object && line && !strcmp(word, "MASK"))
			add_change(c, DIST_MASK, object, line);
	}
}

static bool has_shell(const char *tree)
{
	own_fd int top = open(tree, O_PATH | O_DIRECTORY | O_CLOEXEC);
	own_fd int sh = top < 0 ? -1 : path_open_in_root(top, "bin/sh", O_PATH, 0);

	return sh >= 0;
}

int dist_run(const struct dist *d, const char *key, const char *tree, const char *const *env,
	     struct dist_changes *changes, struct err *e)
{
	own_free char *script = NULL, *output = NULL;

	if (dist_script(d, key, &script, e) < 0)
		return -1;
	if (!script)
		return 0;
	if (!has_shell(tree)) {
		own_free char *note = xasprintf("NOTE\tthere is no /bin/sh: %s was not done", key);

		dist_changes_parse(changes, note);
		return 0;
	}
	if (inside_shell(tree, script, env, TIMEOUT_MS, &output, e) < 0)
		return err_wrap(e, "%s of the distribution file %s", key, d->name);
	dist_changes_parse(changes, output);
	return 0;
}
