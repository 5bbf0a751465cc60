// SPDX-License-Identifier: MIT
/* The mounts of a container, for criu/check/obstacles.h. */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "base/own.h"
#include "criu/carry/mountnotes.h"
#include "criu/check/priv.h"
#include "criu/mounts.h"
#include "criu/save/watches.h"

/* The mounts of all namespaces, each by its text; the first process's is the first. */
struct seen_mounts {
	struct mountnote *note;
	size_t n;
};

static bool same_fs(const struct mountinfo *a, const struct mountinfo *b)
{
	return a->major == b->major && a->minor == b->minor;
}

/* Does another mount of its file system show what it shows, and more?  CRIU looks at all mount namespaces together. */
static bool shown_by_another(const struct seen_mounts *all, const struct mountinfo *m)
{
	for (size_t i = 0; i < all->n; i++) {
		for (size_t k = 0; k < all->note[i].n; k++) {
			const struct mountinfo *other = &all->note[i].m[k];
			size_t n = strlen(other->root);

			if (!same_fs(other, m))
				continue;
			if (strcmp(other->root, "/") == 0 ||
			    (strncmp(other->root, m->root, n) == 0 && m->root[n] == '/'))
				return true;
		}
	}
	return false;
}

/* What our own side puts in place at the destination (criu/mounts.h): no file system has to show the whole. */
static bool is_ours(const struct mountinfo *m)
{
	return strcmp(m->at, "/") == 0 || strncmp(m->type, "cgroup", 6) == 0 || strcmp(m->type, "devtmpfs") == 0 ||
	       ext_mount_is_node(m->root);
}

/* Ours to fill, but nobody can get at it: another mount lies over it. */
static bool is_hidden(pid_t pid, const struct mountinfo *m)
{
	own_free char *at = xasprintf("/proc/%d/root%s", (int)pid, m->at);
	struct statx sx;

	return statx(AT_FDCWD, at, AT_SYMLINK_NOFOLLOW | AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, STATX_MNT_ID, &sx) < 0 ?
		       errno == ENOENT || errno == ENOTDIR :
		       (sx.stx_mask & STATX_MNT_ID) && sx.stx_mnt_id != m->id;
}

static bool is_tmpfs(const struct mountinfo *m)
{
	return strcmp(m->type, "tmpfs") == 0 || strcmp(m->type, "ramfs") == 0;
}

static void look_at_memory(struct look *l, const struct mountinfo *m, const char *object)
{
	static const struct obstacle_rule hidden = {
		"another mount lies over it, and its files cannot be reached", "unmount that, or this", true
	};
	static const struct obstacle_rule deleted = {
		"what is mounted there has been deleted", "unmount it", true
	};

	if (m->deleted)
		obstacles_found(l, 0, &deleted, object);
	else if (is_hidden(l->init, m))
		obstacles_found(l, 0, &hidden, object);
}

bool obstacles_is_covered(const struct look *l, unsigned mnt_id, const char *path)
{
	for (size_t i = 0; i < l->all.n; i++) {
		const struct mountinfo *m = &l->all.m[i];
		size_t n = strlen(m->at);

		if (m->parent == mnt_id && m->id != mnt_id && n > 1 && strncmp(path, m->at, n) == 0 &&
		    (path[n] == '/' || !path[n]))
			return true;
	}
	return false;
}

static void look_at_mount(struct look *l, const struct seen_mounts *all, pid_t pid, const struct mountinfo *m)
{
	static const struct obstacle_rule partial = {
		"it shows only a part of a file system that is not in the container",
		"for DynamicUser= and PrivateTmp=disconnected: pctl set ID --live-ready and restart the container, or "
		"PrivateTmp=yes in the unit; else stop the unit", true
	};
	static const struct obstacle_rule mapped = {
		"it maps its owners, and how cannot be told", "stop the program that mounted it so", true
	};
	own_free char *object = xasprintf("mount %s (%s)", m->at, m->type);
	const struct obstacle_rule *r = obstacle_of_fs(m->type);
	struct idmap map;

	if (r)
		obstacles_found(l, pid, r, object);
	if (strcmp(m->root, "/") != 0 && !is_ours(m) && !shown_by_another(all, m))
		obstacles_found(l, pid, &partial, object);
	if (pid == l->init && is_tmpfs(m))
		look_at_memory(l, m, object);
	if (mountinfo_has(m->options, "idmapped") &&
	    idmap_find(&map, pid, m, l->init, &all->note[0], NULL) < 0)
		obstacles_found(l, pid, &mapped, object);
}

