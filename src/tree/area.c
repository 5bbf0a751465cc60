// SPDX-License-Identifier: MIT
#include "tree/area.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/own.h"
#include "base/path.h"
#include "tree/meta.h"
#include "tree/msg.h"

enum { OPEN_DIR = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC };

/* mkdir where there is none, or something else. */
static int make_one(int dirfd, const char *name, struct err *e)
{
	struct stat st;

	if (mkdirat(dirfd, name, 0700) == 0)
		return 0;
	if (errno == EEXIST && fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		if (S_ISDIR(st.st_mode)) /* another thread was faster */
			return 0;
		if (area_remove(dirfd, name, e) < 0)
			return -1;
	} else if (errno == EPERM || errno == EACCES) {
		meta_unprotect(AT_FD(dirfd));
	}
	if (mkdirat(dirfd, name, 0700) == 0 || errno == EEXIST)
		return 0;
	return err_sys(e, "cannot make directory %s", name);
}

/* One component after the other.  With make NULL nothing is made, and errno is set. */
static int open_stepwise(int root, const char *path, size_t len, bool make, struct err *e)
{
	own_fd int at = openat(root, ".", OPEN_DIR);

	while (at >= 0 && len) {
		const char *slash = memchr(path, '/', len);
		size_t n = slash ? (size_t)(slash - path) : len;
		char name[TREE_MAX_NAME + 1];
		int next;

		memcpy(name, path, n);
		name[n] = '\0';
		next = path_open_beneath(at, name, OPEN_DIR, 0);
		if (next < 0 && make &&
		    (errno == ENOENT || errno == ENOTDIR || errno == ELOOP)) {
			if (make_one(at, name, e) < 0)
				return -1;
			next = path_open_beneath(at, name, OPEN_DIR, 0);
		}
		if (next < 0)
			return make ? err_sys(e, "cannot open directory %s", name) : -1;
		close(at);
		at = next;
		path += slash ? n + 1 : n;
		len -= slash ? n + 1 : n;
	}
	if (at < 0 && make)
		return err_sys(e, "cannot open the area");
	return take_fd(&at);
}

static int open_whole(int root, const char *path, size_t len)
{
	if (!len)
		return openat(root, ".", OPEN_DIR);
	if (len < PATH_MAX)
		return path_open_beneath(root, path, OPEN_DIR, 0);
	errno = ENAMETOOLONG;
	return -1;
}

int area_open_dir(int root, const char *path, size_t len)
{
	int fd = open_whole(root, path, len);

	if (fd < 0 && errno == ENAMETOOLONG)
		fd = open_stepwise(root, path, len, false, NULL);
	return fd;
}

int area_make_dir(int root, const char *path, size_t len, struct err *e)
{
	int fd = open_whole(root, path, len);

	return fd >= 0 ? fd : open_stepwise(root, path, len, true, e);
}

static void unprotect_name(int dirfd, const char *name)
{
	struct stat st;
	own_fd int fd = -1;

	/* A device is not opened for this; what is not a file has no flags anyway. */
	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)))
		return;
	fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd >= 0)
		meta_unprotect(AT_FD(fd));
}

int area_remove(int dirfd, const char *name, struct err *e)
{
	bool again = true;

	for (;;) {
		if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
			return 0;
		if (errno == EISDIR && unlinkat(dirfd, name, AT_REMOVEDIR) == 0)
			return 0;
		if (errno == ENOTEMPTY || errno == EEXIST)
			return path_remove_tree(dirfd, name, e);
		if ((errno != EPERM && errno != EACCES) || !again)
			return err_sys(e, "cannot remove %s", name);
		/* Something is immutable or append-only: itself, or the directory. */
		again = false;
		meta_unprotect(AT_FD(dirfd));
		unprotect_name(dirfd, name);
	}
}
