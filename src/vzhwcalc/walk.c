// SPDX-License-Identifier: MIT
/*
 * Each local file system is walked from its mount point without entering another
 * one, so that a bind mount is not walked twice.
 */
#include "vzhwcalc/walk.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/own.h"
#include "vzhwcalc/net.h"

enum {
	XATTR_NAMES = 64,
	LICENCES = 100,
	LICENCE_BYTES = 65536,
	FLAGGED = 10000,
	/* linux/fs.h and linux/stat.h call them so, with the same values */
	FLAG_IMMUTABLE = 0x10,
	FLAG_APPEND = 0x20,
	FLAG_NODUMP = 0x40,
};

/* linux/stat.h: the beginning, and room for the rest. */
struct statx_head {
	uint32_t mask, blksize;
	uint64_t attributes;
	uint8_t rest[240];
};

struct walk {
	struct notices *found;
	const struct hw *hw;
	struct strv macs;
	struct {
		char *name, *example;
		uint64_t files;
		size_t largest; /* of its values */
	} attr[XATTR_NAMES];
	size_t n_attrs, n_licences, n_flagged;
	bool no_statx;
	uint64_t files;
	time_t deadline;
	bool late;
	char path[PATH_MAX];
};

static void count_attr(struct walk *w, const char *name)
{
	ssize_t len;
	size_t i;

	for (i = 0; i < w->n_attrs; i++) {
		if (!strcmp(w->attr[i].name, name))
			break;
	}
	if (i == XATTR_NAMES)
		return;
	if (i == w->n_attrs) {
		w->attr[i].name = xstrdup(name);
		w->attr[i].example = xstrdup(w->path);
		w->n_attrs++;
	}
	w->attr[i].files++;
	len = lgetxattr(w->path, name, NULL, 0);
	if (len > 0 && (size_t)len > w->attr[i].largest)
		w->attr[i].largest = (size_t)len;
}

static void look_at_xattrs(struct walk *w)
{
	char list[4096];
	ssize_t n = llistxattr(w->path, list, sizeof(list));

	for (ssize_t at = 0; at < n; at += (ssize_t)strlen(list + at) + 1)
		count_attr(w, list + at);
}

/* The flags of chattr.  Kernels before 4.11 tell them of open files only. */
static unsigned file_flags(struct walk *w)
{
	own_fd int fd = -1;
	long flags = 0;

#ifdef SYS_statx
	if (!w->no_statx) {
		struct statx_head x;

		if (syscall(SYS_statx, AT_FDCWD, w->path, AT_SYMLINK_NOFOLLOW, 0, &x) == 0)
			return (unsigned)x.attributes;
		if (errno != ENOSYS && errno != EPERM)
			return 0;
		w->no_statx = true;
	}
#endif
	fd = open(w->path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC | O_NOATIME);
	return fd >= 0 && ioctl(fd, (int)_IOR('f', 1, long), &flags) == 0 ? (unsigned)flags : 0;
}

static void look_at_flags(struct walk *w, const struct stat *st)
{
	unsigned flags;

	if ((!S_ISREG(st->st_mode) && !S_ISDIR(st->st_mode)) || w->n_flagged >= FLAGGED)
		return;
	flags = file_flags(w);
	if (!(flags & (FLAG_IMMUTABLE | FLAG_APPEND | FLAG_NODUMP)))
		return;
	notices_add(w->found, "flags", w->path, "%s%s%s", flags & FLAG_IMMUTABLE ? "i" : "",
		    flags & FLAG_APPEND ? "a" : "", flags & FLAG_NODUMP ? "d" : "");
	w->n_flagged++;
}

static void look_at_licence(struct walk *w, const char *name, const struct stat *st)
{
	own_free char *text = NULL;

	if (!S_ISREG(st->st_mode) || st->st_size > LICENCE_BYTES || !licence_is_name(name) ||
	    w->n_licences >= LICENCES ||
	    file_read(AT_FDCWD, w->path, LICENCE_BYTES, &text, NULL, NULL) < 0 ||
	    !licence_names_mac(text, &w->macs))
		return;
	notices_add(w->found, "mac-licence", w->path,
		     "a licence that names a network card of this server");
	w->n_licences++;
}

static void walk_dir(struct walk *w, dev_t dev);

static void look_at(struct walk *w, const char *name, dev_t dev)
{
	struct stat st;

	if (lstat(w->path, &st) < 0)
		return;
	/* The clock is asked now and then: it may be slow on an old machine. */
	if ((++w->files & 255) == 0 && time(NULL) >= w->deadline)
		w->late = true;
	/* Another file system.  (Files of an overlay have numbers of their own.) */
	if (S_ISDIR(st.st_mode) && st.st_dev != dev)
		return;
	look_at_xattrs(w);
	look_at_flags(w, &st);
	look_at_licence(w, name, &st);
	if (S_ISDIR(st.st_mode))
		walk_dir(w, dev);
}

/* w->path is a directory; it is the same again afterwards. */
static void walk_dir(struct walk *w, dev_t dev)
{
	size_t len = strlen(w->path);
	own_dir DIR *d = NULL;
	struct dirent *de;

	if (excludes_cover(&w->hw->excludes, w->path))
		return;
	d = opendir(w->path);
	while (d && !w->late && (de = readdir(d))) {
		size_t n = strlen(de->d_name);

		if (!strcmp(de->d_name, ".") || !strcmp(de->d_name, "..") ||
		    len + n + 2 > sizeof(w->path))
			continue;
		snprintf(w->path + len, sizeof(w->path) - len, "%s%s",
			 len == 1 ? "" : "/", de->d_name);
		look_at(w, de->d_name, dev);
		w->path[len] = '\0';
	}
}

void walk_scan(struct notices *f, const struct hw *hw, unsigned seconds)
{
	struct walk *w = xcalloc(1, sizeof(*w));

	w->found = f;
	w->hw = hw;
	w->deadline = time(NULL) + (time_t)seconds;
	net_macs(&w->macs, NULL);
	for (size_t i = 0; i < hw->mounts.n && !w->late; i++) {
		const struct mount *m = &hw->mounts.item[i];
		struct stat st;

		if (m->class != MOUNT_LOCAL || strlen(m->dir) >= sizeof(w->path) ||
		    stat(m->dir, &st) < 0)
			continue;
		strcpy(w->path, m->dir);
		walk_dir(w, st.st_dev);
	}
	for (size_t i = 0; i < w->n_attrs; i++) {
		notices_add(f, "xattr", w->attr[i].name, "on %" PRIu64 " file%s, such as %s",
			     w->attr[i].files, w->attr[i].files == 1 ? "" : "s",
			     w->attr[i].example);
		notices_add(f, "xattr-size", w->attr[i].name, "%zu", w->attr[i].largest);
		free(w->attr[i].name);
		free(w->attr[i].example);
	}
	if (w->late)
		notices_add(f, "unfinished", "walk",
			     "%" PRIu64 " files were looked at in %u seconds", w->files, seconds);
	strv_fini(&w->macs);
	free(w);
}