bool obstacles_is_remote(const struct look *l, dev_t dev)
{
	own_free char *copy = xstrdup(l->mounts);
	struct mountinfo m;
	char *rest;

	for (rest = copy; mountinfo_next(&rest, &m, NULL) > 0;) {
		const struct obstacle_rule *r = obstacle_of_fs(m.type);

		if (makedev(m.major, m.minor) == dev && r)
			return r->blocks;
	}
	return false;
}

void obstacles_look_at_watches(struct look *l, pid_t pid, const char *info, const char *object)
{
	/* CRIU finds the file by its handle, which a tmpfs understands only for mounts that CRIU made itself. */
	static const struct obstacle_rule in_memory = {
		"it watches files of a private area that lies in memory (tmpfs)",
		"put the private area on a disk, or stop the program", true
	};
	/* systemd watches /etc/localtime so, which harms nobody. */
	static const struct obstacle_rule of_link = {
		"it watches a symbolic link itself; after the move it watches what the link leads to",
		"restart the program after the move", false
	};
	own_free char *path = xasprintf("/proc/%d/root", (int)l->init);
	own_fd int root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct statfs fs;
	struct stat st;

	if (root < 0 || fstatfs(root, &fs) < 0 || fstat(root, &st) < 0)
		return;
	for (const char *at = info; at;) {
		if (!watches_next(&at, st.st_dev))
			continue;
		if (fs.f_type == TMPFS_MAGIC)
			obstacles_found(l, pid, &in_memory, object);
		else if (pid != l->init && watches_is_link(at, root))
			obstacles_found(l, pid, &of_link, object);
	}
}

/* Each mount namespace once; its text is kept. */
void obstacles_take_mounts(struct look *l, pid_t pid)
{
	uint64_t ino = obstacles_ns_inode(pid, "mnt");
	own_free char *text = NULL;
	char *more;

	for (size_t i = 0; i < l->n_mnt; i++) {
		if (l->mnt_seen[i].ino == ino)
			return;
	}
	text = obstacles_proc_text(pid, "mountinfo", OBSTACLES_TEXT_MAX);
	if (!ino || !text)
		return;
	l->mnt_seen = xrealloc(l->mnt_seen, (l->n_mnt + 1) * sizeof(*l->mnt_seen));
	l->mnt_seen[l->n_mnt++] = (struct mnt_ns){ .ino = ino, .pid = pid };
	more = xasprintf("%s%s\n", l->mounts, text);
	free(l->mounts);
	l->mounts = more;
}

void obstacles_look_at_mounts(struct look *l)
{
	struct seen_mounts all = { xcalloc(l->n_mnt + 1, sizeof(*all.note)), l->n_mnt };

	for (size_t i = 0; i < all.n; i++) {
		char *text = obstacles_proc_text(l->mnt_seen[i].pid, "mountinfo", OBSTACLES_TEXT_MAX);

		if (text)
			mountnote_read(&all.note[i], text, NULL);
	}
	for (size_t i = 0; i < all.n; i++) {
		for (size_t k = 0; k < all.note[i].n; k++)
			look_at_mount(l, &all, l->mnt_seen[i].pid, &all.note[i].m[k]);
	}
	for (size_t i = 0; i < all.n; i++)
		mountnote_fini(&all.note[i]);
	mountnote_read(&l->all, xstrdup(l->mounts), NULL);
	free(all.note);
}
