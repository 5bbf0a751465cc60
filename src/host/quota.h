/* SPDX-License-Identifier: MIT */
/*
 * host/quota.h - space and inodes of a directory tree, by project quota.
 *
 * ext4 and xfs mounted with prjquota.  The tree's directories carry the project's number
 * and hand it down to what is made in them.  quotactl_fd(2): no device node is needed.
 */
#ifndef HOST_QUOTA_H
#define HOST_QUOTA_H

#include <stdint.h>

#include "base/err.h"

struct quota_limits { /* 0: none */
	uint64_t soft_bytes, hard_bytes;
	uint64_t soft_inodes, hard_inodes;
};

/* Gives the tree the project and the project its limits.  When the top has the project
 * already the tree is not walked.  ERR_UNSUPPORTED when the file system has no project
 * quota (nothing was changed then). */
int quota_project_set(const char *tree, uint32_t project, const struct quota_limits *l,
		      struct err *e);

#endif
