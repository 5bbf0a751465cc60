/* SPDX-License-Identifier: MIT */
/*
 * criu/carry/sockopts.h - what CRIU does not carry of sockets of IPv4 and IPv6: their owner, whom the kernel asks when
 * somebody else shall have the same port (SO_REUSEPORT) and packet filters ask (meta skuid), and many options.
 *
 *	frozen	sockopts_read ── sockopts_put ══ an image ══ sockopts_get ── sockopts_apply	restored, held
 *
 * A socket is known by a process and a descriptor.  Of its options those travel that a new socket of its kind does not
 * have so; and at the destination those are set that are not so there.
 */
#ifndef CRIU_CARRY_SOCKOPTS_H
#define CRIU_CARRY_SOCKOPTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/strv.h"
#include "mem/procs.h"

enum { SOCKOPT_MAX = 32 }; /* bytes of one */

struct sockopt {
	int level, name;
	uint8_t len;
	uint8_t value[SOCKOPT_MAX];
};

struct sockopts_end {
	uint8_t address[28]; /* a struct sockaddr_in or sockaddr_in6 */
	uint8_t len;	     /* 0: none */
};

struct sockopts_of {
	pid_t vpid;
	int fd;
	uid_t uid;
	gid_t gid;
	struct sockopts_end here, peer; /* of a ping socket: CRIU binds and connects others */
	struct sockopt *v; /* owned */
	size_t n;
};

struct sockopts {
	struct sockopts_of *v; /* owned */
	size_t n;
};

#define SOCKOPTS_INIT { NULL, 0 }
#define own_sockopts __attribute__((cleanup(sockopts_fini)))
void sockopts_fini(struct sockopts *s);

/* The file of the images that carries them. */
#define SOCKOPTS_IMAGE "pmigrate-sockets.img"

/* Of all sockets of these processes, which stand still; beside CRIU's dump.  About 0.05 ms a socket. */
int sockopts_read(struct sockopts *s, const struct proc *p, size_t n, struct err *e);
/* *lost: those that this kernel refuses, as "TCP_CONGESTION bbr of descriptor 5 of process 12". */
int sockopts_apply(const struct sockopts *s, const struct proc *p, size_t n, struct strv *lost, struct err *e);

/* Pure; _get: of a peer.  Only options that sockopts_read reads are taken. */
void sockopts_put(struct buf *b, const struct sockopts *s);
int sockopts_get(struct sockopts *s, const void *data, size_t len, struct err *e);

#endif
