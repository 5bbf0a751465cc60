/* SPDX-License-Identifier: MIT */
/*
 * tests/payload/memcheck.h - a program that owns memory of every kind, writes
 * it and checks it for ever (memcheck.c, usage there).
 *
 * What a page must hold is known without having it stored: a worker writes the
 * pages of its stripe of an area in a fixed order, round after round, so its number of writes tells the
 * generation of every page:
 *
 *	generation 0   filled at the start
 *	write t        page (t * step) mod n of the stripe gets generation t / n + 1
 *
 * A page is a function of area, index and generation, in every word.  So a page that is too old,
 * too new, another's or damaged is found by the next sweep, which takes a second.
 */
#ifndef PAYLOAD_MEMCHECK_H
#define PAYLOAD_MEMCHECK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { PAGE = 4096, WORDS = PAGE / 8, MAX_WORKERS = 128 };

/* What all processes see: one of each worker, in anonymous shared memory. */
struct state {
	_Atomic bool used, filled;
	_Atomic uint64_t writes; /* complete ones; one more may be under way */
	_Atomic uint64_t sweeps; /* all pages of the area were checked so often */
	_Atomic uint64_t bad;
	char name[32];
	char why[224]; /* of the first bad one */
};

struct area {
	char kind[16];
	uint64_t seed;
	char *base;
	size_t pages;	 /* of the whole area */
	size_t written;	 /* the first ones; the rest stays as it is (private file mappings) */
	unsigned stripes;
	struct state *state; /* of each stripe, [stripes] */
	int fd;		 /* what it maps, or -1 */
	int shmid;
	bool by_fd;	 /* is written and read through the descriptor too */
	bool sealed;
	bool locked;	 /* by mlock, in the worker */
	bool guard, guarded; /* may have a guard region behind it, and has */
	bool drop;	 /* pages that become zero are given back to the kernel instead */
	bool aio;	 /* is not mapped: written by io_submit, read by pread */
	bool shut;	 /* its mapping is read-only but for the moment of a write */
	unsigned long aio_ctx; /* of a worker */
	size_t shmat_len;
	unsigned threads; /* stripes are threads with the area on their stacks */
	mode_t mode;
};

/* area.c: makes one in this process, not filled.  Ends the program when it cannot. */
void area_make(struct area *a, const char *kind, size_t len);
/* In a worker, before the first use. */
void area_enter(struct area *a);
/* aio: writes one page of PAGE-aligned memory, or says what is wrong. */
const char *area_submit(struct area *a, const void *page, size_t number);
/* What is true of the object beside its pages (seals, size, position, owner): NULL, or what is wrong. */
const char *area_wrong(struct area *a);
/* The maker gives up its own hold. */
void area_leave(struct area *a);

_Noreturn void die(const char *what);

#endif
