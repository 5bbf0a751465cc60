/* SPDX-License-Identifier: MIT */
/* criu/version.h - which CRIU live moves work with, and where to get it.  CRIU's numbers as one: 4.2 -> 40200, 4.2.1 -> 40201. */
#ifndef CRIU_VERSION_H
#define CRIU_VERSION_H

enum { CRIU_OLDEST = 40200 };

#define CRIU_WANTED "CRIU 4.2 or newer"
#define CRIU_HINT   "run pmigrate-criu on %s: it installs " CRIU_WANTED /* the server's name */

#endif
