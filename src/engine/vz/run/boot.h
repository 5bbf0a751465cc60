/* SPDX-License-Identifier: MIT */
/*
 * engine/vz/run/boot.h - what became of a container's start, as its own init tells it.
 *
 * systemd says when it is through, and what failed with the reason; OpenRC which services
 * do not run (the words are systemd's then, too).  Of any other init we know only that it runs.
 */
#ifndef ENGINE_VZ_RUN_BOOT_H
#define ENGINE_VZ_RUN_BOOT_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/engine.h"

struct vz_boot_unit {
	char *name; /* "mnt-data.mount" */
	char *why;  /* "exit-code 32: mount: /dev/sdb1: no such device"; "" when nobody says */
};

struct vz_boot {
	char *state;		   /* systemd's word: "running", "degraded", "starting" …; "" when nobody says */
	struct vz_boot_unit *unit; /* that failed; of a start that goes on: that it waits for */
	size_t n, left_out;	   /* beyond VZ_BOOT_UNITS */
};

enum { VZ_BOOT_UNITS = 64 };

#define VZ_BOOT_INIT { .state = NULL }
#define own_vz_boot __attribute__((cleanup(vz_boot_fini)))
void vz_boot_fini(struct vz_boot *b);

/*
 * Waits for the end of a running container's start, at most timeout_ms; the state then is
 * "starting".  -1: nobody can be asked (ERR_CHILD), or it does not run any more (ERR_START).
 */
int vz_boot_wait(const struct ct *ct, int timeout_ms, struct vz_boot *out, struct err *e);

/* Is the start still going on? */
bool vz_boot_goes_on(const struct vz_boot *b);

/* Reads what the program inside prints: "state WORD" and "unit NAME RESULT STATUS LINE", tabs
 * between.  What it says is not to be trusted, only shown.  Pure. */
void vz_boot_parse(struct vz_boot *out, const char *text);

#endif
