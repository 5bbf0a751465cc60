/* SPDX-License-Identifier: MIT */
/*
 * tree/pack.h - records gathered into batches and sent on one stream.
 *
 * Every batch stands alone: it begins with the directory it works in.  File
 * contents are read straight into the batch's buffer.  One packer belongs to
 * one thread.
 *
 * Compression is decided by measuring: stretches of some MiB are sent raw and
 * compressed in turn as long as a model of the costs says that it could pay,
 * and the faster way is kept for a while.
 */
#ifndef TREE_PACK_H
#define TREE_PACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "tree/spill.h"
#include "tree/tree.h"
#include "wire/peer.h"

enum {
	PACK_TARGET = 512 << 10, /* a batch is sent before it grows beyond this */
	PACK_MOST = 1 << 20,	 /* a single record may need at most this less PACK_SLACK */
	PACK_SLACK = 160 << 10,	 /* for the path in front */
};

struct zip;

struct pack {
	struct buf b;	  /* the batch: append records here after pack_begin */
	struct buf path;  /* of the directory the batch is in */
	struct peer *peer;/* borrowed */
	struct zip *zip;
};

void pack_init(struct pack *p, struct peer *peer, enum tree_zip zip);
void pack_fini(struct pack *p);

/* Makes room for `need` bytes of records in directory `path`, sending what is there when
 * it would not fit. */
int pack_begin(struct pack *p, const char *path, size_t len, size_t need, struct err *e);
/* Sends what is there. */
int pack_flush(struct pack *p, struct err *e);

/* Sends batch fragments that were kept in a spill by pack_keep. */
int pack_replay(struct pack *p, struct spill *s, struct err *e);
/* Keeps a fragment (records that begin with a CD). */
int pack_keep(struct spill *s, const struct buf *fragment, struct err *e);

/* Undoes BATCH_ZSTD: *out is malloc'ed, the caller's; ERR_PROTO when it is none. */
int pack_unzip(const void *data, size_t len, uint8_t **out, size_t *out_len, struct err *e);

#endif
