/* SPDX-License-Identifier: MIT */
/*
 * tree/msg.h - what tree frames carry.  Encoders, and pure decoders of a
 * stranger's bytes.
 *
 *	S -> A	BEGIN		kind u8, streams u16
 *	A -> S	STATE		empty u8	(only for TREE_FIRST)
 *	A -> S	LIST* LIST_END	list records	(TREE_FIRST onto a full area, TREE_COMPARE)
 *	S -> A	BATCH[_ZSTD]	records; each frame stands alone, any stream
 *	S -> A	BARRIER		number u32; on every stream
 *	S -> A	SUMS_ASK	id u32, path, size u64
 *	A -> S	SUMS*		id u32, last u8, offset u64, hashes of 16 bytes; what lies before
 *				the offset and was not told, or behind the last hash, is a hole there
 *	S -> A	END		on every stream
 *
 * What stands between two barriers may be applied in any order and in
 * parallel: records name the directory they work in (CD) within each frame,
 * and directories that are missing are made on the way.
 *
 * A record is its kind (u8) and what the struct below holds.  Names are single
 * components: u8 length, bytes, NUL.  Paths are relative to the area, "" is
 * the area itself: u32 length, bytes, NUL.
 */
#ifndef TREE_MSG_H
#define TREE_MSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

enum {
	TREE_MAX_NAME = 255,
	TREE_MAX_PATH = 128 << 10,
	TREE_MAX_XATTRS = 512 << 10, /* names and values of one file, encoded */
	TREE_MAX_VALUE = 64 << 10,   /* XATTR_SIZE_MAX */
	TREE_MAX_SYMLINK = 4095,
	TREE_BLOCK = 64 << 10,	     /* unit of block differences */
	TREE_SUM = 16,		     /* bytes of one block's XXH3-128 */
};

/* The longest run of zeros in one record. */
#define TREE_MAX_RANGE (UINT64_C(1) << 30)

/* The largest offset of a file that is believed. */
#define TREE_MAX_SIZE (UINT64_C(1) << 60)

enum tree_pass_kind {
	TREE_FIRST = 1,	  /* everything, or what differs when the area is not empty */
	TREE_COMPARE = 2, /* the receiver's list decides */
	TREE_CHANGES = 3, /* the source knows what changed */
};

enum rec_kind {
	REC_CD = 1,	 /* path: what follows happens in this directory */
	REC_FILE = 2,	 /* name, meta, data: a whole regular file */
	REC_CHUNK = 3,	 /* name, offset, data: part of a large file */
	REC_ZERO = 4,	 /* name, offset, len: reads as zeros, allocated */
	REC_HOLE = 5,	 /* name, offset, len: reads as zeros, a hole */
	REC_FINAL = 6,	 /* name, meta, size: a large file is complete */
	REC_SYMLINK = 7, /* name, meta, data = target */
	REC_NODE = 8,	 /* name, meta, rdev: device, fifo, socket */
	REC_LINK = 9,	 /* name, path: one more name of the file at path */
	REC_DIR = 10,	 /* meta of the current directory itself */
	REC_REMOVE = 11, /* name: and all below it */
	REC_META = 12,	 /* name, meta: attributes only, the contents are right */
	REC_FLAGS = 13,	 /* name ("" = the directory itself), flags */
};

/* Inode flags that travel.  No copy-on-write: of directories, and of files that go in pieces; for
 * a file it must come before its contents, and makes the file when there is none. */
enum { TREE_IMMUTABLE = 1, TREE_APPEND = 2, TREE_NOCOW = 4 };

/* Everything about a file but its name, size and contents. */
struct meta {
	uint32_t mode; /* with the type */
	uint32_t uid, gid;
	int64_t atime_s, mtime_s;
	uint32_t atime_ns, mtime_ns;
	const uint8_t *xattrs; /* encoded, see xattr_next; borrowed */
	uint32_t xattrs_len;
};

struct rec {
	enum rec_kind kind;
	const char *name; /* all borrowed from the frame, NUL-terminated */
	const char *path;
	size_t path_len;
	struct meta meta;
	const uint8_t *data;
	uint32_t data_len;
	uint64_t offset, len; /* FINAL: len = size */
	uint64_t rdev;	      /* dev_t as major << 32 | minor */
	uint32_t flags;
};

