/* SPDX-License-Identifier: MIT */
/*
 * vzhwcalc/probe.h - looks at the server it runs on.  Reads only; works on every
 * kernel since 2.6 and with whatever of /proc and /sys is there.
 */
#ifndef VZHWCALC_PROBE_H
#define VZHWCALC_PROBE_H

#include "base/err.h"
#include "vzhwcalc/veconf.h"

/* One moment of CPU, memory and processes. */
int probe_sample(struct sample *out, struct err *e);

/* Everything else of *hw, which is all zero before (hw_fini in any case).
 * `detect` are shell scripts that set DISTRIBUTION, asked instead of the release files. */
int probe_server(struct hw *hw, const struct strv *detect, struct err *e);

#endif
