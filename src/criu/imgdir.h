/* SPDX-License-Identifier: MIT */
/*
 * criu/imgdir.h - the directory that CRIU writes its images into and reads
 * them from: in memory, and nobody else's.
 *
 * A tmpfs that is mounted nowhere: only its descriptor reaches it (CRIU gets it
 * as /proc/PID/fd/N), it vanishes with the last descriptor, and where the kernel
 * can (6.4) it is never swapped out.  No image of a process ever touches a disk,
 * and nothing is left behind by a crash.
 */
#ifndef CRIU_IMGDIR_H
#define CRIU_IMGDIR_H

#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

/* Returns the directory's descriptor, the caller's. */
int imgdir_open(struct err *e);

/* Makes or replaces a file. */
int imgdir_put(int dir, const char *name, const void *data, size_t len, struct err *e);

/* All names, sorted: `*out` is the caller's (free each and the array). */
int imgdir_list(int dir, char ***out, size_t *n, struct err *e);

/*
 * All images as one run of bytes, for the link: per file its name and content.  Logs,
 * statistics and sockets stay.  imgdir_unpack writes them into an empty directory; names with a
 * slash or a leading dot are refused, as is anything over the caps.
 */
int imgdir_pack(int dir, struct buf *out, struct err *e);
int imgdir_unpack(int dir, const void *data, size_t len, struct err *e);

#endif
