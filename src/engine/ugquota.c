// SPDX-License-Identifier: MIT
#include "engine/ugquota.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/quota.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/own.h"

#ifndef SYS_quotactl_fd
#define SYS_quotactl_fd 443
#endif

int ugquota_line(const char **at, struct ugquota *out)
{
	size_t n = strcspn(*at, "\n");
	char line[256], kind, more;
	int got;

	if (!**at)
		return 0;
	snprintf(line, sizeof(line), "%.*s", n < sizeof(line) ? (int)n : 0, *at);
	*at += n + ((*at)[n] == '\n');
	got = sscanf(line,
		     "%c %10" SCNu32 " %20" SCNu64 " %20" SCNu64 " %20" SCNu64 " %20" SCNu64 " %c",
		     &kind, &out->id, &out->block_soft_kib, &out->block_hard_kib,
		     &out->inode_soft, &out->inode_hard, &more);
	if (got != 6 || (kind != 'u' && kind != 'g') || strchr(line, '-'))
		return -1;
	out->group = kind == 'g';
	return 1;
}

static int set_one(int fd, const struct ugquota *q)
{
	struct dqblk b = { .dqb_bsoftlimit = q->block_soft_kib,
			   .dqb_bhardlimit = q->block_hard_kib,
			   .dqb_isoftlimit = q->inode_soft,
			   .dqb_ihardlimit = q->inode_hard,
			   .dqb_valid = QIF_LIMITS };
	int cmd = (int)QCMD(Q_SETQUOTA, q->group ? GRPQUOTA : USRQUOTA);

	return (int)syscall(SYS_quotactl_fd, fd, cmd, q->id, &b);
}

/* Is the area the top of a file system of its own? */
static bool is_own_fs(const char *area, int fd)
{
	own_free char *above = xasprintf("%s/..", area);
	struct stat here, up;

	return fstat(fd, &here) == 0 && stat(above, &up) == 0 && here.st_dev != up.st_dev;
}

void ugquota_apply(const char *area, const char *text, unsigned *set, unsigned *left,
		   char **why)
{
	own_fd int fd = open(area, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool own = fd >= 0 && is_own_fs(area, fd);
	struct ugquota q;
	int r, sys = 0;

	*set = *left = 0;
	*why = NULL;
	while ((r = ugquota_line(&text, &q)) != 0) {
		if (r < 0)
			continue;
		if (own && set_one(fd, &q) == 0) {
			(*set)++;
			continue;
		}
		sys = own ? errno : 0;
		(*left)++;
	}
	if (!*left)
		return;
	*why = fd < 0 ? xstrdup("the area cannot be opened") :
	       !own   ? xstrdup("the private area shares its file system with other Containers") :
	       sys == ESRCH || sys == ENOSYS || sys == EOPNOTSUPP || sys == ENOTSUP ?
			xstrdup("quotas are not on in the file system of the private area") :
			xstrdup(strerror(sys));
}
