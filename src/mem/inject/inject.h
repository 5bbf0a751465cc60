/* SPDX-License-Identifier: MIT */
/*
 * mem/inject/inject.h - one userfaultfd out of a running process.
 *
 * A userfaultfd belongs to the address space of the task that makes it, so one task
 * must run the system call.  It is seized (ptrace), runs userfaultfd(2) and close(2) at
 * a `syscall` instruction of its vdso, and goes on where it was; it stands still for
 * 0.1-0.3 ms.  Signals are blocked meanwhile, seccomp is suspended, interrupted system
 * calls restart as after any stop, an rseq critical section is aborted as
 * after any preemption.
 *
 * The work is done by a helper process (mem/inject/borrow.h), so that a SIGKILL that hits this
 * process in the middle does not leave the target with foreign registers: the helper ends
 * what it began.  PTRACE_O_EXITKILL is not set.  If the helper itself is killed within
 * those 0.2 ms the kernel lets the target run on with the registers of the injected
 * call: it would crash.  Nothing of ours sends such a signal; the helper is never in a
 * container's cgroup.
 */
#ifndef MEM_INJECT_INJECT_H
#define MEM_INJECT_INJECT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "mem/inject/callnote.h"

struct inject {
	int uffd;	     /* the caller's; -1 on failure */
	uint64_t stopped_ns; /* how long the target stood still */
	bool again;	     /* failure: could not be stopped just now; try later */
	struct call_note call; /* that the thread was in */
};

/*
 * pid: a process (any of its threads may be used).  The descriptor is fresh: UFFDIO_API
 * was not called.  Blocks up to 50 ms when the target cannot be stopped, and up to 2 s when it was
 * and somebody froze it then (again = true).  `again` too when it ends or execs just now.
 * Failures leave the target as it was and name it: 32-bit, traced by somebody else,
 * no permission, out of descriptors.
 */
int inject_uffd(struct inject *out, pid_t pid, struct err *e);

#endif