void rec_put_cd(struct buf *b, const char *path, size_t len);
/* The bytes follow: the caller puts them and then calls rec_put_end with what these
 * returned, the place of the length. */
size_t rec_put_file(struct buf *b, const char *name, const struct meta *m);
size_t rec_put_chunk(struct buf *b, const char *name, uint64_t offset);
void rec_put_end(struct buf *b, size_t at);
/* kind is REC_ZERO or REC_HOLE */
void rec_put_range(struct buf *b, enum rec_kind kind, const char *name, uint64_t offset,
		   uint64_t len);
void rec_put_final(struct buf *b, const char *name, const struct meta *m, uint64_t size);
void rec_put_symlink(struct buf *b, const char *name, const struct meta *m,
		     const char *target);
void rec_put_node(struct buf *b, const char *name, const struct meta *m, uint64_t rdev);
void rec_put_link(struct buf *b, const char *name, const char *path, size_t len);
void rec_put_dir(struct buf *b, const struct meta *m);
void rec_put_remove(struct buf *b, const char *name);
void rec_put_meta(struct buf *b, const char *name, const struct meta *m);
void rec_put_flags(struct buf *b, const char *name, uint32_t flags);

/* The next record: 1, 0 at the end, -1 with ERR_PROTO. */
int rec_get(struct reader *r, struct rec *out, struct err *e);

/* One extended attribute in encoded form: u8 name length, name, NUL, u32 length, value. */
struct xattr {
	const char *name;
	const uint8_t *value;
	uint32_t len;
};

void xattr_put(struct buf *b, const char *name, const void *value, size_t len);
/* 1, 0 at the end, -1 when it is no list of attributes. */
int xattr_next(struct reader *r, struct xattr *out);

/* A file as the receiver has it. */
struct list_entry {
	uint32_t mode, uid, gid;
	uint32_t mtime_ns;
	int64_t mtime_s;
	uint64_t size;	 /* regular files; else 0 */
	uint64_t ino;
	uint32_t nlink;
	uint64_t digest; /* of xattrs, flags, symlink target and device number */
};

enum list_kind { LIST_DIR = 1, LIST_ENTRY = 2 };

struct list_rec {
	enum list_kind kind;
	const char *path; /* LIST_DIR: what follows is in it */
	size_t path_len;
	const char *name; /* LIST_ENTRY */
	struct list_entry entry;
};

void list_put_dir(struct buf *b, const char *path, size_t len);
void list_put_entry(struct buf *b, const char *name, const struct list_entry *entry);
int list_get(struct reader *r, struct list_rec *out, struct err *e);

struct begin_msg {
	enum tree_pass_kind kind;
	unsigned n_streams;
};

void begin_put(struct buf *b, const struct begin_msg *m);
int begin_get(const void *data, size_t len, struct begin_msg *out, struct err *e);

struct sums_ask {
	uint32_t id;
	const char *path; /* borrowed from the frame; never "" */
	size_t path_len;
	uint64_t size; /* of the source's file */
};

void sums_ask_put(struct buf *b, const struct sums_ask *m);
int sums_ask_get(const void *data, size_t len, struct sums_ask *out, struct err *e);

struct sums_msg {
	uint32_t id;
	bool last;	 /* no more for this file: a hole from here on */
	uint64_t offset; /* a multiple of TREE_BLOCK */
	const uint8_t *sums; /* n_sums times TREE_SUM bytes; borrowed from the frame */
	uint32_t n_sums;
};

void sums_put(struct buf *b, const struct sums_msg *m);
int sums_get(const void *data, size_t len, struct sums_msg *out, struct err *e);

/* A name that may be used beneath a directory? */
bool tree_name_ok(const char *name, size_t len);
/* Splits a path of at least one component: *dir_len bytes of directory, then the
 * name, which is returned. */
const char *tree_path_split(const char *path, size_t len, size_t *dir_len);
/* The order in which both ends walk: by components, a directory before what is in it. */
int tree_path_order(const char *a, const char *b);

#endif
