/* SPDX-License-Identifier: MIT */
/*
 * criu/version.h - which CRIU live moves work with, on which kernel, what an older one lacks, and where to get a newer one.
 * CRIU's numbers as one: 4.2 -> 40200, 4.2.1 -> 40201.  Kernels by their release: "6.12.1".  Pure.
 */
#ifndef CRIU_VERSION_H
#define CRIU_VERSION_H

#include <stdint.h>

#define CRIU_WANTED "CRIU 4.2 or newer"
#define CRIU_HINT   "run pmigrate-criu on %s: it installs " CRIU_WANTED /* the server's name */
/* Where there is none; the name twice.  Debian 13 has 4.1.1 and Linux 6.12. */
#define CRIU_MISSING_HINT "run pmigrate-criu on %s; if that is Debian 13 with Debian's kernel, apt-get install criu on %s is enough"

/* What a version that may be used lacks; somebody else sees to it. */
enum criu_lack {
	CRIU_LACKS_PING = 1 << 0, /* sockets of ping: an obstacle, named before (criu/check/obstacles.h) */
	CRIU_LACKS_WIPE = 1 << 1, /* MADV_WIPEONFORK and MAP_DROPPABLE come back as usual memory: mended (criu/save/save.h) */
};

/* Why live moves do not work with this one on this kernel ("it loses …"), or NULL: they do. */
const char *criu_refusal(uint32_t version, const char *kernel);

/* What it lacks there: bits of enum criu_lack. */
unsigned criu_lacks(uint32_t version, const char *kernel);

/* What of that its user notices ("sockets of ping …"), or NULL. */
const char *criu_difference(unsigned lacks);

/* "4.1.1"; the caller's. */
char *criu_version_text(uint32_t version);

#endif
