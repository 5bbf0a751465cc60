// SPDX-License-Identifier: MIT
#include "base/path.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mountinfo.h"
#include "base/own.h"

static int open2(int dirfd, const char *path, int flags, mode_t mode, uint64_t resolve)
{
	struct open_how how = {
		.flags = (uint64_t)(flags | O_CLOEXEC),
		.mode = flags & (O_CREAT | O_TMPFILE) ? mode : 0,
		.resolve = resolve,
	};
	long fd;

	do
		fd = syscall(SYS_openat2, dirfd, path, &how, sizeof(how));
	while (fd < 0 && (errno == EINTR || errno == EAGAIN));
	return (int)fd;
}

int path_open_beneath(int dirfd, const char *path, int flags, mode_t mode)
{
	return open2(dirfd, path, flags, mode,
		     RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
}

int path_open_in_root(int dirfd, const char *path, int flags, mode_t mode)
{
	return open2(dirfd, path, flags, mode, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
}

bool path_is_clean(const char *path)
{
	size_t len = strlen(path);

	if (!len || len >= PATH_MAX || path[0] == '/' || path[len - 1] == '/')
		return false;
	for (const char *p = path; *p;) {
		size_t n = strcspn(p, "/");

		if (n == 0 || n > NAME_MAX || (n == 1 && p[0] == '.') ||
		    (n == 2 && p[0] == '.' && p[1] == '.'))
			return false;
		p += n;
		if (*p == '/')
			p++;
	}
	return true;
}

void path_squeeze(char *path)
{
	char *to = path;

	for (const char *from = path; *from;) {
		size_t n;

		from += strspn(from, "/");
		n = strcspn(from, "/");
		if (n && !(n == 1 && from[0] == '.')) {
			*to++ = '/';
			memmove(to, from, n);
			to += n;
		}
		from += n;
	}
	if (to == path)
		*to++ = '/';
	*to = '\0';
}

int path_mkdirs(const char *path, mode_t mode, struct err *e)
{
	own_free char *work = xstrdup(path);

	for (char *p = work + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		if (mkdir(work, mode) < 0 && errno != EEXIST)
			return err_sys(e, "cannot create directory %s", work);
		*p = '/';
	}
	if (mkdir(work, mode) < 0 && errno != EEXIST)
		return err_sys(e, "cannot create directory %s", work);
	return 0;
}

int path_make_area(const char *path, mode_t mode, struct err *e)
{
	if (mkdir(path, 0700) < 0)
		return err_sys(e, "cannot create %s", path);
	(void)removexattr(path, "system.posix_acl_default");
	(void)removexattr(path, "system.posix_acl_access");
	if (chown(path, geteuid(), getegid()) < 0 || chmod(path, mode) < 0) {
		err_sys(e, "cannot set the owner and mode of %s", path);
		rmdir(path);
		return -1;
	}
	return 0;
}

int path_is_empty(int dirfd, bool *empty, struct err *e)
{
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	own_dir DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *de;

	if (!d) {
		err_sys(e, "cannot read a directory");
		close_fd(&fd);
		return -1;
	}
	*empty = true;
	while ((de = readdir(d)))
		if (strcmp(de->d_name, ".") && strcmp(de->d_name, "..") &&
		    strcmp(de->d_name, "lost+found"))
			*empty = false;
	return 0;
}

int path_sync(const char *path, struct err *e)
{
	own_fd int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 || syncfs(fd) < 0 ? err_sys(e, "cannot write %s to the disk", path) : 0;
}

static bool path_is_below(const char *at, const char *path)
{
	size_t len = strlen(path);

	return strncmp(at, path, len) == 0 && (at[len] == '/' || !at[len]);
}

/* Is a mount point at or below `path` (absolute, no trailing slash)? */
static int mounts_inside(const char *path, bool *found, struct err *e)
{
	own_free char *info = NULL;
	struct mountinfo m;
	char *rest;
	int ret;

	*found = false;
	if (file_read(AT_FDCWD, "/proc/self/mountinfo", 64u << 20, &info, NULL, e) < 0)
		return -1;
	for (rest = info; (ret = mountinfo_next(&rest, &m, e)) > 0;)
		*found = *found || path_is_below(m.at, path);
	return ret;
}

static void clear_flags(int fd)
{
	int flags;

	if (ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0 &&
	    (flags & (FS_IMMUTABLE_FL | FS_APPEND_FL))) {
		flags &= ~(FS_IMMUTABLE_FL | FS_APPEND_FL);
		(void)ioctl(fd, FS_IOC_SETFLAGS, &flags);
	}
}

/* Clears what keeps `name` from being unlinked, if it is a file or directory. */
static void unprotect(int dirfd, const char *name)
{
	own_fd int fd = open2(dirfd, name, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_NOATIME, 0,
			      RESOLVE_BENEATH | RESOLVE_NO_XDEV);

	clear_flags(dirfd);
	if (fd >= 0)
		clear_flags(fd);
}

static int unlink_hard(int dirfd, const char *name, int flag)
{
	if (unlinkat(dirfd, name, flag) == 0)
		return 0;
	if (errno != EPERM && errno != EACCES)
		return -1;
	unprotect(dirfd, name);
	return unlinkat(dirfd, name, flag);
}

/* Removes what is in the directory fd (taken).  Depth is bounded by what the
 * file system allows; descriptors by one a level, so very deep trees are
 * flattened: a directory deeper than MAX_DEPTH is moved up to the top first. */
enum { MAX_DEPTH = 200 };

static int remove_inside(int topfd, int fd, int depth, unsigned *moved, struct err *e);

static int remove_one(int topfd, int dirfd, const char *name, unsigned char type, int depth,
		      unsigned *moved, struct err *e)
{
	int fd;

	if (type != DT_DIR && type != DT_UNKNOWN) {
		if (unlink_hard(dirfd, name, 0) == 0 || errno == ENOENT)
			return 0;
		if (errno != EISDIR)
			return err_sys(e, "cannot remove %s", name);
	}
	fd = open2(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0,
		   RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS);
	if (fd < 0 && (errno == ENOTDIR || errno == ELOOP)) {
		if (unlink_hard(dirfd, name, 0) < 0 && errno != ENOENT)
			return err_sys(e, "cannot remove %s", name);
		return 0;
	}
	if (fd < 0)
		return err_sys(e, "cannot open %s to remove it", name);
	if (depth >= MAX_DEPTH) {
		char up[64];

		close(fd);
		snprintf(up, sizeof(up), ".pmigrate-deep.%u", (*moved)++);
		if (renameat(dirfd, name, topfd, up) < 0)
			return err_sys(e, "cannot remove %s", name);
		return 0;
	}
	if (remove_inside(topfd, fd, depth + 1, moved, e) < 0)
		return -1;
	if (unlink_hard(dirfd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return err_sys(e, "cannot remove directory %s", name);
	return 0;
}

static int remove_inside(int topfd, int fd, int depth, unsigned *moved, struct err *e)
{
	own_dir DIR *d = fdopendir(fd);
	unsigned before;

	if (!d) {
		close(fd);
		return err_sys(e, "cannot read a directory to remove it");
	}
	do {
		struct dirent *de;

		before = *moved;
		rewinddir(d);
		while ((de = readdir(d))) {
			if (!strcmp(de->d_name, ".") || !strcmp(de->d_name, ".."))
				continue;
			if (remove_one(topfd, dirfd(d), de->d_name, de->d_type, depth, moved,
				       e) < 0)
				return -1;
		}
	} while (depth == 0 && *moved != before);
	return 0;
}

int path_remove_tree(int dirfd, const char *path, struct err *e)
{
	char proc[64], abs[PATH_MAX];
	unsigned moved = 0;
	bool found;
	ssize_t n;
	int fd;

	fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0)
		return err_sys(e, "cannot open %s to remove it", path);
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	n = readlink(proc, abs, sizeof(abs) - 1);
	if (n < 0 || mounts_inside((abs[n > 0 ? n : 0] = '\0', abs), &found, e) < 0) {
		close(fd);
		return n < 0 ? err_sys(e, "cannot resolve %s", path) : -1;
	}
	if (found) {
		close(fd);
		err_set(e, ERR_SYS, "%s is not removed: something is mounted in it", abs);
		return err_hint(e, "unmount it (see /proc/self/mountinfo), then try again");
	}
	if (remove_inside(fd, dup(fd), 0, &moved, e) < 0) {
		close(fd);
		return err_wrap(e, "%s", path);
	}
	close(fd);
	if (unlink_hard(dirfd, path, AT_REMOVEDIR) < 0)
		return err_sys(e, "cannot remove directory %s", path);
	return 0;
}

int path_clear(const char *path, struct err *e)
{
	own_fd int top = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int fd = top < 0 ? -1 : dup(top);
	own_dir DIR *d = fd < 0 ? NULL : fdopendir(fd);
	unsigned moved = 0, before;
	struct dirent *de;

	if (!d) {
		close_fd(&fd);
		return err_sys(e, "cannot read %s", path);
	}
	do {
		before = moved;
		rewinddir(d);
		while ((de = readdir(d))) {
			if (!strcmp(de->d_name, ".") || !strcmp(de->d_name, "..") ||
			    !strcmp(de->d_name, "lost+found"))
				continue;
			if (remove_one(top, top, de->d_name, de->d_type, 1, &moved, e) < 0)
				return err_wrap(e, "%s", path);
		}
	} while (moved != before);
	return 0;
}
