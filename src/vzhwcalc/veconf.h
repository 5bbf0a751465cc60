/* SPDX-License-Identifier: MIT */
/*
 * vzhwcalc/veconf.h - the configuration file of a Container that is to be what
 * this server was.  Pure: numbers in, text out; the probing is probe.h.
 */
#ifndef VZHWCALC_VECONF_H
#define VZHWCALC_VECONF_H

#include <stdint.h>

#include "base/buf.h"
#include "base/strv.h"
#include "vzhwcalc/exclude.h"
#include "vzhwcalc/mounts.h"
#include "vzhwcalc/sample.h"

/* A server, measured.  Owned texts; hw_fini. */
struct hw {
	char *hostname, *machine, *kernel; /* as uname(2) says them */
	char *distribution;		   /* or NULL: nobody knows */
	struct usage usage;
	struct mounts mounts;
	struct excludes excludes;
	uint64_t disk_kib, inodes; /* used by what would be copied */
	struct strv addresses, nameservers, searchdomains;
	unsigned n_ids; /* users and groups; for quotas */
};

void hw_fini(struct hw *hw);

struct hw_scale {
	double mem, disk;
};

/* Appends the file's text, without NUL. */
void veconf_write(struct buf *out, const struct hw *hw, const struct hw_scale *scale,
		  const char *when);

#endif
