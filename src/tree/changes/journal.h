/* SPDX-License-Identifier: MIT */
/*
 * tree/changes/journal.h - which names of an area have changed: fanotify(7) on the
 * whole file system, FAN_REPORT_DFID_NAME, filtered to the area.
 *
 * A thread takes the events out of the kernel's queue all the time and keeps
 * each changed name once, as (directory handle, name): paths are looked up only
 * when a pass begins, so renamed directories do no harm.
 *
 * Not seen: writes through shared mappings and by io_submit, until the file's last close (tree/changes/touched.h).
 */
#ifndef TREE_CHANGES_JOURNAL_H
#define TREE_CHANGES_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct journal;

/* `root`: the opened area.  max_names: more count as an overflow.  Failure: the
 * error's text says why there can be no journal, for the user. */
int journal_open(struct journal **out, int root, const char *root_path, unsigned max_names,
		 struct err *e);
void journal_close(struct journal *j); /* NULL is fine */

/* As a name: only the file that was written counts, its directory is gone. */
#define CHANGE_NAMELESS "/"

struct change {
	const char *dir; /* path relative to the area; of the list's dirs */
	char *name;	 /* "" = the directory itself; owned */
	bool made;  /* names were made, removed or moved here: a directory of this
		       name may be another one than before */
	struct file_handle *written; /* the file that was written under this name, which
		       may have lost the name since; owned, or NULL.  A name appears once
		       for each such file. */
};

struct changes {
	struct change *item; /* sorted by tree_path_order of dir, then by name */
	size_t n;
	bool overflow;	     /* incomplete: compare everything */
	char **dirs;	     /* each directory's path once; owned */
	size_t n_dirs;
};

/* Takes all that changed up to this moment and begins anew.  *out is the caller's. */
int journal_take(struct journal *j, struct changes **out, struct err *e);
void changes_free(struct changes *c); /* NULL is fine */
/* Adds a directory's path, which it takes: for changes_add_in. */
const char *changes_dir(struct changes *c, char *path);
/* Adds a name, before the changes are used; keeps no order (changes_sort). */
struct change *changes_add_in(struct changes *c, const char *dir, const char *name);
void changes_add(struct changes *c, const char *dir, size_t dir_len, const char *name);
void changes_sort(struct changes *c);

/* Names changed since the last take, events included that nobody has read yet. */
uint64_t journal_pending(struct journal *j);

/* A scope for measuring: between the two only new names are counted (*n), each with what
 * it holds at the end (*bytes); nothing is lost for the next take. */
void journal_window_begin(struct journal *j);
int journal_window_end(struct journal *j, uint64_t *n, uint64_t *bytes, struct err *e);

/* Opens a change's `written` (O_PATH): -1 when the file is gone altogether. */
int journal_open_written(int root, const struct change *c);

/* The path of an open file of the area's file system relative to the area, through any
 * mount: 1, 0 when it is not in the area, -1.  *path is the caller's. */
int journal_path_of(int root, const char *root_path, int fd, char **path, struct err *e);

#endif
