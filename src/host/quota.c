// SPDX-License-Identifier: MIT
#include "host/quota.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/quota.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/own.h"
#include "base/path.h"

enum { PROJECT_TYPE = 2 /* PRJQUOTA */, TREE_MAX_DEPTH = 512 };

static int quota_call(int fd, int command, uint32_t project, struct if_dqblk *block)
{
	return (int)syscall(SYS_quotactl_fd, fd, QCMD((unsigned)command, PROJECT_TYPE), project,
			    block);
}

/* Directories hand it down to what is made in them.  1: it had the project already. */
static int mark(int fd, bool directory, uint32_t project)
{
	uint32_t inherit = directory ? FS_XFLAG_PROJINHERIT : 0;
	struct fsxattr x;

	if (ioctl(fd, FS_IOC_FSGETXATTR, &x) < 0)
		return -1;
	if (x.fsx_projid == project && (x.fsx_xflags & inherit) == inherit)
		return 1;
	x.fsx_projid = project;
	x.fsx_xflags |= inherit;
	return ioctl(fd, FS_IOC_FSSETXATTR, &x);
}

static int mark_tree(int dir, uint32_t project, int depth, struct err *e);

static int mark_entry(int dir, const struct dirent *de, uint32_t project, int depth, struct err *e)
{
	own_fd int fd = -1;

	if (strcmp(de->d_name, ".") == 0 || strcmp(de->d_name, "..") == 0)
		return 0;
	/* only these can carry it */
	if (de->d_type != DT_DIR && de->d_type != DT_REG)
		return 0;
	fd = path_open_beneath(dir, de->d_name, O_RDONLY | O_NOFOLLOW | O_NOATIME, 0);
	if (fd < 0)
		return errno == ENOENT || errno == EXDEV ? 0 : err_sys(e, "cannot open %s", de->d_name);
	if (mark(fd, de->d_type == DT_DIR, project) < 0 && errno != EPERM) /* immutable files keep theirs */
		return err_sys(e, "cannot set the project of %s", de->d_name);
	if (de->d_type == DT_DIR && depth < TREE_MAX_DEPTH)
		return mark_tree(fd, project, depth + 1, e);
	return 0;
}

static int mark_tree(int dir, uint32_t project, int depth, struct err *e)
{
	own_dir DIR *d = fdopendir(fcntl(dir, F_DUPFD_CLOEXEC, 3));
	struct dirent *de;

	if (!d)
		return err_sys(e, "cannot list a directory for its quota");
	while ((de = readdir(d))) {
		if (mark_entry(dir, de, project, depth, e) < 0)
			return -1;
	}
	return 0;
}

int quota_project_set(const char *tree, uint32_t project, const struct quota_limits *l,
		      struct err *e)
{
	own_fd int fd = open(tree, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct if_dqblk block = {
		.dqb_bsoftlimit = l->soft_bytes / 1024,
		.dqb_bhardlimit = l->hard_bytes / 1024,
		.dqb_isoftlimit = l->soft_inodes,
		.dqb_ihardlimit = l->hard_inodes,
		.dqb_valid = QIF_LIMITS,
	};
	int marked;

	if (fd < 0)
		return err_sys(e, "cannot open %s", tree);
	if (quota_call(fd, Q_SETQUOTA, project, &block) < 0) {
		if (errno == ESRCH || errno == ENOSYS || errno == EOPNOTSUPP || errno == ENOTTY ||
		    errno == EINVAL)
			return err_set(e, ERR_UNSUPPORTED, "the file system of %s has no project quota",
				       tree);
		return err_sys(e, "cannot set the quota of %s", tree);
	}
	marked = mark(fd, true, project);
	if (marked < 0)
		return err_sys(e, "cannot set the project of %s", tree);
	return marked ? 0 : mark_tree(fd, project, 0, e);
}
