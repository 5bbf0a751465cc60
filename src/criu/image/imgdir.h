/* SPDX-License-Identifier: MIT */
/*
 * criu/image/imgdir.h - the directory that CRIU writes its images into and reads
 * them from: in memory, and nobody else's.
 *
 * A tmpfs that is mounted nowhere: only its descriptor reaches it (CRIU gets it
 * as /proc/PID/fd/N), it vanishes with the last descriptor, and where the kernel
 * can (6.4) it is never swapped out.  No image of a process ever touches a disk,
 * and nothing is left behind by a crash.
 */
#ifndef CRIU_IMAGE_IMGDIR_H
#define CRIU_IMAGE_IMGDIR_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* Returns the directory's descriptor, the caller's. */
int imgdir_open(struct err *e);

/* Makes or replaces a file. */
int imgdir_put(int dir, const char *name, const void *data, size_t len, struct err *e);

/* All names, sorted: `*out` is the caller's (free each and the array). */
int imgdir_list(int dir, char ***out, size_t *n, struct err *e);

/*
 * All images for the link: `send` gets pieces (each a name, an offset and bytes), as many together
 * as fit into PROTO_MAX_FRAME; the last time none.  Logs, statistics and sockets stay.
 */
typedef int imgdir_send_fn(void *arg, const void *pieces, size_t len, struct err *e);
int imgdir_send(int dir, imgdir_send_fn *send, void *arg, struct err *e);

/*
 * Applies pieces.  1: those were the last; 0: more come; -1.  Names with a slash or a leading dot
 * are refused, as is anything beyond *budget bytes, which is counted down.
 */
int imgdir_apply(int dir, const void *pieces, size_t len, uint64_t *budget, struct err *e);

#endif
