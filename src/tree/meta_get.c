// SPDX-License-Identifier: MIT
#include "tree/meta.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/own.h"

int meta_own_cwd(struct err *e)
{
	if (unshare(CLONE_FS) < 0)
		return err_sys(e, "cannot give a thread its own directory");
	umask(0);
	return 0;
}

int meta_stat(struct at at, struct statx *out)
{
	if (at.fd >= 0)
		return statx(at.fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_MNT_ID, out);
	return statx(AT_FDCWD, at.name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT,
		     STATX_BASIC_STATS | STATX_MNT_ID, out);
}

static ssize_t list_names(struct at at, char *names, size_t size)
{
	return at.fd >= 0 ? flistxattr(at.fd, names, size) : llistxattr(at.name, names, size);
}

static bool travels(const char *name)
{
	return !strncmp(name, "user.", 5) || !strncmp(name, "trusted.", 8) ||
	       !strncmp(name, "security.", 9) || !strncmp(name, "system.posix_acl_", 17);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int put_value(struct at at, const char *name, struct buf *out, struct err *e)
{
	size_t start = out->len;
	ssize_t n;
	uint8_t *p;

	xattr_put(out, name, NULL, 0);
	p = buf_reserve(out, 256);
	n = at.fd >= 0 ? fgetxattr(at.fd, name, p, 256) : lgetxattr(at.name, name, p, 256);
	if (n < 0 && errno == ERANGE) {
		p = buf_reserve(out, TREE_MAX_VALUE);
		n = at.fd >= 0 ? fgetxattr(at.fd, name, p, TREE_MAX_VALUE) :
				 lgetxattr(at.name, name, p, TREE_MAX_VALUE);
	}
	if (n < 0) {
		out->len = start;
		if (errno == ENODATA || errno == ENOENT) /* removed since it was listed */
			return 0;
		return err_sys(e, "cannot read the extended attribute %s", name);
	}
	put_be32(out->data + out->len - 4, (uint32_t)n);
	out->len += (size_t)n;
	if (out->len > TREE_MAX_XATTRS)
		return err_set(e, ERR_COPY, "more than %d KiB of extended attributes",
			       TREE_MAX_XATTRS >> 10);
	return 0;
}

static int put_all(struct at at, char *names, size_t len, struct buf *out, struct err *e)
{
	own_free const char **sorted = NULL;
	size_t n = 0;

	/* A name is two bytes at least, with its NUL. */
	sorted = xcalloc(len / 2 + 1, sizeof(*sorted));
	for (char *p = names; p < names + len; p += strlen(p) + 1)
		if (travels(p))
			sorted[n++] = p;
	qsort(sorted, n, sizeof(*sorted), by_name);
	for (size_t i = 0; i < n; i++)
		if (put_value(at, sorted[i], out, e) < 0)
			return -1;
	return 0;
}

int meta_xattrs(struct at at, struct buf *out, struct err *e)
{
	char few[512];
	own_free char *many = NULL;
	ssize_t n = list_names(at, few, sizeof(few));

	buf_clear(out);
	if (n == 0)
		return 0;
	if (n < 0 && errno == ERANGE) {
		many = xmalloc(XATTR_LIST_MAX);
		n = list_names(at, many, XATTR_LIST_MAX);
	}
	if (n < 0 && (errno == EOPNOTSUPP || errno == ENOENT))
		return 0;
	if (n < 0)
		return err_sys(e, "cannot list extended attributes");
	return put_all(at, many ? many : few, (size_t)n, out, e);
}

void meta_fill(struct meta *m, const struct statx *stx, const struct buf *xattrs)
{
	*m = (struct meta){
		.mode = stx->stx_mode,
		.uid = stx->stx_uid,
		.gid = stx->stx_gid,
		.atime_s = stx->stx_atime.tv_sec,
		.atime_ns = stx->stx_atime.tv_nsec,
		.mtime_s = stx->stx_mtime.tv_sec,
		.mtime_ns = stx->stx_mtime.tv_nsec,
		.xattrs = xattrs->data,
		.xattrs_len = (uint32_t)xattrs->len,
	};
}

uint32_t meta_flags(const struct statx *stx)
{
	return (stx->stx_attributes & STATX_ATTR_IMMUTABLE ? TREE_IMMUTABLE : 0u) |
	       (stx->stx_attributes & STATX_ATTR_APPEND ? TREE_APPEND : 0u);
}

uint32_t meta_nocow(int fd)
{
	int flags;

	return ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0 && flags & FS_NOCOW_FL ? TREE_NOCOW : 0u;
}

bool meta_may_nocow(int fd)
{
	struct statfs st;

	return fstatfs(fd, &st) == 0 && st.f_type == BTRFS_SUPER_MAGIC;
}

uint64_t meta_rdev(const struct statx *stx)
{
	return (uint64_t)stx->stx_rdev_major << 32 | stx->stx_rdev_minor;
}

void meta_list_entry(struct list_entry *out, const struct statx *stx,
		     const struct buf *xattrs, const char *target)
{
	uint64_t digest = meta_flags(stx);

	*out = (struct list_entry){
		.mode = stx->stx_mode,
		.uid = stx->stx_uid,
		.gid = stx->stx_gid,
		.mtime_s = stx->stx_mtime.tv_sec,
		.mtime_ns = stx->stx_mtime.tv_nsec,
		.size = S_ISREG(stx->stx_mode) ? stx->stx_size : 0,
		.ino = stx->stx_ino,
		.nlink = stx->stx_nlink,
	};
	if (S_ISCHR(stx->stx_mode) || S_ISBLK(stx->stx_mode))
		digest ^= meta_rdev(stx) << 8;
	if (xattrs->len)
		digest = XXH3_64bits_withSeed(xattrs->data, xattrs->len, digest);
	if (target[0])
		digest = XXH3_64bits_withSeed(target, strlen(target), digest);
	out->digest = digest;
}
