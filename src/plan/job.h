/* SPDX-License-Identifier: MIT */
/*
 * plan/job.h - what the user wants: the command line, understood.
 *
 * Plain data, filled by pmigrate/options.c, checked by plan/, carried out by
 * move/.  Nothing in it is a descriptor or a function.
 */
#ifndef PLAN_JOB_H
#define PLAN_JOB_H

#include <stdbool.h>
#include <stdint.h>

#include "base/strv.h"
#include "wire/link.h"

/* The type letters. */
enum kind { KIND_SERVER = 'h', KIND_CONTAINER = 'c', KIND_VM = 'v' };

struct address {
	struct where where; /* where.host NULL: this server */
	char *name;	    /* container id or name, VM name; or NULL */
};

/* -f, --nodeps: what the user wants not to be stopped by.  Bits. */
enum nodeps {
	NODEPS_CPU_CHECK = 1u << 0,
	NODEPS_DISK_SPACE = 1u << 1,
	NODEPS_TECHNOLOGIES = 1u << 2,
	NODEPS_LICENSE = 1u << 3,
	NODEPS_RATE = 1u << 4,
	NODEPS_BINDMOUNT = 1u << 5,
	NODEPS_TEMPLATE_AREA_SYNC = 1u << 6,
	NODEPS_KERNEL_MODULES = 1u << 7,
	NODEPS_CAPABILITIES = 1u << 8,	    /* what CRIU would refuse, cgroup mode */
	NODEPS_CPT_IMAGE_VERSION = 1u << 9, /* the CRIU versions of the two ends */
	NODEPS_OTHERS = 1u << 30, /* IP in use, templates, mount script: only by "all" */
	NODEPS_ALL = 0x7fffffff,
};

/* The words of -f, in the manual's order; word NULL at the end. */
struct nodeps_word {
	const char *word;
	uint32_t bit;
};
extern const struct nodeps_word nodeps_words[];

enum tristate { UNSET = 0, NO, YES };

enum { JOB_STREAMS_MAX = 16 };

struct job {
	enum kind src_kind, dst_kind;
	struct address src, dst;

	/* every pair */
	uint32_t nodeps;	/* enum nodeps */
	bool batch, verbose, no_progress, dry_run, keep_dst;
	struct link_opts link;	/* --ssh, --timeout */
	uint64_t limit_bps;	/* bytes a second; 0: none */
	unsigned streams;	/* data connections, 1..JOB_STREAMS_MAX */
	char *report, *stats;	/* files, or NULL */

	/* c -> c */
	bool nostart, readonly;
	enum tristate remove_area;
	bool online, lazy, noiter, require_realtime;
	uint64_t max_downtime_ms; /* 0: no bound */
	/* The wishes; "…/NAME" of the destination's address is put in here as well. */
	char *new_id, *new_name, *new_private, *new_root;

	/* v -> v */
	bool keep_src;
	char *vm_dir;		/* --dst: where the disks go */

	/* h -> c, v -> c */
	char *hw_config;	/* -c */
	char *quota_part;	/* -q */
	char *eztmpl;		/* -z */
	char *dist;		/* -d */
	struct strv excludes;	/* --exclude */
	struct strv srvstop;	/* -S */
	bool take_addresses;	/* its addresses may move at once */
};

#define own_job __attribute__((cleanup(job_fini)))

void job_init(struct job *j);
void job_fini(struct job *j);

/* Both ends are this server: a local move. */
bool job_is_local(const struct job *j);

#endif
