/* SPDX-License-Identifier: MIT */
/*
 * into/ssh.h - the way to a physical server that has no pmigrate: its ssh,
 * sh and rsync.
 *
 * One connection is opened and authenticated; every command and rsync run through
 * it (ssh's control socket), so that a password is asked for once and a command
 * costs milliseconds.
 */
#ifndef INTO_SSH_H
#define INTO_SSH_H

#include <stdint.h>

#include "base/err.h"
#include "base/spawn.h"
#include "wire/link.h"

struct into_ssh {
	const struct where *where; /* borrowed */
	struct link_opts opts;	   /* with the control socket */
	char *dir;		   /* of the socket; NULL: closed */
	struct child master;
};

#define INTO_SSH_INIT { .dir = NULL, .master = CHILD_INIT }

/* ERR_UNSUPPORTED with the rule when a Windows server answers. */
int into_ssh_open(struct into_ssh *s, const struct where *w, const struct link_opts *o,
		  struct err *e);
void into_ssh_close(struct into_ssh *s);

/* Does it lead back here? */
bool into_ssh_is_here(struct into_ssh *s);

/* Runs `script` by the server's sh with $1… = args (NULL-terminated, or NULL).  in: a
 * descriptor, or SPAWN_NULL.  Its output (at most max) is the caller's.  Any exit code
 * is fine with `code`, else not 0 is an error. */
int into_ssh_run(struct into_ssh *s, const char *script, const char *const *args, int in,
		 size_t max, int timeout_ms, char **out, int *code, struct err *e);

/* Starts it, with its stdin and stdout as c->in and c->out. */
int into_ssh_start(struct into_ssh *s, const char *script, const char *const *args,
		   struct child *c, struct err *e);

/* Bytes a second that the way carries now, from 16 MiB. */
int into_ssh_probe(struct into_ssh *s, double *bytes_per_s, struct err *e);

/* What rsync is to use as its shell, and as its name of the server ("[fd77::1]"). */
char *into_ssh_rsh(struct into_ssh *s);
char *into_ssh_rsync_host(const struct into_ssh *s);

#endif
