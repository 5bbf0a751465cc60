/* SPDX-License-Identifier: MIT */
/*
 * tree/zip.h - does compressing pay on this stream?  Measures it all the time.
 * Used by one packer; see tree/pack.h.
 */
#ifndef TREE_ZIP_H
#define TREE_ZIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "tree/tree.h"

struct zip;

struct zip *zip_new(enum tree_zip how);
void zip_free(struct zip *z); /* NULL is fine */
/* Puts u32 raw length and the compressed bytes into *out when that is wanted and
 * worth it; else returns false: send it raw. */
bool zip_try(struct zip *z, const void *data, size_t len, struct buf *out);
/* What sending cost: raw bytes, bytes on the wire, time. */
void zip_sent(struct zip *z, size_t raw, size_t wire, uint64_t ns);

#endif
