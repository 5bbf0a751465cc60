// SPDX-License-Identifier: MIT
/*
 * Directory handles to paths: the kernel's own text for an opened handle,
 * and, where that is too long, one step up at a time.
 */
#include "tree/changes/impl.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/own.h"
#include "tree/area.h"
#include "tree/msg.h"
#include "tree/walk.h"

/* The kernel's text for a descriptor; false when it is too long or none. */
static bool text_of(int fd, char out[static PATH_MAX])
{
	char proc[64];
	ssize_t n;

	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	n = readlink(proc, out, PATH_MAX - 1);
	if (n <= 0 || n >= PATH_MAX - 1)
		return false;
	out[n] = '\0';
	return out[0] == '/';
}

int area_id_init(struct area_id *id, int root, const char *root_path, struct err *e)
{
	char text[PATH_MAX];
	struct stat st;

	if (fstat(root, &st) < 0)
		return err_sys(e, "cannot stat %s", root_path);
	if (!text_of(root, text))
		return err_set(e, ERR_UNSUPPORTED, "the path of %s cannot be told", root_path);
	*id = (struct area_id){ .root = root, .dev = st.st_dev, .ino = st.st_ino };
	id->len = strlen(text);
	while (id->len && text[id->len - 1] == '/')
		id->len--;
	id->root_path = xstrndup(text, id->len);
	return 0;
}

void area_id_fini(struct area_id *id)
{
	free(id->root_path);
	id->root_path = NULL;
}

/* The part of an absolute path that lies beneath the area, or NULL. */
static const char *beneath(const struct area_id *id, const char *text)
{
	if (strncmp(text, id->root_path, id->len) != 0)
		return NULL;
	if (!text[id->len])
		return text + id->len;
	return text[id->len] == '/' ? text + id->len + 1 : NULL;
}

static bool is_root(const struct area_id *id, int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_dev == id->dev && st.st_ino == id->ino;
}

/* The name of directory `fd` in `up`, appended in front of `path`. */
static bool prepend_name(int up, int fd, struct buf *path)
{
	struct walk *w = walk_new(up, "", 0);
	own_buf struct buf longer = BUF_INIT;
	struct walk_dir *d = NULL;
	struct walk_name n;
	struct stat st, now;
	bool mount_point, found = false;

	if (fstat(fd, &st) == 0 && walk_next(w, &d, &mount_point, NULL) > 0)
		while (!found && walk_name(w, &n))
			found = n.ino == st.st_ino &&
				fstatat(up, n.name, &now, AT_SYMLINK_NOFOLLOW) == 0 &&
				now.st_dev == st.st_dev && now.st_ino == st.st_ino;
	walk_dir_put(d);
	walk_free(w);
	if (!found)
		return false;
	buf_put(&longer, n.name, strlen(n.name));
	if (path->len)
		buf_put_u8(&longer, '/');
	buf_put(&longer, path->data, path->len);
	buf_clear(path);
	buf_put(path, longer.data, longer.len);
	return true;
}

