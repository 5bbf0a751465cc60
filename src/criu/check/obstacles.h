/* SPDX-License-Identifier: MIT */
/*
 * criu/check/obstacles.h - everything CRIU would refuse, found before the freeze and all
 * at once: which process, which object, and what its owner can do.
 *
 * Read-only; the container runs on.  A process may come or go meanwhile: what vanishes while
 * it is looked at is no finding.  Clean does not mean that CRIU will succeed;
 * a blocking finding means that it will not.
 */
#ifndef CRIU_CHECK_OBSTACLES_H
#define CRIU_CHECK_OBSTACLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct obstacle {
	pid_t pid;	    /* as this server counts; 0: not of one process */
	pid_t vpid;	    /* in the container */
	char comm[17];
	char *unit;	    /* owned: its systemd service, or NULL */
	char *object;	    /* owned: "descriptor 7: anon_inode:[io_uring]" */
	const char *why;    /* one phrase */
	const char *remedy; /* what to do */
	bool blocks;	    /* else it is lost or changed by the move */
};

struct obstacles {
	struct obstacle *v;
	size_t n;
	uint64_t ghost_max;  /* bytes of the largest deleted file that is open or mapped: dump_opts */
	size_t nr_tasks;
};

#define OBSTACLES_INIT { NULL, 0, 0, 0 }
#define own_obstacles __attribute__((cleanup(obstacles_fini)))

void obstacles_fini(struct obstacles *o);

/* `init` is the container's first process, `cgroup` a directory whose processes and those
 * below are the container's (freezer_find); `lacks` what CRIU lacks at either end (criu_lacks). */
int obstacles_find(struct obstacles *o, pid_t init, const char *cgroup, unsigned lacks, struct err *e);

/* One line: "php-fpm (pid 31, unit php.service), descriptor 7 …: why"; the caller's. */
char *obstacle_text(const struct obstacle *ob);

/* ---- the rules, pure ---- */

struct obstacle_rule {
	const char *why, *remedy;
	bool blocks;
};

/* What a link of /proc/PID/fd says; NULL: nothing against it. */
const struct obstacle_rule *obstacle_of_link(const char *link);
/* The modes in its fdinfo (`info`), for a link of a pipe, an eventfd or a pidfd. */
const struct obstacle_rule *obstacle_of_fdinfo(const char *link, const char *info);
/* Does this fdinfo tell of a lease through a descriptor that cannot read? */
bool obstacle_leases_unread(const char *info);
/* The inode of the next item in the fdinfo of an epoll; advances *info.  False: no more. */
bool obstacle_next_item(const char **info, uint64_t *ino);
/* The next POSIX timer in /proc/PID/timers that signals one thread: its number, and the thread's (as this server counts);
 * advances *timers.  False: no more. */
bool obstacle_next_timer(const char **timers, int *id, pid_t *tid);
/* By the kernel's name for a socket's protocol (xattr system.sockprotoname). */
const struct obstacle_rule *obstacle_of_socket(const char *protocol, unsigned lacks);
/* A netlink socket: its port, and the groups that it is in (NETLINK_DIAG_GROUPS; NULL: in none, ever). */
const struct obstacle_rule *obstacle_of_netlink(uint32_t port, const void *groups, size_t size);
/* The memberships of a packet socket (PACKET_DIAG_MCLIST; NULL: none). */
const struct obstacle_rule *obstacle_of_packet(const void *members, size_t size);
/* By the name of a namespace in /proc/PID/ns, when it is not the first process's. */
const struct obstacle_rule *obstacle_of_namespace(const char *name);
/* By the name of a mapping, and whether what it maps is on a hugetlbfs (the kernel's own included). */
const struct obstacle_rule *obstacle_of_mapping(const char *name, bool hugetlb);
/* By a mount's file system type. */
const struct obstacle_rule *obstacle_of_fs(const char *type);

/* The last "*.service" (or .scope) of a /proc/PID/cgroup text, or NULL; the caller's. */
char *obstacle_unit(const char *cgroup);

#endif
