/* SPDX-License-Identifier: MIT */
/*
 * vzhwcalc/scan.h - what of this server will not be the same in a Container:
 * each thing found is named, before anything is copied.
 *
 * Printed one a line, three fields with a tab between them, each escaped by
 * text_escape: kind, object, what it is.  plan/restrict.h reads it back and says
 * what happens to each kind.
 */
#ifndef VZHWCALC_SCAN_H
#define VZHWCALC_SCAN_H

#include <stdbool.h>

#include "base/strv.h"
#include "vzhwcalc/veconf.h"

struct notice {
	const char *kind; /* "raw-device", "selinux", "xattr", … */
	char *object;
	char *text;
};

struct notices {
	struct notice *item;
	size_t n;
};

#define NOTICES_INIT { NULL, 0 }
#define own_notices __attribute__((cleanup(notices_fini)))
void notices_fini(struct notices *f);
void notices_add(struct notices *f, const char *kind, const char *object, const char *fmt,
		  ...) __attribute__((format(printf, 4, 5)));

/* Looks at the server; *hw was filled by probe_server.  Walks all files that would be
 * copied, for at most walk_seconds; a walk that was cut short is a notice, too. */
void scan_server(struct notices *f, const struct hw *hw, unsigned walk_seconds);

/* Does a licence file's text name one of these hardware addresses (12 small hex
 * digits each)?  With or without separators, in any case.  Pure. */
bool licence_names_mac(const char *text, const struct strv *macs);

/* A file name that licence managers use.  Pure. */
bool licence_is_name(const char *name);

/* Of the lines of a /proc/PID/cgroup: the service that systemd runs it in, without
 * ".service", into out.  Pure. */
bool service_of_cgroup(const char *text, char *out, size_t out_size);

#endif
