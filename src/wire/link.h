/* SPDX-License-Identifier: MIT */
/*
 * wire/link.h - opening the way to another server: ssh and its options.
 *
 * The user's own ssh does host keys, keys and prompts.  A password that was
 * given is handed over through SSH_ASKPASS, which is this program again: it
 * lies in a sealed memory file of ours that only the same user can open, and
 * is in no argv, environment, log or file.
 */
#ifndef WIRE_LINK_H
#define WIRE_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/spawn.h"
#include "base/strv.h"

struct login;

/* Where a server is.  Plain data; the texts are owned. */
struct where {
	char *user;	/* or NULL: ssh decides */
	char *password; /* or NULL; wiped by where_fini */
	char *host;	/* or NULL: this server */
	uint16_t port;	/* 0: ssh decides */
	struct login *login; /* what its links share (wire/login.h), or NULL; owned */
};

void where_fini(struct where *w);

struct link_opts {
	struct strv ssh;  /* extra arguments of --ssh */
	int timeout_ms;	  /* silence after which ssh gives up */
};

/*
 * Splits the text of --ssh at blanks (quotes "…" and '…' keep them) into out.
 * A word that is no option and no option's value, which ssh would take as the
 * host, is refused.
 */
int link_parse_ssh(const char *text, struct strv *out, struct err *e);

/* The whole command: ssh, its options, the host, and the remote words quoted for
 * a POSIX shell.  Pure; for tests and --dry-run.  PMIGRATE_SSH names another ssh. */
void link_argv(struct strv *out, const struct where *w, const struct link_opts *o, bool tty,
	       const char *const *remote);

/*
 * Starts `remote` (a program and its arguments) on the server.  stdin and
 * stdout of it become c->in and c->out.  Where ssh has to ask and w->login is
 * there, it does so once for all links; else it asks when it wants.  Blocks
 * until the remote program has said `greeting` on a line of its own; what came
 * before is logged as noise.
 */
int link_open(struct child *c, const struct where *w, const struct link_opts *o,
	      const char *const *remote, const char *greeting, struct err *e);

/* How many links to it may be open at once. */
unsigned link_most(const struct where *w);

/* It ended before it greeted: sets e to the reason and returns -1.  `tail` is what ssh and the other
 * server said last.  And: did ssh want to ask somebody?  Pure. */
int link_why(const struct where *w, const char *program, int status, const char *tail, struct err *e);
bool link_wants_person(int status, const char *tail);

/* When this process was started by ssh as our SSH_ASKPASS: answers and returns the
 * exit code, else returns -1.  First thing in main(). */
int link_askpass(int argc, char **argv);

#endif
