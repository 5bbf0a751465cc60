/* SPDX-License-Identifier: MIT */
/*
 * mem/inject/borrow.h - the helper process of mem/inject/inject.c: stops one task, has it run two system
 * calls, puts it back.
 *
 * It shares our memory and our descriptors, but it is a process of its own:
 *  - our SIGKILL does not hit it; it ends what it began;
 *  - whoever waits for it may give up: it goes on alone, without our descriptors, until the task is as
 *    it was.  A task that is frozen between two of its stops cannot be put back before it is
 *    thawed, and must not be let go either: it would run on with foreign registers.
 *
 * Because it may run beside us with our thread's errno, it uses no library function that writes
 * one, and allocates nothing.
 */
#ifndef MEM_INJECT_BORROW_H
#define MEM_INJECT_BORROW_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "mem/inject/callnote.h"

enum borrow_result {
	BORROW_NOTHING,	   /* killed before it could say */
	BORROW_DONE,
	BORROW_ENDED,	   /* the target did */
	BORROW_NOT_SEIZED, /* .sys */
	BORROW_NOT_STOPPED,
	BORROW_OTHER,	   /* another program is in it by now, or was just leaving: try again */
	BORROW_32BIT,
	BORROW_NO_REGS,	   /* .sys */
	BORROW_REFUSED,	   /* the call said .sys */
	BORROW_NOT_TAKEN,  /* .sys */
	BORROW_LEFT_OPEN,  /* its descriptor could not be closed there */
};

struct borrow {
	/* given */
	pid_t pid, tid;	     /* the process, and its thread that does it */
	pid_t parent;	     /* who waits */
	uint64_t vdso;	     /* of the target */
	uint64_t syscall_at; /* a `syscall` instruction in it */
	_Atomic bool alone;  /* nobody waits any more */
	bool unshared;	     /* the helper's own: our descriptors are not in its hands */

	/* answered */
	enum borrow_result result;
	int sys;
	int uffd;
	uint64_t stopped_ns;
	struct call_note call; /* that it was in */
};

/* The helper's main; `arg` is a struct borrow that outlives it. */
int borrow_main(void *arg);

/* Copies from the target's memory; sets no errno. */
bool borrow_read(pid_t pid, uint64_t addr, void *data, size_t len);

#endif
