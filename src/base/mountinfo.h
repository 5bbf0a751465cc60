/* SPDX-License-Identifier: MIT */
/*
 * base/mountinfo.h - the one reader of /proc/PID/mountinfo (proc_pid_mountinfo(5)).
 *
 *	36 35 98:0 /root /at rw,noatime shared:1 master:2 - ext3 /dev/root rw,errors=continue
 *
 * Fields are separated by one blank each; the source may be empty.  In paths, blank, tab, newline, backslash and
 * # are written as octal escapes.  A mount whose file was deleted has "//deleted" behind its root.
 */
#ifndef BASE_MOUNTINFO_H
#define BASE_MOUNTINFO_H

#include <stdbool.h>

#include "base/err.h"

struct mountinfo {
	unsigned id, parent, major, minor;
	char *root, *at;	/* unescaped */
	bool deleted;		/* and taken off root */
	char *options;		/* of the mount: "rw,noatime" */
	char *tags;		/* "shared:1 master:2", or "" */
	char *type, *source;
	char *super;		/* options of the file system */
};

/*
 * Takes the next line off *text, which is written to: 1 and its fields, which are parts of it; 0 at the end;
 * -1: it is no line of a mountinfo.  Pure.
 */
int mountinfo_next(char **text, struct mountinfo *m, struct err *e);

/* Is this word one of the comma-separated options? */
bool mountinfo_has(const char *options, const char *word);

/* Undoes the octal escapes of mountinfo, /proc/mounts and fstab, in place. */
void mountinfo_unescape(char *s);

#endif
