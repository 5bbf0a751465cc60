/* SPDX-License-Identifier: MIT */
/*
 * mem/store/object.h - one object in the store: the pages of an address space or of a
 * shared object, their bitmaps and the list of what must exist.  Only store.c includes it.
 *
 * Callers hold `life`; the functions take `lock` themselves unless they say otherwise.
 */
#ifndef MEM_STORE_OBJECT_H
#define MEM_STORE_OBJECT_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "mem/msg.h"
#include "mem/pageset.h"
#include "mem/store/slots.h"

/* What all objects of a store share. */
struct stock {
	struct arena arena;
	_Atomic uint64_t data_pages, zero_pages, peak, again;
	_Atomic unsigned barriers; /* rounds that ended */
};

struct object {
	uint32_t nr;	     /* 0: idle; with `next` under the store's lock */
	struct object *next; /* of the same bucket, or idle too */
	/* Held shared while pages come and go, exclusive while the object is reset. */
	pthread_rwlock_t life;
	/* Bitmaps, tables, lists. */
	pthread_mutex_t lock;
	struct memobj desc;
	bool gone;
	struct slots slots; /* of a shared object: bitmaps only, data is NULL */
	int fd;		    /* of a shared object */
	struct pageset coming, present;
	struct pageset hot; /* see store_hot */
	bool listing, listed; /* a list is arriving; one has arrived */
};

void object_free(struct stock *s, struct object *o);
/* Forgets all pages and lists; `life` is held exclusively. */
void object_empty(struct stock *s, struct object *o);
/* Makes (or resizes) the memory file of a shared object. */
int object_open_shared(struct object *o, const struct memobj *d, struct err *e);

/* Pages within one slot: data, or zeros. */
int object_data(struct stock *s, struct object *o, uint64_t addr, unsigned n, bool dense,
		const uint8_t *data, struct err *e);
void object_zero(struct stock *s, struct object *o, uint64_t addr, unsigned n);
/* Any stretch: forgotten, memory given back. */
void object_drop(struct stock *s, struct object *o, uint64_t start, uint64_t pages);
/* A shared object's file gets a hole. */
void object_punch(struct object *o, uint64_t start, uint64_t pages);

/* A round ended. */
void object_barrier(struct object *o);

/* `coming` is complete: it becomes `present`, what it does not name goes.  `lock` is held. */
void object_finish_list(struct stock *s, struct object *o);
/* How many pages of `present` are not here? */
uint64_t object_missing(struct object *o);

#endif
