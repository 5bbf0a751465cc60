/* SPDX-License-Identifier: MIT */
/*
 * base/file.h - whole small files: read with a cap, written so that a crash
 * leaves either the old or the new one.
 */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

/* Reads all of `path` beneath dirfd (AT_FDCWD allowed), at most `max` bytes
 * (more is an error).  Works on /proc too.  *out is the caller's and NUL-terminated;
 * *len may be NULL. */
int file_read(int dirfd, const char *path, size_t max, char **out, size_t *len,
	      struct err *e);

/* Writes a new file beside `path`, fsyncs it, renames it over `path` and fsyncs
 * the directory. */
int file_replace(int dirfd, const char *path, const void *data, size_t len, mode_t mode,
		 struct err *e);

/* Writes to an existing file in one write (sysctl, cgroup files). */
int file_poke(int dirfd, const char *path, const char *text, struct err *e);

/* All of it, restarting after signals and short writes; -1 with errno. */
int write_all(int fd, const void *data, size_t len);
/* Exactly len bytes; 0, or -1 with errno (EPIPE at end of file). */
int read_all(int fd, void *data, size_t len);

/* That there is a file `path`, or that there is none any more, is on the disk: syncs its directory. */
int file_sync_name(int dirfd, const char *path, struct err *e);

/* flock(2), exclusive; who has it may let go within patience_ms.  -1 and errno, EWOULDBLOCK when it is taken. */
int file_lock(int fd, int patience_ms);

#endif
