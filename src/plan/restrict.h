/* SPDX-License-Identifier: MIT */
/*
 * plan/restrict.h - what a server loses when it becomes a Container, and which
 * servers cannot become one.
 *
 * Pure: lines of `vzhwcalc --scan`, ssh banners, answers of Windows and boot
 * sectors in; findings out.  Every one names its object and says what happens
 * to it, before anything is copied.
 */
#ifndef PLAN_RESTRICT_H
#define PLAN_RESTRICT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/strv.h"
#include "plan/check.h"
#include "plan/job.h"

/* What the copying can do; it decides what is lost. */
struct restrict_can {
	bool xattrs; /* both ends of the copy carry extended attributes */
	const struct strv *lost; /* names of those that this server cannot keep; may be NULL */
	const char *where;	 /* its file system, for the message */
};

/* For every line "KIND OBJECT TEXT" of this kind.  The texts live as long as the call. */
void restrict_each(const char *scan, const char *kind,
		   void (*take)(void *arg, const char *object, const char *text), void *arg);

/*
 * Adds a finding for everything the scan names.  The names of running services go to
 * `services` instead (may be NULL).  Lines of unknown kinds are notes as they are; broken
 * lines are skipped.
 */
void restrict_scan(struct findings *f, const char *scan, const struct job *job,
		   const struct restrict_can *can, struct strv *services);

/* A Windows server, as far as it could be told. */
enum windows_release { WINDOWS_NONE = 0, WINDOWS_2003, WINDOWS_2008, WINDOWS_OTHER };

struct windows {
	enum windows_release release; /* NONE: it is none */
	unsigned bits;		      /* 32, 64; 0: not known */
	bool not_ntfs;		      /* it has volumes of other types */
};

/* The banner of its ssh server ("SSH-2.0-OpenSSH_for_Windows_8.1"). */
void windows_of_banner(struct windows *w, const char *banner);
/* What `ver` and `echo %PROCESSOR_ARCHITECTURE%` print there. */
void windows_of_ver(struct windows *w, const char *text);
/* The first 512 bytes of a volume: NTFS's boot code tells its generation.  True when it is a
 * volume of Windows (NTFS, exFAT or FAT with its boot code). */
bool windows_of_boot_sector(struct windows *w, const uint8_t sector[static 512]);

/* Sets e to the refusal, with the rule that applies as hint; -1. */
int windows_refuse(const struct windows *w, const char *name, struct err *e);

#endif
