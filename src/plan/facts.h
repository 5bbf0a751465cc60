/* SPDX-License-Identifier: MIT */
/*
 * plan/facts.h - what a server offers.
 *
 * Measured at either end (plan/gather.h); the destination's travel to the
 * source, which decides (plan/check.h).  Plain data, all texts owned.  The
 * codec is pure, capped and fuzzed.
 */
#ifndef PLAN_FACTS_H
#define PLAN_FACTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/strv.h"

enum cgroup_mode { CGROUP_NONE = 0, CGROUP_V1, CGROUP_HYBRID, CGROUP_V2 };

/* /etc/vz/licenses, see pmigrate(1). */
enum licence_state { LICENCE_NONE = 0, LICENCE_VALID, LICENCE_EXPIRED, LICENCE_BROKEN };

/* Something that a container needs here and would not find, as it would fail later. */
struct lack {
	enum err_code code;
	char *text;
	char *hint; /* or NULL */
};

enum { FACTS_LACKS_MAX = 64 };

struct facts {
	char *hostname;
	char *machine;		/* boot id and network namespace: equal = the same server */
	char *arch;		/* "x86_64" */
	char *kernel;		/* release: "6.12.1" */
	enum cgroup_mode cgroup;
	struct strv engines;	/* set up here */
	struct strv technologies;
	struct strv cpu_flags;
	struct strv filesystems;/* the kernel knows */
	struct strv modules;	/* loaded or built in or loadable */
	struct strv interfaces;
	struct strv templates;	/* installed: "debian-13-x86_64" */
	struct strv addresses_used; /* of need.addresses: those that answer or are routed here */
	uint64_t memory;	/* bytes of RAM */
	uint64_t memory_free;	/* available */
	uint32_t cpus;
	uint32_t criu_version;	/* 0: none */
	char *criu_problem;	/* what `criu check` said, or "" */

	/* rate */
	bool traffic_shaping;
	uint32_t rate_classes;	/* bit n: class n is defined */

	/* licence */
	enum licence_state licence;
	char *licence_text;	/* its file, or what is wrong with it */
	uint64_t licence_max;	/* running containers; UINT64_MAX: unlimited */
	uint64_t running;	/* containers that run here now */

	/* where the container would live; empty at the source */
	char *private_area;
	char *root;
	uint64_t disk_free;	/* bytes */
	uint64_t inodes_free;	/* UINT64_MAX: the file system has no limit */
	uint64_t kept_bytes;	/* of an earlier try's area, which is used; 0: none */
	enum err_code home_code;/* ERR_NONE: the place is free */
	char *home_problem;	/* who has id, path or config */
	enum err_code name_code;
	char *name_problem;	/* who has the name */
	struct lack *lack;
	uint32_t n_lacks;
};

#define own_facts __attribute__((cleanup(facts_fini)))

void facts_init(struct facts *f);
void facts_fini(struct facts *f);
/* Takes code, text and hint from `why`. */
void facts_add_lack(struct facts *f, const struct err *why);
void facts_put(struct buf *b, const struct facts *f);
/* Leaves *f empty on failure. */
int facts_get(struct reader *r, struct facts *f, struct err *e);

const char *cgroup_mode_word(enum cgroup_mode m);

#endif
