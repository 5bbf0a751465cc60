/* SPDX-License-Identifier: MIT */
/*
 * base/cancel.h - Ctrl-C, asked for anywhere, honoured at safe points.
 *
 * SIGINT, SIGQUIT, SIGTERM and SIGHUP only set a flag.  What blocks on the other end
 * (wire/peer) looks at it and fails with ERR_CANCELLED; everything else runs
 * to its end, so that undo always finds a clean state.  From COMMIT on
 * nothing is cancelled any more.
 */
#ifndef BASE_CANCEL_H
#define BASE_CANCEL_H

#include <stdbool.h>

#include "base/err.h"

/* Installs the handlers. */
void cancel_install(void);
/* Was a signal seen, and does it still count? */
bool cancel_requested(void);
/* Readable once cancel_requested; -1 before cancel_install.  For poll. */
int cancel_fd(void);
/* While off, signals are remembered but not reported.  On at the start. */
void cancel_allow(bool on);
/* Was a signal seen, whether it counts or not? */
bool cancel_seen(void);
/* While off, ^Z does nothing: nobody may be suspended who keeps a container frozen.  On at
 * the start. */
void cancel_allow_pause(bool on);
/* Sleeps; -1 with cancel_err as soon as it is requested. */
int cancel_sleep_ms(unsigned ms, struct err *e);
/* ERR_CANCELLED "interrupted (Interrupt)"; -1. */
int cancel_err(struct err *e);

#endif
