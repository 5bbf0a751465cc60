/* SPDX-License-Identifier: MIT */
/*
 * engine/template.h - what a new container's tree is made from.
 *
 *	TEMPLATE/cache/NAME.tar[.zst|.gz|.xz|.bz2]	a tree, packed
 *	TEMPLATE/OS/VERSION/ARCH/			an EZ template, named OS-VERSION-ARCH
 */
#ifndef ENGINE_TEMPLATE_H
#define ENGINE_TEMPLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "base/err.h"

struct template {
	char *name;
	bool cached;	/* there is a tree to unpack */
	time_t when;	/* of the cache */
};

/* By name; *out is an array of *n, the caller's (template_list_free).  No directory: none. */
int template_list(const char *template_dir, struct template **out, size_t *n, struct err *e);
void template_list_free(struct template *t, size_t n);

/* Fills the empty directory `tree` from `spec`: a template's name, a tar file, a directory;
 * NULL: makes the directories that an empty container needs.  ERR_TEMPLATES when there
 * is no such template. */
int template_unpack(const char *template_dir, const char *spec, const char *tree, struct err *e);

#endif
