// SPDX-License-Identifier: MIT
#include "host/space.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/own.h"

enum { DEPTH_MAX = 4096 };

int space_free(const char *path, uint64_t *bytes, uint64_t *inodes, struct err *e)
{
	own_free char *at = xstrdup(path);
	struct statvfs s;

	while (statvfs(at, &s) < 0) {
		char *slash = strrchr(at, '/');

		if (errno != ENOENT || !slash || !at[1])
			return err_sys(e, "cannot see how much room there is at %s", path);
		slash[slash == at] = '\0';
	}
	/* As those see it who are not root: services fail where only its reserve is left. */
	*bytes = (uint64_t)s.f_bavail * s.f_frsize;
	*inodes = s.f_files ? s.f_favail : UINT64_MAX;
	return 0;
}

/* Inode numbers of files with several names: an open-addressing set. */
struct seen {
	uint64_t *slot; /* 0: free */
	size_t cap, n;
};

static void seen_put(struct seen *s, uint64_t ino)
{
	size_t i = (ino * 0x9e3779b97f4a7c15u) & (s->cap - 1);

	while (s->slot[i])
		i = (i + 1) & (s->cap - 1);
	s->slot[i] = ino;
	s->n++;
}

/* Was it there already?  Else it is now. */
static int seen_before(struct seen *s, uint64_t ino)
{
	if (s->n * 2 >= s->cap) {
		struct seen big = { xcalloc(s->cap ? s->cap * 2 : 1024, sizeof(uint64_t)),
				    s->cap ? s->cap * 2 : 1024, 0 };

		for (size_t i = 0; i < s->cap; i++) {
			if (s->slot[i])
				seen_put(&big, s->slot[i]);
		}
		free(s->slot);
		*s = big;
	}
	for (size_t i = (ino * 0x9e3779b97f4a7c15u) & (s->cap - 1); s->slot[i];
	     i = (i + 1) & (s->cap - 1)) {
		if (s->slot[i] == ino)
			return 1;
	}
	seen_put(s, ino);
	return 0;
}

struct walk {
	uint64_t bytes, names;
	dev_t dev;
	struct seen seen;
	int depth;
};

static void walk_dir(struct walk *w, int parent, const char *name);

static void walk_entry(struct walk *w, int dirfd, const char *name)
{
	struct stat st;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_dev != w->dev)
		return;
	if (!S_ISDIR(st.st_mode) && st.st_nlink > 1 && seen_before(&w->seen, st.st_ino))
		return;
	w->names++;
	w->bytes += (uint64_t)st.st_blocks * 512;
	if (S_ISDIR(st.st_mode))
		walk_dir(w, dirfd, name);
}

static void walk_dir(struct walk *w, int parent, const char *name)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	own_dir DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *de;

	if (!d) {
		if (fd >= 0)
			close(fd);
		return;
	}
	if (++w->depth > DEPTH_MAX) { /* the mover will say what it thinks of it */
		w->depth--;
		return;
	}
	while ((de = readdir(d))) {
		if (strcmp(de->d_name, ".") && strcmp(de->d_name, ".."))
			walk_entry(w, fd, de->d_name);
	}
	w->depth--;
}

int space_used(const char *path, uint64_t *bytes, uint64_t *inodes, struct err *e)
{
	struct walk w = { .names = 1 };
	struct stat st;

	if (stat(path, &st) < 0)
		return err_sys(e, "cannot look into %s", path);
	w.dev = st.st_dev;
	w.bytes = (uint64_t)st.st_blocks * 512;
	walk_dir(&w, AT_FDCWD, path);
	free(w.seen.slot);
	*bytes = w.bytes;
	*inodes = w.names;
	return 0;
}
