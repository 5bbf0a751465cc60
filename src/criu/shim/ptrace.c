// SPDX-License-Identifier: MIT
/*
 * criu-shim.so where CRIU lets a thread go, ptrace(PTRACE_DETACH), at the end of a dump and of a restore:
 *
 *	a thread that is to make a call again is inside it (shim_calls.h); so is one whose dump was for nothing
 *	signals that wait at the end of a dump are listed, for CRIU has looked at the beginning (shim_text.h)
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <unistd.h>

#include "criu/shim/calls.h"
#include "criu/shim/priv.h"
#include "criu/shim/text.h"

#ifdef __x86_64__
enum { CS_64BIT = 0x33, CALL_BYTES = 2, WORD = sizeof(long) };

/* Is there a `syscall` instruction?  Words are aligned, so that none is looked at that it does not lie in. */
static bool is_call_at(pid_t tid, uint64_t addr)
{
	uint8_t code[2 * WORD] = { 0 };
	const uint64_t first = addr & ~(uint64_t)(WORD - 1), skip = addr - first;

	for (uint64_t at = 0; at < skip + CALL_BYTES; at += WORD) {
		if (syscall(SYS_ptrace, PTRACE_PEEKTEXT, tid, first + at, code + at) < 0)
			return false;
	}
	return code[skip] == 0x0f && code[skip + 1] == 0x05;
}

/*
 * CRIU gave the thread its registers back: those of before the call, or of one that ended with EINTR because CRIU
 * came.  PTRACE_DETACH makes the kernel look for signals, and it makes the call again or ends it.
 */
static void go_on_inside_call(pid_t tid)
{
	struct user_regs_struct r;
	int ends = 0;

	if (syscall(SYS_ptrace, PTRACE_GETREGS, tid, NULL, &r) < 0 || r.cs != CS_64BIT)
		return;
	const uint64_t arg[6] = { r.rdi, r.rsi, r.rdx, r.r10, r.r8, r.r9 };

	if ((long)r.orig_rax == -1 || r.orig_rax == r.rax) {
		ends = is_call_at(tid, r.rip) ? shim_call_ends(r.rax, arg) : 0;
		r.orig_rax = r.rax;
		r.rip += CALL_BYTES;
	} else if ((long)r.rax == -EINTR && shim_call_is_continued(r.orig_rax)) {
		ends = shim_call_may_begin_again(r.orig_rax, arg) ? CALL_AGAIN_NO_HANDLER : CALL_CONTINUE;
	}
	if (!ends)
		return;
	r.rax = (unsigned long)-ends;
	syscall(SYS_ptrace, PTRACE_SETREGS, tid, NULL, &r);
}
#else
static void go_on_inside_call(pid_t tid)
{
	(void)tid;
}
#endif

/* linux/ptrace.h */
struct peek {
	uint64_t off;
	uint32_t flags; /* 1: of the process */
	int32_t nr;
};
enum { PEEK_SIGNALS = 0x4209, AT_ONCE = 8 };

static void list_signals(int *to, pid_t tid, bool of_process)
{
	siginfo_t info[AT_ONCE];
	struct peek p = { .flags = of_process, .nr = AT_ONCE };
	long n;

	while ((n = syscall(SYS_ptrace, PEEK_SIGNALS, tid, &p, info)) > 0) {
		if (*to < 0)
			*to = (int)syscall(SYS_openat, shim_dir(), SHIM_SIGNALS,
					   O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
		for (long i = 0; i < n; i++) {
			struct shim_signal s = { .tid = (uint32_t)tid, .of_process = of_process };

			memcpy(s.info, &info[i], sizeof(s.info));
			if (write(*to, &s, sizeof(s)) != (ssize_t)sizeof(s))
				return;
		}
		p.off += (uint64_t)n;
	}
}

static void note_signals(pid_t tid)
{
	int to = -1;

	list_signals(&to, tid, false);
	if (syscall(SYS_tgkill, tid, tid, 0) == 0) /* the first thread of its process */
		list_signals(&to, tid, true);
	if (to >= 0)
		close(to);
}

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
	if (request == PTRACE_DETACH) {
		if (shim_dir() >= 0)
			note_signals(pid);
		go_on_inside_call(pid);
	}
	ret = syscall(SYS_ptrace, request, pid, addr, peeks ? (unsigned long)&got : data);
	if (!peeks || ret < 0)
		return ret;
	errno = 0; /* the value may be -1 */
	return (long)got;
}
