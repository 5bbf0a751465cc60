/* SPDX-License-Identifier: MIT */
/*
 * plan/into.h - h -> c and v -> c: what is decided about the new Container before
 * anything is done.  Pure.
 */
#ifndef PLAN_INTO_H
#define PLAN_INTO_H

#include <stdint.h>

#include "base/err.h"
#include "base/strv.h"
#include "plan/job.h"

/* A Container that is to be what a server was. */
struct into_plan {
	char *config;	   /* for /etc/vz/conf/ID.conf: measured values, our own choices */
	char *dist;	   /* name of the distribution */
	char *hostname;	   /* or NULL */
	char *nameservers; /* blank-separated, or NULL */
	char *searchdomains;
	struct strv addresses; /* without prefix length */
	struct strv excludes;  /* rsync patterns: of the file, then of the user */
	uint64_t disk_kib;     /* that must be free: the soft limit, or 0 when not known */
	uint64_t inodes;
};

void into_plan_fini(struct into_plan *p);

/*
 * From the text of the file that vzhwcalc wrote.  What belongs to another place
 * than the measured server (paths, templates, ids, interfaces) is not taken over;
 * -d beats DISTRIBUTION; neither is ERR_USAGE.  `what` names the text in messages.
 */
int into_plan_make(struct into_plan *p, const char *hw_config, const char *what,
		   const struct job *job, struct err *e);

/* rsync's whole command.  `ssh`: the words that run something on the source, as one
 * shell text, or NULL for a source on this server; `from` is "HOST:/" or "/". */
struct into_rsync {
	const char *ssh, *rsync_path, *from, *to;
	const struct strv *excludes;
	uint64_t limit_bps;
	unsigned timeout_s;
	bool xattrs;	    /* both ends can */
	bool xattr_filter;  /* both know filters for them (3.1.0) */
	const struct strv *lost; /* names that the destination cannot keep, or NULL */
};

void into_rsync_argv(struct strv *out, const struct into_rsync *r);

/* One line of rsync's progress ("  1,234,567  42%   12.3MB/s …"): bytes so far and
 * percent.  False when it is none. */
bool into_rsync_progress(const char *line, uint64_t *bytes, unsigned *percent);
/* "Total bytes received: 1,234" and the like of --stats. */
bool into_rsync_stat(const char *line, const char *name, uint64_t *out);

/* Of `rsync --version`: its version as 30100 for 3.1.0 (0: none) and whether it
 * carries extended attributes. */
void into_rsync_version(const char *text, unsigned *version, bool *xattrs);

#endif
