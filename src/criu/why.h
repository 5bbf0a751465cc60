/* SPDX-License-Identifier: MIT */
/*
 * criu/why.h - what CRIU's log means.
 *
 * CRIU says what it could not do in lines "(00.012345) Error (file.c:12): text".
 * The first that a table here knows becomes cause and remedy; of the others the
 * first line itself is the cause.  Pure.
 */
#ifndef CRIU_WHY_H
#define CRIU_WHY_H

#include "base/err.h"

/*
 * Sets e (ERR_UNSUPPORTED for what CRIU cannot do, else ERR_CHILD): "<what>: <cause>", the
 * remedy as hint.  `log` is the text of the log file, "" when there is none; `fallback` the
 * error of the RPC, used when the log has no error line, with the last line that there is.  Returns -1.
 */
int why_set(struct err *e, const char *what, const char *log, const char *fallback);

/* The same from a file of CRIU's work directory. */
int why_from_log(struct err *e, const char *what, int dir, const char *file,
		 const char *fallback);

#endif
