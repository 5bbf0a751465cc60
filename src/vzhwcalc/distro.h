/* SPDX-License-Identifier: MIT */
/*
 * vzhwcalc/distro.h - which distribution is this?  Pure: texts of the release
 * files in, the value of DISTRIBUTION out, such as "debian-12", "centos-5",
 * "sles-11": a name whose trailing parts may be dropped to find a dist file.
 */
#ifndef VZHWCALC_DISTRO_H
#define VZHWCALC_DISTRO_H

#include <stdbool.h>
#include <stddef.h>

enum { DISTRO_MAX = 64 };

/* A release file, in the order in which they are asked. */
struct distro_file {
	const char *path; /* "/etc/os-release" */
	/* Fills out from its text; false when the text says nothing. */
	bool (*read)(const char *text, char out[static DISTRO_MAX]);
};

/* Ends with a NULL path. */
extern const struct distro_file distro_files[];

/* A name that may stand in DISTRIBUTION: small letters, digits, '.', '_' and '-'. */
bool distro_is_name(const char *name);

#endif
