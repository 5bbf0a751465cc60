/* SPDX-License-Identifier: MIT */
/*
 * wire/login.h - one login for all links to a server.
 *
 * A link that ssh opens without a question has a connection of its own: several are faster
 * than one. Where ssh has to ask somebody (a password, a passphrase, whether the host key is
 * right), one ssh asks, once, and stays; every link, then and later, is a channel of its
 * connection (ssh's ControlMaster).  It is ended with the struct where that has it.
 */
#ifndef WIRE_LOGIN_H
#define WIRE_LOGIN_H

#include <stdbool.h>

#include "base/err.h"
#include "wire/link.h"

/* Links that such a connection has room for: sshd's default MaxSessions. */
enum { LOGIN_LINKS_MAX = 10 };

struct login *login_new(void);
void login_free(struct login *l); /* NULL is fine */

/* The ssh options with which a link goes through the connection that was asked for; false when
 * there is none (any more). */
bool login_options(struct login *l, struct strv *ssh);

/* Lets ssh ask.  Blocks until the person has answered; ERR_CANCELLED by a signal. */
int login_ask(struct login *l, const struct where *w, const struct link_opts *o, struct err *e);

#endif
