/* SPDX-License-Identifier: MIT */
/*
 * mem/store/store.h - the destination's copy of the container's pages, before they
 * are anybody's memory.
 *
 *	space (vpid)   sparse: 2 MiB slots of anonymous memory, found by address
 *	shared object  one memfd as long as the object, at equal offsets:
 *	               handed to CRIU as it is (inherit_fd)
 *
 * A page is absent, zero (no memory), or data.  The last frame about a page
 * wins.  Never larger than the pages received plus small tables; what was
 * copied into a process is given back to the kernel page by page.
 *
 * Everything in a frame comes from the peer and is checked: numbers, order,
 * sizes; a bad one is ERR_PROTO and leaves the store usable.  Thread safe:
 * frames of several streams may be applied at once.
 */
#ifndef MEM_STORE_STORE_H
#define MEM_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "mem/msg.h"
#include "mem/pageset.h"
#include "wire/peer.h"

struct store;

struct store_opts {
	uint64_t max_pages;   /* more are refused; 0: no cap (tests) */
	uint32_t max_objects; /* alive at once; 0: 65536 */
};

struct store *store_new(const struct store_opts *o);
void store_free(struct store *s); /* NULL is fine; the memfds are closed */

/* Is this frame type for store_frame? */
bool store_takes(uint8_t type);

/* Applies one frame of the source; answers SYNC on `from` (which may be NULL when none
 * comes).  f stays the caller's. */
int store_frame(struct store *s, struct peer *from, const struct frame *f, struct err *e);

/* ---- what is in it ---- */

/* Copies the object's description; false when there is none (any more). */
bool store_get(struct store *s, uint32_t nr, struct memobj *out);
/* 0 when unknown. */
uint32_t store_find_space(struct store *s, pid_t vpid);
uint32_t store_find_shared(struct store *s, uint64_t dev, uint64_t ino);

/* The list of existing pages that PRESENT told; fills *out (the caller's).  Pages here
 * that it does not name have been dropped, so that list and store agree but for
 * what is missing.  ERR_ABSENT when no list came. */
int store_present(struct store *s, uint32_t nr, struct pageset *out, struct err *e);
/* What came in the latest rounds, some thousand pages: the program will touch it first.  Fills *out. */
void store_hot(struct store *s, uint32_t nr, struct pageset *out);
/* Of the list, what is not here yet. */
int store_missing(struct store *s, uint32_t nr, struct pageset *out, struct err *e);

/* Copies `pages` pages from addr on into buf, for pages that CRIU must find in its
 * images.  ERR_ABSENT when one is not here.  (Zero pages are zeros.) */
int store_read(struct store *s, uint32_t nr, uint64_t addr, uint64_t pages, void *buf,
	       struct err *e);

/* A shared object's memfd: borrowed, read-write, pre-filled, sized. -1: unknown. */
int store_shared_fd(struct store *s, uint32_t nr);

/* ---- for mem/lazy/lazy.c ---- */

enum store_page { STORE_ABSENT, STORE_ZERO, STORE_DATA };

/*
 * What addr is, and for how many pages from there (at most `max`) that holds.
 * For DATA *data is where they lie, in one piece; it stays valid until those pages
 * are released or the object ends.
 */
enum store_page store_peek(struct store *s, uint32_t nr, uint64_t addr, uint64_t max,
			   uint64_t *pages, const void **data);

/* These pages were copied and are not asked for again: memory back to the kernel. */
void store_release(struct store *s, uint32_t nr, uint64_t addr, uint64_t pages);

struct store_stats {
	uint64_t data_pages, zero_pages; /* held now */
	uint64_t peak_data_pages;
	uint64_t frames, pages_received, pages_again; /* again: had been here before */
};

struct store_stats store_stats(struct store *s);

#endif
