/* SPDX-License-Identifier: MIT */
/*
 * move/remote.h - the agent at the other end: started, greeted, asked.
 *
 * Another server's agent is started by ssh; this server's own (a local move)
 * as a child.  From then on there is no difference.
 */
#ifndef MOVE_REMOTE_H
#define MOVE_REMOTE_H

#include <stdint.h>

#include "base/log.h"
#include "base/spawn.h"
#include "move/msg.h"
#include "plan/job.h"
#include "wire/peer.h"

struct remote {
	struct child child;
	struct peer *peer;
	struct msg_hello hello; /* what it said of itself */
};

#define REMOTE_INIT { .child = CHILD_INIT }

/* Opens the link and exchanges HELLO.  `limit` is borrowed (may be NULL).
 * Everything is closed again on failure. */
int remote_open(struct remote *r, const struct where *w, const struct link_opts *o,
		struct bucket *limit, struct err *e);

/* Says BYE when the link still works, and ends the connection. */
void remote_close(struct remote *r);

/* ASK over the link. */
int remote_ask(struct remote *r, const char *id, enum verdict v, struct msg_asked *out,
	       struct err *e);

/* What the link is like now: milliseconds for a question and its answer (the least of some), and
 * bytes a second, from ~8 MiB of noise. */
int remote_probe(struct remote *r, double *rtt_ms, uint64_t *bytes_per_s, struct err *e);

/* "user@host:port" or "localhost"; without the password; the caller's. */
char *remote_text(const struct where *w);

#endif
