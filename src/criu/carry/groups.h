/* SPDX-License-Identifier: MIT */
/*
 * criu/carry/groups.h - who has joined which multicast group.
 *
 * CRIU 4.2 drops memberships, and what goes with them (IP_MULTICAST_TTL, _LOOP, _ALL, _IF and their kin of IPv6), without
 * a word.  A socket tells whether it is in a group when it is asked for its filter there (MCAST_MSFILTER,
 * ip(7)); which groups there are, /proc/net/igmp tells.  So the source asks each socket of the frozen container for each
 * group, and the destination lets the restored ones join again.
 *
 *	pmigrate-groups.img   socket VPID FD 4|6 TTL LOOP ALL IF	IF: an address (4), an interface (6) or -
 *	                      group INTERFACE GROUP include|exclude [SOURCE…]	of the socket above
 *
 * Containers without groups pay for one look at /proc.
 */
#ifndef CRIU_CARRY_GROUPS_H
#define CRIU_CARRY_GROUPS_H

#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"
#include "mem/procs.h"

#define GROUPS_IMAGE "pmigrate-groups.img"

/* Source, frozen: all memberships, into the directory of images. */
int groups_save(int images, pid_t init, const struct proc *procs, size_t n, struct err *e);

/* Destination, restored and held.  Interfaces are found by their names. */
int groups_join(int images, const struct proc *procs, size_t n, struct err *e);

/* Running: tells of each group that none of the processes' sockets is in, and which would be left by a move: "224.0.0.9 (eth0)". */
void groups_without_socket(pid_t init, const pid_t *pids, size_t n, void (*fn)(void *arg, const char *group), void *arg);

/* The group of a line of /proc/PID/net/igmp or igmp6, if a socket has joined it (and not the kernel
 * by itself for an address); the caller's, or NULL. */
char *groups_of_line(const char *line);

#endif
