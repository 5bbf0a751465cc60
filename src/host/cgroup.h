/* SPDX-License-Identifier: MIT */
/*
 * host/cgroup.h - control groups, on v1, hybrid and v2 hosts alike.
 *
 * A group is named by one path ("/vz/101") that is the same in every hierarchy.  On v2
 * the controllers are enabled on the way to it, but not below it: what is made inside
 * a group (by a container's systemd) has no controllers of its own, so its limits are
 * those of the group, as on v1.
 */
#ifndef HOST_CGROUP_H
#define HOST_CGROUP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/strv.h"

/* Is the unified hierarchy the only one? */
bool cgroup_is_v2(void);

/* Where every hierarchy is mounted; hierarchy i is the directory list->item[i]. */
int cgroup_mounts(struct strv *list, struct err *e);
/* The directory of a group in the hierarchy of a v1 controller, or in the only one of
 * v2; "" is the unified hierarchy.  The caller's; NULL when there is no such one. */
char *cgroup_dir(const char *controller, const char *path);

/* In every hierarchy; those that are there already are fine. */
int cgroup_make(const char *path, struct err *e);
/* v2: what is made in it shall have no controllers, even if somebody enabled them. */
void cgroup_undelegate(const char *path);
/* With the empty ones below it.  Fine when it is not there. */
int cgroup_remove(const char *path, struct err *e);
/* Moves a process (0: this one) into it, in every hierarchy. */
int cgroup_join(const char *path, int pid, struct err *e);

/* Kills everything in it and below, frozen or not, without letting a frozen process run
 * another instruction of its own; returns when it is empty. */
int cgroup_kill(const char *path, struct err *e);

/* In a field: 0 = leave it as it is, CGROUP_NO_LIMIT = none. */
#define CGROUP_NO_LIMIT UINT64_MAX
struct cgroup_limits {
	uint64_t cpu_shares;	/* relative weight; 1024 is usual */
	uint64_t cpu_permille;	/* of one CPU: 1500 = one and a half */
	uint64_t memory;	/* bytes */
	uint64_t swap;		/* bytes beside `memory`; 1 stands for none at all */
	uint64_t tasks;
	const char *cpus;	/* "0-3,6", or NULL */
};

/* What the kernel has no controller for is told in one log line and skipped. */
int cgroup_limit(const char *path, const struct cgroup_limits *l, struct err *e);

#endif
