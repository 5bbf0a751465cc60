/* SPDX-License-Identifier: MIT */
/*
 * criu/check/peers.h - unix sockets of a container whose other end nobody in the
 * container holds.  Asks the kernel (sock_diag(7)) inside the container's network
 * namespace, from a thread that enters it.
 */
#ifndef CRIU_CHECK_PEERS_H
#define CRIU_CHECK_PEERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct unix_pair {
	uint32_t ino, peer;
	bool held, peer_held;
};

struct unix_peers {
	struct unix_pair *v;
	size_t n, next;
};

/* Lists the connected unix sockets of the namespace; empty when it cannot. */
void unix_peers_init(struct unix_peers *p, pid_t init);
void unix_peers_fini(struct unix_peers *p);

/* A process of the container holds this socket. */
void unix_peers_have(struct unix_peers *p, uint64_t ino);

/* The next socket that is held while its other end is not: "unix socket 17, peer 18", the caller's;
 * NULL at the end. */
char *unix_peers_outside(struct unix_peers *p);

#endif
