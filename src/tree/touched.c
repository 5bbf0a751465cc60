// SPDX-License-Identifier: MIT
#include "tree/touched.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/file.h"
#include "base/own.h"
#include "tree/find.h"
#include "tree/meta.h"

struct touched {
	struct inode *id;
	size_t n;
};

struct looking {
	int root;
	const char *root_path;
	struct changes *c;
	struct touched *t;
	uint64_t *nameless; /* inode numbers whose names must be searched */
	size_t n_nameless;
};

void touched_free(struct touched *t)
{
	if (!t)
		return;
	free(t->id);
	free(t);
}

bool touched_has(const struct touched *t, struct inode id)
{
	for (size_t i = 0; t && i < t->n; i++)
		if (t->id[i].ino == id.ino && t->id[i].dev == id.dev)
			return true;
	return false;
}

static void note_path(struct looking *l, const char *path)
{
	size_t dir_len;
	const char *name = tree_path_split(path, strlen(path), &dir_len);

	if (l->c)
		changes_add(l->c, path, dir_len, name);
}

static bool is_overlay(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 && fs.f_type == OVERLAYFS_SUPER_MAGIC;
}

/*
 * A file that a process may have written unseen.  It may see the area through an overlay, whose
 * upper layer the area is: then the file's number is that of the inode below, its device is
 * not (Documentation/filesystems/overlayfs.rst, "Inode properties").
 */
static int note(struct looking *l, int fd, struct err *e)
{
	own_free char *path = NULL;
	struct touched *t = l->t;
	struct statx stx, root;
	struct inode id, area;
	int found;

	if (meta_stat(AT_FD(fd), &stx) < 0 || !S_ISREG(stx.stx_mode) || !stx.stx_nlink ||
	    meta_stat(AT_FD(l->root), &root) < 0)
		return 0;
	id = inode_of(&stx);
	area = inode_of(&root);
	if (id.dev != area.dev && is_overlay(fd))
		id.dev = area.dev;
	if (touched_has(t, id))
		return 0;
	t->id = xrealloc(t->id, (t->n + 1) * sizeof(*t->id));
	t->id[t->n++] = id;
	found = journal_path_of(l->root, l->root_path, fd, &path, e);
	if (found < 0)
		return -1;
	if (found) {
		note_path(l, path);
	} else if (id.dev == area.dev) {
		l->nameless = xrealloc(l->nameless,
				       (l->n_nameless + 1) * sizeof(*l->nameless));
		l->nameless[l->n_nameless++] = id.ino;
	}
	return 0;
}

static int look_at_maps(struct looking *l, pid_t pid, struct err *e)
{
	own_free char *maps = NULL;
	char path[64], *save = NULL;

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	if (file_read(AT_FDCWD, path, 64u << 20, &maps, NULL, NULL) < 0)
		return 0; /* it has ended */
	for (char *line = strtok_r(maps, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char range[64], perms[8];
		unsigned long long ino;
		own_fd int fd = -1;

		if (sscanf(line, "%63s %7s %*s %*s %llu", range, perms, &ino) != 3 || !ino ||
		    perms[1] != 'w' || perms[3] != 's')
			continue;
		snprintf(path, sizeof(path), "/proc/%d/map_files/", (int)pid);

		own_free char *file = xasprintf("%s%s", path, range);

		fd = open(file, O_PATH | O_CLOEXEC);
		if (fd >= 0 && note(l, fd, e) < 0)
			return -1;
	}
	return 0;
}

/* Open files whose name is gone, but which have another one. */
static int look_at_fds(struct looking *l, pid_t pid, struct err *e)
{
	static const char gone[] = " (deleted)";
	char path[64], target[PATH_MAX];
	own_dir DIR *d = NULL;
	struct dirent *de;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	d = opendir(path);
	while (d && (de = readdir(d))) {
		ssize_t n = readlinkat(dirfd(d), de->d_name, target, sizeof(target) - 1);
		own_fd int fd = -1;

		if (n < (ssize_t)sizeof(gone))
			continue;
		target[n] = '\0';
		if (strcmp(target + n - sizeof(gone) + 1, gone) != 0)
			continue;
		fd = openat(dirfd(d), de->d_name, O_PATH | O_CLOEXEC);
		if (fd >= 0 && note(l, fd, e) < 0)
			return -1;
	}
	return 0;
}

static int found_name(void *arg, const char *dir, size_t dir_len, const char *name,
		      struct err *e)
{
	struct looking *l = arg;

	(void)e;
	changes_add(l->c, dir, dir_len, name);
	return 0;
}

static int by_number(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

int touched_by(int root, const char *root_path, const pid_t *pids, size_t n, struct changes *c,
	       struct touched **out, struct err *e)
{
	struct looking l = { .root = root, .root_path = root_path, .c = c };
	int ret = 0;

	l.t = *out = xcalloc(1, sizeof(*l.t));
	for (size_t i = 0; ret == 0 && i < n; i++)
		if (look_at_maps(&l, pids[i], e) < 0 || look_at_fds(&l, pids[i], e) < 0)
			ret = -1;
	if (ret == 0 && l.n_nameless && c) {
		qsort(l.nameless, l.n_nameless, sizeof(*l.nameless), by_number);
		ret = find_names(root, l.nameless, l.n_nameless, found_name, &l, e);
	}
	free(l.nameless);
	if (ret == 0 && c)
		changes_sort(c);
	return ret;
}
