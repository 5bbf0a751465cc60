/* SPDX-License-Identifier: MIT */
/*
 * criu/image/image.h - CRIU's image files, as far as we read or write them.
 *
 *	 0       4       8       12          12+n
 *	 +-------+-------+-------+-----------+-------+----- …
 *	 | 0x54564319    | n     | message   | n     | message
 *	 |       | magic |       |           |       |
 *	 +-------+-------+-------+-----------+-------+----- …
 *
 * Little-endian, messages are protobuf (img.proto).  Everything here is pure:
 * bytes in, structures out.
 */
#ifndef CRIU_IMAGE_IMAGE_H
#define CRIU_IMAGE_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "criu/img.pb-c.h"

enum image_magic {
	IMAGE_INVENTORY = 0x58313116,
	IMAGE_PSTREE = 0x50273030,
	IMAGE_PAGEMAP = 0x56084025,
	IMAGE_CORE = 0x55053847,
	IMAGE_MM = 0x57492820,
	IMAGE_FILES = 0x56303138,
	IMAGE_FDINFO = 0x56213732,
	IMAGE_IDS = 0x54432030,
	IMAGE_MEMFD = 0x48453499,
	IMAGE_SK_QUEUES = 0x56264026,
};

/* One message inside a file; borrowed from the bytes that were read. */
struct image_msg {
	const uint8_t *data;
	size_t len;
};

/* Walks a file: image_begin checks the magic, image_next returns 1 and the next
 * message, 0 at the end, -1 for a broken file. */
struct image_reader {
	struct reader r;
	const char *name;
};

int image_begin(struct image_reader *ir, const char *name, enum image_magic magic,
		const void *data, size_t len, struct err *e);
int image_next(struct image_reader *ir, struct image_msg *msg, struct err *e);

/* Writes. */
void image_put_head(struct buf *b, enum image_magic magic);
void image_put(struct buf *b, const ProtobufCMessage *msg);
void image_put_raw(struct buf *b, const void *data, size_t len);

/* ---- pagemap-PID.img: which pages a process has, and where they are ---- */

enum page_flags {
	PAGE_PRESENT = 4, /* the next pages of pages-ID.img */
	PAGE_LAZY = 2,	  /* the lazy handler has them */
	PAGE_OURS = 1u << 31, /* never in a file: present, and not among CRIU's own pages yet */
};

struct page_run {
	uint64_t start; /* address */
	uint64_t nr_pages;
	uint32_t flags; /* enum page_flags */
};

struct pagemap {
	uint32_t pages_id;
	struct page_run *run; /* owned; by address, without overlaps */
	size_t n, cap;
};

#define PAGEMAP_INIT { .run = NULL }
#define own_pagemap __attribute__((cleanup(pagemap_fini)))

void pagemap_fini(struct pagemap *pm);
int pagemap_read(struct pagemap *pm, const void *data, size_t len, struct err *e);
void pagemap_write(const struct pagemap *pm, struct buf *out);

/*
 * Adds runs with these flags, which must be sorted; where a page is in both, the one that was
 * there stays.  Neighbours with the same flags become one.
 */
void pagemap_add(struct pagemap *pm, const struct page_run *runs, size_t n, uint32_t flags);

/* ---- pstree.img ---- */

struct image_task {
	uint32_t pid; /* in the container */
	uint32_t ppid;
};

/* *out is an array of *n, the caller's. */
int pstree_read(const void *data, size_t len, struct image_task **out, size_t *n,
		struct err *e);

/* ---- core-PID.img ---- */

enum task_state { TASK_STATE_ALIVE = 1, TASK_STATE_DEAD = 2, TASK_STATE_STOPPED = 3 };

int core_read_state(const void *data, size_t len, uint32_t *state, struct err *e);

#endif
