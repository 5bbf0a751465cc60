// SPDX-License-Identifier: MIT
#include "tree/meta.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/log.h"
#include "base/own.h"

/* The file itself, unopened, and what it is: nothing can be slipped in afterwards. */
static int open_found(const char *name, struct stat *st)
{
	own_fd int fd = open(name, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	return fd >= 0 && fstat(fd, st) == 0 ? take_fd(&fd) : -1;
}

static int set_owner(struct at at, const struct meta *m)
{
	if (at.fd >= 0)
		return fchown(at.fd, m->uid, m->gid);
	return fchownat(AT_FDCWD, at.name, m->uid, m->gid, AT_SYMLINK_NOFOLLOW);
}

static int set_mode(struct at at, const struct meta *m)
{
	own_fd int fd = -1;
	char proc[64];
	struct stat st;

	if (S_ISLNK(m->mode))
		return 0;
	if (at.fd >= 0)
		return fchmod(at.fd, m->mode & 07777);
	/* chmod by name would follow a symlink that is there by now. */
	fd = open_found(at.name, &st);
	if (fd < 0)
		return -1;
	if (S_ISLNK(st.st_mode)) {
		errno = ELOOP;
		return -1;
	}
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	return chmod(proc, m->mode & 07777);
}

static int set_times(struct at at, const struct meta *m)
{
	const struct timespec times[2] = {
		{ .tv_sec = m->atime_s, .tv_nsec = m->atime_ns },
		{ .tv_sec = m->mtime_s, .tv_nsec = m->mtime_ns },
	};

	if (at.fd >= 0)
		return futimens(at.fd, times);
	return utimensat(AT_FDCWD, at.name, times, AT_SYMLINK_NOFOLLOW);
}

static int set_one(struct at at, const struct xattr *x, struct err *e)
{
	static atomic_flag told = ATOMIC_FLAG_INIT;
	int ret = at.fd >= 0 ? fsetxattr(at.fd, x->name, x->value, x->len, 0) :
			       lsetxattr(at.name, x->name, x->value, x->len, 0);

	if (ret == 0)
		return 0;
	if (errno != EOPNOTSUPP)
		return err_sys(e, "cannot set the extended attribute %s", x->name);
	if (!atomic_flag_test_and_set(&told))
		log_warn("the file system of the area cannot keep extended attributes such as "
			 "%s: they are lost",
			 x->name);
	return 0;
}

/* Does the encoded list `have` hold exactly this attribute? */
static bool holds(const struct buf *have, const struct xattr *want, bool *value_too)
{
	struct reader r = reader_of(have->data, have->len);
	struct xattr x;

	while (xattr_next(&r, &x) > 0) {
		if (strcmp(x.name, want->name) != 0)
			continue;
		*value_too = x.len == want->len &&
			     (!x.len || !memcmp(x.value, want->value, x.len));
		return true;
	}
	*value_too = false;
	return false;
}

static int set_xattrs(struct at at, const struct meta *m, bool fresh, struct err *e)
{
	struct buf want = { (uint8_t *)(uintptr_t)m->xattrs, m->xattrs_len, 0 };
	own_buf struct buf have = BUF_INIT;
	struct reader r = reader_of(m->xattrs, m->xattrs_len);
	struct xattr x;
	bool same;

	if (fresh && !m->xattrs_len)
		return 0;
	if (!fresh && meta_xattrs(at, &have, e) < 0)
		return -1;
	while (xattr_next(&r, &x) > 0) {
		holds(&have, &x, &same);
		if (!same && set_one(at, &x, e) < 0)
			return -1;
	}
	r = reader_of(have.data, have.len);
	while (xattr_next(&r, &x) > 0)
		if (!holds(&want, &x, &same))
			/* What cannot be removed (a label of the system) was not sent either. */
			(void)(at.fd >= 0 ? fremovexattr(at.fd, x.name) :
					    lremovexattr(at.name, x.name));
	return 0;
}

int meta_set(struct at at, const struct meta *m, bool fresh, struct err *e)
{
	bool chown_it = !fresh || m->uid || m->gid;

	if (chown_it && set_owner(at, m) < 0)
		return err_sys(e, "cannot set the owner");
	if ((!fresh || m->mode & 07000) && set_mode(at, m) < 0)
		return err_sys(e, "cannot set the mode");
	if (set_xattrs(at, m, fresh, e) < 0)
		return -1;
	if (set_times(at, m) < 0)
		return err_sys(e, "cannot set the times");
	return 0;
}

static int open_for_flags(struct at at)
{
	own_fd int found = -1;
	char proc[64];
	struct stat st;

	if (at.fd >= 0)
		return fcntl(at.fd, F_DUPFD_CLOEXEC, 0);
	found = open_found(at.name, &st);
	/* Never open a device or fifo for its flags. */
	if (found < 0 || (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)))
		return -1;
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", found);
	return open(proc, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
}

int meta_set_flags(struct at at, uint32_t flags, struct err *e)
{
	own_fd int fd = open_for_flags(at);
	int have, want;

	if (fd < 0 || ioctl(fd, FS_IOC_GETFLAGS, &have) < 0) {
		if (!(flags & (TREE_IMMUTABLE | TREE_APPEND)))
			return 0;
		log_warn("%s: the file system of the area has no immutable flag", at.name);
		return 0;
	}
	/* Refused for a file that has contents: then it was not made for this. */
	if (flags & TREE_NOCOW && !(have & FS_NOCOW_FL)) {
		want = have | FS_NOCOW_FL;
		if (ioctl(fd, FS_IOC_SETFLAGS, &want) == 0)
			have = want;
	}
	want = have & ~(FS_IMMUTABLE_FL | FS_APPEND_FL);
	want |= (flags & TREE_IMMUTABLE ? FS_IMMUTABLE_FL : 0) |
		(flags & TREE_APPEND ? FS_APPEND_FL : 0);
	if (want != have && ioctl(fd, FS_IOC_SETFLAGS, &want) < 0)
		return err_sys(e, "cannot set inode flags of %s", at.name);
	return 0;
}

bool meta_unprotect(struct at at)
{
	own_fd int fd = open_for_flags(at);
	int flags;

	if (fd < 0 || ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0 ||
	    !(flags & (FS_IMMUTABLE_FL | FS_APPEND_FL)))
		return false;
	flags &= ~(FS_IMMUTABLE_FL | FS_APPEND_FL);
	return ioctl(fd, FS_IOC_SETFLAGS, &flags) == 0;
}
