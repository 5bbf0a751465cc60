/* SPDX-License-Identifier: MIT */
/*
 * move/agent.h - the far end: `pmigrate agent`, started by ssh.
 *
 * Speaks the protocol on its stdin and stdout.  It believes nothing it is
 * told: every request has the states in which it is legal, every path is the
 * engine's own, every file is opened beneath the area it made itself.
 *
 * When the link dies before READY, it undoes what it did.  After READY it
 * leaves everything held for the source, which will ask again.
 */
#ifndef MOVE_AGENT_H
#define MOVE_AGENT_H

/* Runs to the end of the conversation; the exit code. */
int agent_main(void);

#endif
