/* SPDX-License-Identifier: MIT */
/*
 * mem/inject/callnote.h - the system call that a thread was in when it was stopped and let go on.
 *
 * The kernel goes on with some calls, most of those that sleep, as restart_syscall(), with the arguments still in the
 * registers.  Who stops the thread a second time sees that only; what it stands for was to be seen the
 * first time.  x86-64.
 */
#ifndef MEM_INJECT_CALLNOTE_H
#define MEM_INJECT_CALLNOTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mem/procs.h"

struct call_note {
	uint64_t nr;	 /* 0 (read, which is not continued so): nothing is noted */
	uint64_t arg[4];
	uint64_t sp, ip; /* ip: behind the call */
};

/* restart_syscall itself says nothing. */
enum { CALL_NR_RESTART = 219 };

struct call_notes {
	struct call_note *v; /* owned; the newest last */
	size_t n;
};

#define CALL_NOTES_INIT { NULL, 0 }

void call_notes_fini(struct call_notes *notes);

/* Nothing when nothing is noted. */
void call_notes_add(struct call_notes *notes, const struct call_note *note);

/* What a thread is in, when it sleeps; else nothing is noted. */
struct call_note call_note_of(pid_t tid);

/* Adds those of all threads of these processes, which are stopped: 10 us for each thread. */
void call_notes_take(struct call_notes *notes, const struct proc *p, size_t n);

/* The number of the call that a thread with these registers was in; 0: none is known. */
uint64_t call_notes_find(const struct call_notes *notes, const struct call_note *like);

/* A line of /proc/PID/task/TID/syscall. False: it is in no call, or in one that is continued. */
bool call_note_read(struct call_note *note, const char *text);

#endif
