/* SPDX-License-Identifier: MIT */
/*
 * engine/vz/claim.h - has anybody else a container's addresses?  Asked before `pctl start`; a migration asks the two
 * servers itself (plan/check.h), for there the container's own copy has them.
 */
#ifndef ENGINE_VZ_CLAIM_H
#define ENGINE_VZ_CLAIM_H

#include "engine/vz/run/run.h"
#include "net/probe.h"

/* This server and its containers, at once; ERR_IP_USED names who. */
int vz_claim_here(const struct vz *v, struct err *e);

/* The LAN: asks, and does not wait.  SKIP_ARPDETECT="yes" asks for none. */
int vz_claim_ask(const struct vz *v, struct probe *p, struct err *e);
/* What came; see probe_answered.  ERR_IP_USED. */
int vz_claim_heard(const struct vz *v, struct probe *p, struct err *e);

/* vz_start with all of that: while the container is being made the LAN's answers come. */
int vz_start_claimed(const struct vz *v, struct err *e);

#endif
