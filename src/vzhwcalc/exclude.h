/* SPDX-License-Identifier: MIT */
/*
 * vzhwcalc/exclude.h - what need not or must not be copied, each with the reason.
 *
 * Patterns are rsync's: a "/" at the beginning anchors at the root, "/dir/" + "*" leaves
 * the empty directory there for the Container; what is not local is not even listed, and
 * its directory is made afterwards.  Bytes that would need quoting in a
 * configuration file (blanks, quotes, wildcards) become "?", which matches them.
 */
#ifndef VZHWCALC_EXCLUDE_H
#define VZHWCALC_EXCLUDE_H

#include <stdbool.h>
#include <stddef.h>

#include "vzhwcalc/mounts.h"

struct exclude {
	char *pattern;
	char *path;   /* the file, or the directory whose content stays away */
	char *reason; /* for people */
};

struct excludes {
	struct exclude *item;
	size_t n;
};

#define EXCLUDES_INIT { NULL, 0 }
#define own_excludes __attribute__((cleanup(excludes_fini)))
void excludes_fini(struct excludes *x);

/* What the builder must know of the server beside its mounts. */
struct exclude_probe {
	/* Is `path` a directory, reached without any link? */
	bool (*is_dir)(void *arg, const char *path);
	/* Is the block device a removable one? */
	bool (*is_removable)(void *arg, const char *device);
	void *arg;
};

/* All of them: mounts that are not LOCAL, swap files (`swaps`: /proc/swaps), known
 * places of caches, kernels and modules that are there.  One below another one is
 * left out.  May change the class of mounts on removable devices. */
void excludes_build(struct excludes *x, struct mounts *m, const char *swaps,
		    const struct exclude_probe *probe);

/* Is `path`, or a directory above it, excluded? */
bool excludes_cover(const struct excludes *x, const char *path);

#endif
