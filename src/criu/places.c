// SPDX-License-Identifier: MIT
#include "criu/places.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "base/own.h"
#include "base/path.h"
#include "base/strv.h"
#include "criu/cgroups.h"

#define PLACES_DIR "/run/pmigrate/places"

/* Texts of a peer: only what ext_mounts_read lets through. */
static bool options_are_plain(const char *options)
{
	return strspn(options, "abcdefghijklmnopqrstuvwxyz0123456789_=,%") == strlen(options);
}

static int make_memory(struct places *p, const struct ext_mounts *l, struct err *e)
{
	p->n_memory = ext_mounts_memory(l, &p->memory);
	for (size_t k = 0; k < p->n_memory; k++) {
		const struct ext_mount *m = &l->m[p->memory[k]];
		own_free char *at = xasprintf("%s/%zu", p->dir, k);

		if (!options_are_plain(m->options))
			return err_set(e, ERR_PROTO, "the options of mount %s are odd", m->at);
		if (path_mkdirs(at, 0700, e) < 0)
			return -1;
		if (mount("tmpfs", at, "tmpfs", 0, m->options) < 0)
			return err_sys(e, "cannot make the memory file system for %s", m->at);
	}
	return 0;
}

/* Where mount i of the list comes from. */
static char *place_of(const struct places *p, const struct ext_mounts *l, size_t i, pid_t like,
		      struct err *e)
{
	const struct ext_mount *m = &l->m[i];

	switch (m->kind) {
	case MOUNT_CGROUP:
		return cgroups_dir(like, *m->options ? m->options : NULL, e);
	case MOUNT_SERVER:
		if (ext_mount_is_node(m->root))
			return xasprintf("/dev%s", m->root);
		err_set(e, ERR_UNSUPPORTED, "mount %s shows %s, which no server lends", m->at, m->root);
		return NULL;
	case MOUNT_OTHER:
		return xstrdup("");
	case MOUNT_MEMORY:
	default:
		break;
	}
	for (size_t k = 0; k < p->n_memory; k++) {
		if (l->m[p->memory[k]].dev == m->dev)
			return xasprintf("%s/%zu%s", p->dir, k,
					 strcmp(m->root, "/") ? m->root : "");
	}
	err_set(e, ERR_UNSUPPORTED, "mount %s has no place here", m->at);
	return NULL;
}

int places_make(struct places *p, const char *id, const struct ext_mounts *l, pid_t like,
		struct err *e)
{
	*p = (struct places)PLACES_INIT;
	places_clean(id);
	p->dir = xasprintf(PLACES_DIR "/%s", id);
	if (make_memory(p, l, e) < 0)
		goto fail;
	p->path = xcalloc(l->n + 1, sizeof(*p->path));
	for (; p->n < l->n; p->n++) {
		p->path[p->n] = place_of(p, l, p->n, like, e);
		if (!p->path[p->n])
			goto fail;
	}
	return 0;
fail:
	places_remove(p);
	return -1;
}

/* The directories on the way, and the last part; by no link, for what lies there is the container's. */
static int make_point(int root, const char *path, bool is_file, struct err *e)
{
	own_strv struct strv parts = STRV_INIT;
	own_fd int at = fcntl(root, F_DUPFD_CLOEXEC, 3);

	if (!path_is_clean(path))
		return err_set(e, ERR_PROTO, "the mount point %s is odd", path);
	strv_split(&parts, path, "/");
	for (size_t i = 0; i < parts.n; i++) {
		const char *name = parts.item[i];
		const bool file = is_file && i + 1 == parts.n;
		int next;

		if (!file && mkdirat(at, name, 0755) < 0 && errno != EEXIST)
			return err_sys(e, "cannot make the mount point %s", path);
		if (file && mknodat(at, name, S_IFREG | 0644, 0) < 0 && errno != EEXIST)
			return err_sys(e, "cannot make the mount point %s", path);
		if (file)
			return 0;
		next = path_open_beneath(at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0);
		if (next < 0)
			return err_sys(e, "cannot make the mount point %s", path);
		close_fd(&at);
		at = next;
	}
	return 0;
}

/* Which memory mount holds this mount's point: the one with the longest path. */
static const struct ext_mount *holder(const struct places *p, const struct ext_mounts *l,
				      const struct ext_mount *m, size_t *nr)
{
	const struct ext_mount *best = NULL;

	for (size_t k = 0; k < p->n_memory; k++) {
		const struct ext_mount *h = &l->m[p->memory[k]];

		if (ext_mount_inside(m, h->at) && (!best || strlen(h->at) > strlen(best->at))) {
			best = h;
			*nr = k;
		}
	}
	return best;
}

int places_points(const struct places *p, const struct ext_mounts *l, struct err *e)
{
	for (size_t i = 0; i < l->n; i++) {
		size_t k = 0;
		const struct ext_mount *h = holder(p, l, &l->m[i], &k);
		own_free char *at = h ? xasprintf("%s/%zu", p->dir, k) : NULL;
		own_fd int root = h ? open(at, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

		if (!h)
			continue;
		if (root < 0)
			return err_sys(e, "cannot open %s", at);
		if (make_point(root, ext_mount_inside(&l->m[i], h->at), l->m[i].is_file, e) < 0)
			return -1;
	}
	return 0;
}

int places_attach(const struct places *p, int dir, struct err *e)
{
	own_free char *at = xasprintf("%s/images", p->dir);

	if (path_mkdirs(at, 0700, e) < 0)
		return -1;
	if (syscall(SYS_move_mount, dir, "", AT_FDCWD, at, 4 /* MOVE_MOUNT_F_EMPTY_PATH */) < 0)
		return err_sys(e, "cannot mount the images at %s", at);
	return 0;
}

static void unmount_all(const char *dir)
{
	own_free char *images = xasprintf("%s/images", dir);

	while (umount2(images, MNT_DETACH) == 0)
		;
	rmdir(images);
	for (size_t k = 0;; k++) {
		own_free char *at = xasprintf("%s/%zu", dir, k);

		if (access(at, F_OK) < 0)
			break;
		while (umount2(at, MNT_DETACH) == 0)
			;
		if (rmdir(at) < 0)
			log_debug("cannot remove %s", at);
	}
	if (rmdir(dir) < 0 && errno != ENOENT)
		log_debug("cannot remove %s", dir);
}

void places_remove(struct places *p)
{
	if (p->dir)
		unmount_all(p->dir);
	for (size_t i = 0; i < p->n; i++)
		free(p->path[i]);
	free(p->path);
	free(p->memory);
	free(p->dir);
	*p = (struct places)PLACES_INIT;
}

void places_clean(const char *id)
{
	own_free char *dir = xasprintf(PLACES_DIR "/%s", id);

	unmount_all(dir);
}
