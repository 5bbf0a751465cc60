/* SPDX-License-Identifier: MIT */
/*
 * engine/dist.h - distribution files: what must be done inside a Container's tree
 * so that its Linux gets along there.
 *
 *	/etc/vz/conf/dists/NAME.conf	KEY=script lines; "default" when nothing fits
 *	/etc/vz/conf/dist/NAME.conf	the same, as the old manual calls it
 *	…/scripts/functions		put in front of every script
 *	…/scripts/SCRIPT
 *
 * The administrator's files come first, the program's own ones behind them.
 */
#ifndef ENGINE_DIST_H
#define ENGINE_DIST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/strv.h"

/* A distribution file that was found. */
struct dist {
	char *name; /* of the file without ".conf": "rhel", or "default" */
	char *dir;
	char *text;
	bool fallback; /* no file fits the name: this is the default one */
};

#define DIST_INIT { .name = NULL }
#define own_dist __attribute__((cleanup(dist_fini)))
void dist_fini(struct dist *d);

/* NULL-terminated: where distribution files are, in this order. */
extern const char *const dist_dirs[];

/* The files that fit: "a-b-c" -> a-b-c.conf, a-b.conf, a.conf, default.  ERR_USAGE when it is no name
 * (letters, digits and "._-", not beginning with one of these).  Pure. */
int dist_candidates(const char *name, struct strv *out, struct err *e);

/* ERR_ABSENT when not even a default is there. */
int dist_find(const char *const *dirs, const char *name, struct dist *out, struct err *e);

/* Has it a script for KEY? */
bool dist_has(const struct dist *d, const char *key);

/* The whole program for KEY, ready for a shell's stdin, or NULL when the file names none
 * (*e untouched then).  -1: it names one that cannot be read. */
int dist_script(const struct dist *d, const char *key, char **out, struct err *e);

/* What a script did, one line of its output. */
struct dist_change {
	enum dist_change_kind { DIST_EDIT, DIST_MASK, DIST_NOTE } kind;
	char *object; /* the file or unit; "" for a note */
	char *text;
};

struct dist_changes {
	struct dist_change *item;
	size_t n;
};

#define DIST_CHANGES_INIT { NULL, 0 }
#define own_dist_changes __attribute__((cleanup(dist_changes_fini)))
void dist_changes_fini(struct dist_changes *c);
/* Adds what the output tells; lines of another form are no changes.  Pure. */
void dist_changes_parse(struct dist_changes *c, const char *output);

/*
 * Runs the script for KEY in `tree`, the private area of a Container that does not run,
 * and adds what it changed.  env: "NAME=value"s, NULL-terminated.  No script for KEY is
 * fine, and so is a tree without a shell (a note says it).  Blocks for at most two minutes.
 */
int dist_run(const struct dist *d, const char *key, const char *tree, const char *const *env,
	     struct dist_changes *changes, struct err *e);

#endif
