// SPDX-License-Identifier: MIT
#include "criu/save/mend.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/own.h"
#include "base/path.h"
#include "criu/image/image.h"
#include "criu/image/imgdir.h"

enum { TYPE_INOTIFY = 8, TYPE_TIMERFD = 17 };

static const size_t image_max = 256u << 20;

/* Where the handle's file is below the container's root ("/etc/localtime"), or NULL. */
static char *path_of(const Img__FileHandle *fh, int root, const char *rootfs)
{
	union {
		struct file_handle h;
		char space[sizeof(struct file_handle) + MAX_HANDLE_SZ];
	} u = { .space = { 0 } };
	own_fd int fd = -1;
	char link[64], path[PATH_MAX];
	size_t n = strlen(rootfs);
	ssize_t len;

	if (fh->bytes > MAX_HANDLE_SZ || fh->bytes > fh->n_handle * 8)
		return NULL;
	u.h.handle_bytes = fh->bytes;
	u.h.handle_type = (int)fh->type;
	memcpy(u.h.f_handle, fh->handle, fh->bytes);
	fd = open_by_handle_at(root, &u.h, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, path, sizeof(path) - 1);
	if (len <= 0)
		return NULL;
	path[len] = '\0';
	return strncmp(path, rootfs, n) == 0 && path[n] == '/' ? xstrdup(path + n) : NULL;
}

/* Does it lead somewhere, seen from inside? */
static bool leads_somewhere(int root, const char *path)
{
	own_fd int fd = path_open_in_root(root, path + 1, O_PATH, 0);

	return fd >= 0;
}

static bool mend(Img__FileHandle *fh, int root, const char *rootfs)
{
	char *path = path_of(fh, root, rootfs);

	if (!path)
		return false;
	if (!leads_somewhere(root, path))
		strrchr(path, '/')[strrchr(path, '/') == path] = '\0';
	log_debug("a watch on a link is kept as one on %s", path);
	fh->path = path; /* malloc'ed: protobuf frees it */
	return true;
}

/* Returns whether it was changed. */
static bool mend_watches(Img__File *f, int root, const char *rootfs)
{
	bool changed = false;

	for (size_t i = 0; f->inotify && i < f->inotify->n_wd; i++) {
		Img__FileHandle *fh = f->inotify->wd[i]->f_handle;

		if (fh && !fh->path)
			changed = mend(fh, root, rootfs) || changed;
	}
	return changed;
}

/* The same: whether it was changed. */
static bool mend_timer(Img__File *f)
{
	Img__TimerFile *t = f->timer;

	if (!t || !t->ticks || t->vsec || t->vnsec || (!t->isec && !t->insec))
		return false;
	t->vsec = t->isec;
	t->vnsec = t->insec;
	return true;
}

int save_mend(int images, const char *rootfs, struct err *e)
{
	own_free char *data = NULL;
	own_fd int root = -1;
	own_buf struct buf out = BUF_INIT;
	struct image_reader ir;
	struct image_msg msg;
	bool changed = false;
	size_t len;
	int ret;

	/* rootfs: a mount here, which open_by_handle_at wants; its paths begin with it. */
	root = open(rootfs, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return err_sys(e, "cannot open %s", rootfs);
	if (file_read(images, "files.img", image_max, &data, &len, e) < 0 ||
	    image_begin(&ir, "files", IMAGE_FILES, data, len, e) < 0)
		return -1;
	image_put_head(&out, IMAGE_FILES);
	while ((ret = image_next(&ir, &msg, e)) > 0) {
		Img__File *f = img__file__unpack(NULL, msg.len, msg.data);

		if (!f)
			return err_set(e, ERR_PROTO, "the image files is broken");
		if ((f->type == TYPE_INOTIFY && mend_watches(f, root, rootfs)) ||
		    (f->type == TYPE_TIMERFD && mend_timer(f))) {
			image_put(&out, &f->base);
			changed = true;
		} else {
			image_put_raw(&out, msg.data, msg.len);
		}
		img__file__free_unpacked(f, NULL);
	}
	if (ret < 0 || !changed)
		return ret;
	return imgdir_put(images, "files.img", out.data, out.len, e);
}
