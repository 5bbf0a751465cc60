/* SPDX-License-Identifier: MIT */
/*
 * plan/need.h - what a container needs of the server it shall run on.
 *
 * Measured at the source (plan/gather.h), sent to the destination, which
 * answers with its facts.  Plain data, all texts owned.  The codec is pure,
 * capped and fuzzed.
 */
#ifndef PLAN_NEED_H
#define PLAN_NEED_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/strv.h"

struct need {
	char *engine;		/* "vz" */
	char *id;		/* on the source */
	char *name;		/* on the source, or NULL */
	char *arch;		/* of its first program: "x86_64", "x86"; "" when not known */
	char *kernel;		/* release it runs on now */
	bool running;		/* it runs now */
	bool start;		/* it shall run there */
	bool online;		/* …without having stopped */
	bool mount_script;	/* a mount action script exists */
	bool systemd;		/* its init is systemd */
	uint64_t bytes;		/* of disk, as du counts: blocks, hard links once */
	uint64_t inodes;
	uint64_t memory_limit;	/* bytes; 0: none */
	uint64_t memory_used;	/* bytes, now; 0 when stopped */
	uint32_t cpus;		/* CPUS or what CPULIMIT rounds up to; 0: none */
	char *ostemplate;	/* without the leading '.', or NULL */
	struct strv templates;
	struct strv technologies; /* as the configuration says */
	struct strv rate;	/* "dev:class:kbit" */
	struct strv addresses;	/* without prefix length */
	struct strv bind_mounts;/* "/host/dir:/there": of this server, not of the container */
	struct strv left_out;	/* what its config asks for and the engine does not do, a line each; stays here */
	struct strv filesystems;/* types mounted inside, beyond the always present */
	struct strv modules;	/* loaded here and of use to it: autofs4, nfs, sunrpc, … */
	struct strv cpu_flags;	/* of /proc/cpuinfo here */
	struct strv programs;	/* that the move will start there: "nft" */
};

#define own_need __attribute__((cleanup(need_fini)))

void need_init(struct need *n);
void need_fini(struct need *n);
void need_put(struct buf *b, const struct need *n);
/* Leaves *n empty on failure. */
int need_get(struct reader *r, struct need *n, struct err *e);

#endif