/* Up from fd (taken) to the area's root; NULL when it does not lead there. */
static char *climb(const struct area_id *id, int fd)
{
	own_buf struct buf path = BUF_INIT;
	own_fd int at = fd;

	while (!is_root(id, at)) {
		own_fd int up = openat(at, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		if (up < 0 || path.len > TREE_MAX_PATH || !prepend_name(up, at, &path))
			return NULL;
		close(at);
		at = take_fd(&up);
	}
	return path.len ? xstrndup((char *)path.data, path.len) : xstrdup("");
}

/* Only whether it leads there: no names needed. */
static bool climbs(const struct area_id *id, int fd)
{
	own_fd int at = fd;

	for (int depth = 0; depth < TREE_MAX_PATH / 2; depth++) {
		struct stat here, above;
		int up;

		if (is_root(id, at))
			return true;
		up = openat(at, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (up < 0 || fstat(at, &here) < 0 || fstat(up, &above) < 0 ||
		    (here.st_dev == above.st_dev && here.st_ino == above.st_ino)) {
			if (up >= 0)
				close(up);
			return false;
		}
		close(at);
		at = up;
	}
	return false;
}

static int open_handle(const struct area_id *id, const struct file_handle *h)
{
	return open_by_handle_at(id->root, (struct file_handle *)(uintptr_t)h,
				 O_PATH | O_CLOEXEC);
}

enum side journal_side(const struct area_id *id, const struct file_handle *h)
{
	own_fd int fd = open_handle(id, h);
	char text[PATH_MAX];
	bool inside;

	if (fd < 0)
		return errno == ESTALE ? SIDE_GONE : SIDE_OUTSIDE;
	inside = text_of(fd, text) ? beneath(id, text) != NULL : climbs(id, take_fd(&fd));
	return inside ? SIDE_INSIDE : SIDE_OUTSIDE;
}

bool journal_may_live_on(const struct area_id *id, const struct file_handle *h)
{
	own_fd int fd = open_handle(id, h);
	char text[PATH_MAX];
	struct stat st, there;

	if (fd < 0 || fstat(fd, &st) < 0 || !st.st_nlink)
		return false;
	/* Not when its only name lies elsewhere; the kernel need not know a name, or may print one
	 * of several. */
	return st.st_nlink > 1 || !text_of(fd, text) || beneath(id, text) ||
	       lstat(text, &there) < 0 || there.st_dev != st.st_dev || there.st_ino != st.st_ino;
}

/* Does this path really lead to the file behind fd?  (Two mounts may print alike.) */
static bool leads_to(const struct area_id *id, const char *path, int fd)
{
	own_fd int there = area_open_dir(id->root, path, strlen(path));
	struct stat a, b;

	return there >= 0 && fstat(there, &a) == 0 && fstat(fd, &b) == 0 &&
	       a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

char *journal_dir_path(const struct area_id *id, const struct file_handle *h)
{
	own_fd int fd = open_handle(id, h);
	char text[PATH_MAX];
	const char *rest;

	if (fd < 0)
		return NULL;
	if (!text_of(fd, text))
		return climb(id, take_fd(&fd));
	rest = beneath(id, text);
	return rest && leads_to(id, rest, fd) ? xstrdup(rest) : NULL;
}

/* A regular file beneath the area at this path, being the one with `want`? */
static bool file_at(const struct area_id *id, const char *rest, const struct stat *want)
{
	size_t dir_len;
	const char *name = tree_path_split(rest, strlen(rest), &dir_len);
	own_free char *dir = xstrndup(rest, dir_len);
	own_fd int fd = area_open_dir(id->root, dir, dir_len);
	struct stat st;

	return *name && fd >= 0 && fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       (!want || (st.st_dev == want->st_dev && st.st_ino == want->st_ino));
}

int journal_open_written(int root, const struct change *c)
{
	return open_by_handle_at(root, c->written, O_PATH | O_CLOEXEC);
}

int journal_path_of(int root, const char *root_path, int fd, char **path, struct err *e)
{
	union {
		struct file_handle h;
		char room[sizeof(struct file_handle) + MAX_HANDLE_SZ];
	} handle = { .h.handle_bytes = MAX_HANDLE_SZ };
	struct area_id id;
	char text[PATH_MAX];
	const char *rest;
	struct stat st;
	int mount_id, ret = 0;

	if (area_id_init(&id, root, root_path, e) < 0)
		return -1;
	if (fstat(fd, &st) == 0 && st.st_dev == id.dev &&
	    name_to_handle_at(fd, "", &handle.h, &mount_id, AT_EMPTY_PATH) == 0) {
		own_fd int same = open_handle(&id, &handle.h);

		rest = same >= 0 && text_of(same, text) ? beneath(&id, text) : NULL;
		if (rest && file_at(&id, rest, &st)) {
			*path = xstrdup(rest);
			ret = 1;
		}
	} else if (text_of(fd, text) && file_at(&id, text + 1, NULL)) {
		/* Another file system on top of ours (overlay): the same path inside. */
		*path = xstrdup(text + 1);
		ret = 1;
	}
	area_id_fini(&id);
	return ret;
}
