// SPDX-License-Identifier: MIT
#include "criu/save/watches.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/own.h"
#include "mem/procs.h"

enum { WATCHES_MAX = 4096, FDINFO_MAX = 4 << 20, DEPTH_MAX = 256 };

struct hunt {
	struct watches *w;
	dev_t dev;
	uint64_t ino[WATCHES_MAX]; /* still to be found */
	size_t n;
};

uint64_t watches_next(const char **at, dev_t dev)
{
	const unsigned long want = (unsigned long)major(dev) << 20 | minor(dev);
	unsigned long long ino;
	unsigned long sdev;
	const char *line = strstr(*at, "inotify wd:");
	const char *fields = line ? strstr(line, " ino:") : NULL;

	*at = fields ? fields + 1 : NULL;
	if (!fields || sscanf(fields, " ino:%llx sdev:%lx", &ino, &sdev) != 2 || sdev != want)
		return 0;
	return ino;
}

bool watches_is_link(const char *at, int root)
{
	union {
		struct file_handle h;
		char space[sizeof(struct file_handle) + MAX_HANDLE_SZ];
	} u = { .space = { 0 } };
	const char *handle = strstr(at, " fhandle-bytes:");
	unsigned int bytes, type;
	own_fd int fd = -1;
	struct stat st;
	int n = 0;

	if (!handle || sscanf(handle, " fhandle-bytes:%x fhandle-type:%x f_handle:%n", &bytes, &type, &n) != 2 || !n || bytes > MAX_HANDLE_SZ)
		return false;
	u.h.handle_bytes = bytes;
	u.h.handle_type = (int)type;
	for (unsigned int i = 0; i < bytes; i++) {
		if (sscanf(handle + n + 2 * i, "%2hhx", &u.h.f_handle[i]) != 1)
			return false;
	}
	fd = open_by_handle_at(root, &u.h, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	return fd >= 0 && fstat(fd, &st) == 0 && S_ISLNK(st.st_mode);
}

static void hunt_add(struct hunt *h, uint64_t ino)
{
	for (size_t i = 0; i < h->n; i++) {
		if (h->ino[i] == ino)
			return;
	}
	if (h->n < WATCHES_MAX)
		h->ino[h->n++] = ino;
}

static void read_descriptors(struct hunt *h, pid_t pid)
{
	own_free char *path = xasprintf("/proc/%d/fd", (int)pid);
	own_dir DIR *d = opendir(path);
	struct dirent *entry;

	while (d && (entry = readdir(d))) {
		own_free char *file = xasprintf("/proc/%d/fdinfo/%s", (int)pid, entry->d_name);
		own_free char *text = NULL;
		char link[32];
		ssize_t n = readlinkat(dirfd(d), entry->d_name, link, sizeof(link) - 1);

		if (n < 0)
			continue;
		link[n] = '\0';
		if (strcmp(link, "anon_inode:inotify") != 0 || file_read(AT_FDCWD, file, FDINFO_MAX, &text, NULL, NULL) < 0)
			continue;
		for (const char *at = text; at;) {
			uint64_t ino = watches_next(&at, h->dev);

			if (ino)
				hunt_add(h, ino);
		}
	}
}

static void hold(struct hunt *h, size_t i, int dir, const char *name)
{
	int fd = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return;
	h->w->fd = xrealloc(h->w->fd, (h->w->n + 1) * sizeof(*h->w->fd));
	h->w->fd[h->w->n++] = fd;
	h->ino[i] = h->ino[--h->n];
}

/* In `dir`, which is ours to close. */
static void search(struct hunt *h, int dir, int depth)
{
	own_dir DIR *d = fdopendir(dir);
	struct dirent *entry;
	struct stat st;

	if (!d) {
		close(dir);
		return;
	}
	if (fstat(dir, &st) < 0 || st.st_dev != h->dev) /* something is mounted here */
		return;
	while (h->n && (entry = readdir(d))) {
		int below;

		for (size_t i = 0; i < h->n; i++) {
			if (h->ino[i] == entry->d_ino && strcmp(entry->d_name, "..") != 0) {
				hold(h, i, dir, entry->d_name);
				break;
			}
		}
		if (entry->d_type != DT_DIR || depth == DEPTH_MAX || strcmp(entry->d_name, ".") == 0 ||
		    strcmp(entry->d_name, "..") == 0)
			continue;
		below = openat(dir, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (below >= 0)
			search(h, below, depth + 1);
	}
}

void watches_hold(struct watches *w, pid_t init, const char *cgroup, const char *rootfs)
{
	own_free struct hunt *h = xcalloc(1, sizeof(*h));
	own_procs struct procs procs = PROCS_INIT;
	int root = open(rootfs, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;

	watches_release(w);
	h->w = w;
	if (root < 0 || fstat(root, &st) < 0 || procs_init(&procs, init, cgroup, NULL) < 0 ||
	    procs_refresh(&procs, NULL) < 0) {
		close_fd(&root);
		return;
	}
	h->dev = st.st_dev;
	for (size_t i = 0; i < procs.n; i++)
		read_descriptors(h, procs.v[i].pid);
	search(h, root, 0);
	log_debug("%zu watched files are held, %zu were not found", w->n, h->n);
}

/* "/a/b (deleted)", as the kernel writes the path of what has none any more. */
static bool watch_is_gone(int fd)
{
	static const char gone[] = " (deleted)";
	own_free char *link = xasprintf("/proc/self/fd/%d", fd);
	own_free char *path = xmalloc(PATH_MAX);
	ssize_t n = readlink(link, path, PATH_MAX);
	const ssize_t len = sizeof(gone) - 1;

	return n > len && memcmp(path + n - len, gone, (size_t)len) == 0;
}

size_t watches_forget(struct watches *w)
{
	const size_t had = w->n;

	for (size_t i = 0; i < w->n;) {
		if (!watch_is_gone(w->fd[i])) {
			i++;
			continue;
		}
		close(w->fd[i]);
		w->fd[i] = w->fd[--w->n];
	}
	return had - w->n;
}

void watches_release(struct watches *w)
{
	for (size_t i = 0; i < w->n; i++)
		close(w->fd[i]);
	free(w->fd);
	*w = (struct watches)WATCHES_INIT;
}
