/* SPDX-License-Identifier: MIT */
/*
 * tree/changes/impl.h - inside the journal: from handles to paths, and the
 * list of changes that it gives out.
 */
#ifndef TREE_CHANGES_IMPL_H
#define TREE_CHANGES_IMPL_H

#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "tree/changes/journal.h"

/* How the area is recognised. */
struct area_id {
	int root;	 /* borrowed */
	char *root_path; /* as the kernel prints it, without a trailing slash */
	size_t len;
	dev_t dev;
	ino_t ino;
};

int area_id_init(struct area_id *id, int root, const char *root_path, struct err *e);
void area_id_fini(struct area_id *id);

/* Where a directory is. */
enum side {
	SIDE_OUTSIDE,
	SIDE_INSIDE, /* the area, or beneath it */
	SIDE_GONE,   /* nowhere any more */
	SIDE_ASK,    /* it may have moved: to be looked at when it is met */
};

enum side journal_side(const struct area_id *id, const struct file_handle *h);
/* May this file have a name in the area? */
bool journal_may_live_on(const struct area_id *id, const struct file_handle *h);
/* Its path relative to the area ("" for itself), the caller's; NULL when it is not. */
char *journal_dir_path(const struct area_id *id, const struct file_handle *h);

void changes_fini(struct changes *c);
/* What the regular files among them hold, without holes. */
uint64_t changes_bytes(const struct changes *c, int root);

#endif
