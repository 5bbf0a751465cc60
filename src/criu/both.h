/* SPDX-License-Identifier: MIT */
/* criu/both.h - what is asked of CRIU's dump and restore alike. */
#ifndef CRIU_BOTH_H
#define CRIU_BOTH_H

#include <stdbool.h>

#include "base/strv.h"
#include "criu/rpc.pb-c.h"

/* The options, and what they point into: stays where it is until the call is over. */
struct criu_both {
	Rpc__Opts opts;
	struct strv fs;
	Rpc__CgroupRoot root, *roots[1];
};

/* images: an open directory; rootfs, log and enable_fs are borrowed. */
void criu_both_init(struct criu_both *b, int images, const char *rootfs, const char *log,
		    const char *const *enable_fs, bool cgroups);
void criu_both_fini(struct criu_both *b);
#define own_criu_both __attribute__((cleanup(criu_both_fini)))

#endif
