/* SPDX-License-Identifier: MIT */
/*
 * engine/inside.h - run a program of a tree that is not running.
 *
 * The tree's programs are somebody else's: they run in a throw-away runc container
 * with the tree as its root, without network, devices and the privileges that reach
 * beyond it, and see nothing of this server.
 */
#ifndef ENGINE_INSIDE_H
#define ENGINE_INSIDE_H

#include "base/err.h"

/*
 * Gives `script` (at most 63 KiB) to /bin/sh of `tree`.  env: NULL-terminated
 * "NAME=value"s beside PATH and HOME, or NULL.  *out (may be NULL) is what it printed, the
 * caller's.  Exit code not 0 is an error with its last words.  Nothing of it runs
 * any more when this returns.
 */
int inside_shell(const char *tree, const char *script, const char *const *env, int timeout_ms,
		 char **out, struct err *e);

/* The OCI configuration it is run by, a fresh JSON text.  Pure. */
char *inside_spec(const char *tree, const char *id, const char *const *env);

/*
 * Device nodes that programs of any age expect in /dev of `tree`, for engines and
 * tools that look at the tree itself: null, zero, full, random, urandom, tty, console,
 * ptmx and the usual links.  What is there already and right stays.
 */
int inside_make_nodes(const char *tree, struct err *e);

#endif
