// SPDX-License-Identifier: MIT
/*
 * criu-shim.so in the CRIU that restores.
 *
 *	memfd_create("pmigrate/shared/7")	the memory file that the agent filled before the freeze
 *	ptrace(PTRACE_DETACH)			a thread that is to make a call again is inside it (shim_calls.h)
 *
 * The agent renames the memfds in the image and gives each to CRIU under that name as an inherited
 * descriptor.  CRIU's own use of those (`inherit_fd` for a file) would lose position, flags,
 * owner and seals of the container's descriptors and make several openers share one; so CRIU
 * is left to believe that it makes a memfd, and restores all of that itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <stdbool.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <unistd.h>

#include "criu/shim_calls.h"
#include "criu/shim_text.h"

/* CRIU's own (criu/files.c), which it exports for its plugins: a descriptor by its name, or -1. */
__attribute__((weak)) int inherit_fd_lookup_id(char *id);

#define INSTEAD __attribute__((visibility("default")))

#pragma GCC visibility push(default)
int memfd_create(const char *name, unsigned flags);
#pragma GCC visibility pop

INSTEAD int memfd_create(const char *name, unsigned flags)
{
	char id[64];
	int fd = -1;

	if (!name || strncmp(name, SHIM_SHARED, strlen(SHIM_SHARED)) != 0 || strlen(name) >= sizeof(id))
		return (int)syscall(SYS_memfd_create, name, flags);
	strcpy(id, name);
	if (inherit_fd_lookup_id)
		fd = inherit_fd_lookup_id(id);
	/* One that nobody filled would be lost memory. */
	if (fd < 0) {
		errno = ENOENT;
		return -1;
	}
	if (!(flags & MFD_ALLOW_SEALING))
		fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL);
	return fd;
}

#ifdef __x86_64__
enum { CS_64BIT = 0x33, CALL_BYTES = 2 };

static const unsigned long call_instruction = 0x050f;

/* The thread stopped behind its last system call for CRIU, which gave it its registers back. */
static void go_on_inside_call(pid_t tid)
{
	struct user_regs_struct r;
	unsigned long text;
	int ends;

	if (syscall(SYS_ptrace, PTRACE_GETREGS, tid, NULL, &r) < 0 || r.cs != CS_64BIT || (long)r.orig_rax != -1)
		return;
	ends = shim_call_ends(r.rax, (const uint64_t[]){ r.rdi, r.rsi, r.rdx, r.r10 });
	if (!ends || syscall(SYS_ptrace, PTRACE_PEEKTEXT, tid, r.rip, &text) < 0 ||
	    (text & 0xffff) != call_instruction)
		return;
	/* Letting it go makes the kernel look for signals, and there for this. */
	r.orig_rax = r.rax;
	r.rax = (unsigned long)-ends;
	r.rip += CALL_BYTES;
	syscall(SYS_ptrace, PTRACE_SETREGS, tid, NULL, &r);
}
#else
static void go_on_inside_call(pid_t tid)
{
	(void)tid;
}
#endif

INSTEAD long ptrace(enum __ptrace_request request, ...)
{
	unsigned long addr, data, got;
	bool peeks = request == PTRACE_PEEKTEXT || request == PTRACE_PEEKDATA || request == PTRACE_PEEKUSER;
	va_list ap;
	long ret;
	pid_t pid;

	va_start(ap, request);
	pid = va_arg(ap, pid_t);
	addr = va_arg(ap, unsigned long);
	data = va_arg(ap, unsigned long);
	va_end(ap);
	/* A thread of a dump goes on where it is. */
	if (request == PTRACE_DETACH && !getenv("PMIGRATE_SHIM"))
		go_on_inside_call(pid);
	ret = syscall(SYS_ptrace, request, pid, addr, peeks ? (unsigned long)&got : data);
	if (!peeks || ret < 0)
		return ret;
	errno = 0; /* the value may be -1 */
	return (long)got;
}
