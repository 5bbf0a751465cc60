// SPDX-License-Identifier: MIT
/*
 * engine/vz/retire.c - a container that lives elsewhere now: its files here are removed,
 * or get the suffix .migrated.
 *
 * Every step looks at what is there and may have been done before: a crash in the middle
 * is finished by calling it again.  The config goes first: from then on nobody starts it.
 * An older X.migrated is moved to X.replaced before X takes its place, so that at no
 * moment the only copy is neither.
 *
 * The private area may be a symlink: what it leads to goes first, then the link.  A mount point
 * cannot be renamed: it is emptied, or stays as it is, and the mount is the administrator's.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/log.h"
#include "base/own.h"
#include "base/path.h"
#include "engine/vz/run/run.h"
#include "engine/vz/vz.h"
#include "host/mount.h"

static bool is_there(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

static int move_to(const char *from, const char *to, struct err *e)
{
	if (rename(from, to) == 0)
		return 0;
	err_sys(e, "cannot rename %s to %s", from, to);
	if (errno == EBUSY)
		err_hint(e, "it is a mount point: unmount and remove it by hand");
	return -1;
}

static bool is_link(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 && S_ISLNK(st.st_mode);
}

static int delete_area(const char *path, struct err *e);

/* A symlink and what it leads to. */
static int delete_linked(const char *path, struct err *e)
{
	own_free char *real = realpath(path, NULL);

	if (real && delete_area(real, e) < 0)
		return -1;
	return unlink(path) < 0 && errno != ENOENT ? err_sys(e, "cannot remove %s", path) : 0;
}

static int remove_tree(const char *path, struct err *e)
{
	return is_link(path) ? delete_linked(path, e) : path_remove_tree(AT_FDCWD, path, e);
}

static int set_aside(const char *path, struct err *e)
{
	own_free char *aside = xasprintf("%s.migrated", path);
	own_free char *replaced = xasprintf("%s.replaced", path);

	if (is_there(path)) {
		if (is_there(aside) && (remove_tree(replaced, e) < 0 ||
					move_to(aside, replaced, e) < 0))
			return -1;
		if (move_to(path, aside, e) < 0)
			return -1;
	}
	return remove_tree(replaced, e);
}

static int set_area_aside(const char *path, struct err *e)
{
	if (is_link(path) || !mount_is_point(path))
		return set_aside(path, e);
	log_warn("%s is a mount point and cannot be renamed: the container's files stay in it", path);
	return 0;
}

static int delete_tree(const char *path, struct err *e)
{
	own_free char *doomed = xasprintf("%s.removing", path);

	if (path_remove_tree(AT_FDCWD, doomed, e) < 0)
		return -1;
	if (is_there(path) && move_to(path, doomed, e) < 0)
		return -1;
	return path_remove_tree(AT_FDCWD, doomed, e);
}

static int delete_area(const char *path, struct err *e)
{
	if (is_link(path))
		return delete_linked(path, e);
	if (!mount_is_point(path))
		return delete_tree(path, e);
	if (path_clear(path, e) < 0)
		return -1;
	log_warn("%s is a mount point: it is empty now, and stays", path);
	return 0;
}

/* The config may be a symlink into the private area: then the link goes, its target with the area. */
static int retire_file(const char *file, bool remove, struct err *e)
{
	own_free char *aside = xasprintf("%s.migrated", file);

	if (!remove)
		return is_there(file) ? move_to(file, aside, e) : 0;
	if (unlink(file) < 0 && errno != ENOENT)
		return err_sys(e, "cannot remove %s", file);
	return 0;
}

int vz_retire(const struct ct *ct, bool remove, struct err *e)
{
	own_free char *file = vz_conf_file(ct->id, "conf");
	enum ct_state state;

	if (vz_state(ct, &state, e) < 0)
		return -1;
	if (state != CT_STOPPED && state != CT_MOUNTED)
		return err_set(e, ERR_BROKEN, "container %s is %s: not retired", ct->id,
			       ct_state_word(state));
	if (vz_clear(ct, e) < 0 || retire_file(file, remove, e) < 0)
		return -1;
	if (ct->name)
		vz_name_remove(ct->name, ct->id);
	for (size_t i = 0; vz_scripts[i]; i++) {
		own_free char *script = vz_conf_file(ct->id, vz_scripts[i]);

		if (retire_file(script, remove, e) < 0)
			return -1;
	}
	/* On the disk: after a loss of power, too, nobody starts what is half removed. */
	if (file_sync_name(AT_FDCWD, file, e) < 0)
		return -1;
	rmdir(ct->root);
	if ((remove ? delete_area : set_area_aside)(ct->private_area, e) < 0)
		return err_wrap(e, "the private area of container %s stays", ct->id);
	if (file_sync_name(AT_FDCWD, ct->private_area, e) < 0 && errno != ENOENT)
		return -1;
	log_info("container %s: config and private area %s", ct->id,
		 remove ? "removed" : "renamed to .migrated");
	return 0;
}
