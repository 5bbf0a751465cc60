// SPDX-License-Identifier: MIT
/*
 * Until the target is changed every wait has an end.  From then on there is none but the
 * target's: it is waited for until it is as it was.  In a stop it can always be put back; between two
 * stops only a freezer holds it for long.
 */
#include "mem/inject/borrow.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>

#include "base/clock.h"

#if defined(__x86_64__)

#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif

/* linux/ptrace.h cannot be included beside sys/ptrace.h. */
enum {
	OPT_SYSGOOD = 1,
	OPT_SUSPEND_SECCOMP = 1 << 21,
	REQ_GETSIGMASK = 0x420a,
	REQ_SETSIGMASK = 0x420b,
	REQ_RSEQ = 0x420f,
	EVENT_STOP = 128,
	STOP_TIMEOUT_MS = 50,
	ENTER_TIMEOUT_MS = 500,
	STOPS_MOST = 1000, /* of its group, before the call: somebody stops it for sport */
	SHORT_NAPS = 2000, /* of 10 us */
};

/* A system call of ours: the result, or -errno. */
static long sys(long nr, long a, long b, long c, long d)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = 0;
	register long r9 __asm__("r9") = 0;
	long ret = nr;

	__asm__ volatile("syscall"
			 : "+a"(ret)
			 : "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}

/* process_vm_readv has six arguments. */
bool borrow_read(pid_t pid, uint64_t addr, void *data, size_t len)
{
	struct iovec mine = { data, len }, its = { (void *)(uintptr_t)addr, len };
	register long r10 __asm__("r10") = (long)&its;
	register long r8 __asm__("r8") = 1;
	register long r9 __asm__("r9") = 0;
	long ret = SYS_process_vm_readv;

	__asm__ volatile("syscall"
			 : "+a"(ret)
			 : "D"((long)pid), "S"(&mine), "d"(1l), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret == (long)len;
}

static long pt(long request, pid_t tid, uintptr_t addr, const void *data)
{
	return sys(SYS_ptrace, request, tid, (long)addr, (long)(uintptr_t)data);
}

/* ---- waiting ---- */

enum wait { STOPPED, ENDED, TIMEOUT };

/* Nobody waits for us: not one lock or link of our parent's may stay because of us. */
static void be_alone(struct borrow *j)
{
	if (!j->alone && sys(SYS_getppid, 0, 0, 0, 0) == j->parent)
		return;
	j->alone = j->unshared = true;
	if (sys(SYS_unshare, CLONE_FILES, 0, 0, 0) == 0)
		sys(SYS_close_range, 0, ~0u, 0, 0);
	j->uffd = -1;
}

/* Waits for the next stop.  Deadline 0: as long as it takes. */
static enum wait wait_stop(struct borrow *j, int *status, uint64_t deadline)
{
	for (unsigned n = 0;; n++) {
		struct timespec nap = { 0, n < SHORT_NAPS ? 10000 : 2000000 };
		long got = sys(SYS_wait4, j->tid, (long)status, __WALL | WNOHANG, 0);

		if (got == j->tid && WIFSTOPPED(*status))
			return STOPPED;
		if (got == j->tid || (got < 0 && got != -EINTR))
			return ENDED;
		if (deadline && clock_ns() > deadline)
			return TIMEOUT;
		if (n >= SHORT_NAPS && !j->unshared)
			be_alone(j);
		sys(SYS_nanosleep, (long)&nap, 0, 0, 0);
	}
}

/* Until the trap that PTRACE_INTERRUPT asked for; signals on the way are delivered. */
static enum wait wait_trap(struct borrow *j, uint64_t deadline)
{
	enum wait got;
	int status = 0;

	while ((got = wait_stop(j, &status, deadline)) == STOPPED) {
		if (status >> 16 == EVENT_STOP)
			return STOPPED;
		if (deadline && clock_ns() > deadline)
			return TIMEOUT;
		pt(PTRACE_CONT, j->tid, 0, (void *)(uintptr_t)WSTOPSIG(status));
	}
	return got;
}

/* ---- registers ---- */

static long get_regs(pid_t tid, struct user_regs_struct *r)
{
	struct iovec io = { r, sizeof(*r) };
	long ret = pt(PTRACE_GETREGSET, tid, NT_PRSTATUS, &io);

	if (ret < 0)
		return ret;
	return io.iov_len == sizeof(*r) ? 0 : 1; /* 1: a 32-bit task */
}

static long set_regs(pid_t tid, struct user_regs_struct *r)
{
	struct iovec io = { r, sizeof(*r) };

	return pt(PTRACE_SETREGSET, tid, NT_PRSTATUS, &io);
}

/*
 * The kernel aborts a restartable sequence that was interrupted, judging by the
 * instruction pointer, which lies in the vdso when it looks next: so it is done here.
 */
static void abort_rseq(pid_t tid, struct user_regs_struct *r)
{
	struct {
		uint64_t abi;
		uint32_t size, sig, flags, pad;
	} conf = { 0 };
	struct {
		uint32_t version, flags;
		uint64_t start, length, abort_at;
	} cs = { 0 };
	uint64_t at = 0;

	if (pt(REQ_RSEQ, tid, sizeof(conf), &conf) != (long)sizeof(conf) || !conf.abi ||
	    !borrow_read(tid, conf.abi + 8, &at, sizeof(at)) || !at ||
	    !borrow_read(tid, at, &cs, sizeof(cs)))
		return;
	if (r->rip - cs.start < cs.length)
		r->rip = cs.abort_at;
}

/* ---- the two calls ---- */

/* Would the target fault here again and again? */
static bool is_fault(int status)
{
	int sig = WSTOPSIG(status);

	return status >> 16 == 0 && (sig == SIGSEGV || sig == SIGBUS || sig == SIGILL || sig == SIGFPE ||
				     sig == SIGTRAP || sig == SIGSYS);
}

/*
 * Goes on to the entry of the system call.  Stops of the whole group may come before it, and are
 * obeyed when the target is let go.  `timeout_ms`: then it is asked to stop again, which it does, even
 * frozen, on cgroup v2; 0: it must be made.
 */
static enum borrow_result enter(struct borrow *j, int timeout_ms)
{
	uint64_t deadline = timeout_ms ? clock_deadline(timeout_ms) : 0;
	int signal = 0, status = 0;

	for (unsigned n = 0; n < STOPS_MOST; n++) {
		enum wait got;

		pt(PTRACE_SYSCALL, j->tid, 0, (void *)(uintptr_t)signal);
		got = wait_stop(j, &status, deadline);
		if (got == TIMEOUT) {
			pt(PTRACE_INTERRUPT, j->tid, 0, NULL);
			got = wait_stop(j, &status, 0);
		}
		if (got != STOPPED)
			return BORROW_ENDED;
		if (WSTOPSIG(status) == (SIGTRAP | 0x80))
			return BORROW_DONE;
		if (is_fault(status))
			return BORROW_OTHER;
		if (deadline && clock_ns() > deadline)
			return BORROW_NOT_STOPPED;
		signal = status >> 16 ? 0 : WSTOPSIG(status);
	}
	return BORROW_OTHER;
}

/* Runs one system call in the stopped target; *result as the target would see it.  Not
 * BORROW_DONE: it was not made.  Stopped in any case but BORROW_ENDED. */
static enum borrow_result run_syscall(struct borrow *j, const struct user_regs_struct *saved, long nr,
				      uint64_t a, int timeout_ms, long *result)
{
	struct user_regs_struct r = *saved;
	enum borrow_result got;
	int status = 0;

	r.rip = j->syscall_at;
	r.rax = (unsigned long long)nr;
	r.orig_rax = ~0ull; /* not in a system call: nothing to restart */
	r.rdi = a;
	r.rsi = r.rdx = r.r10 = r.r8 = r.r9 = 0;
	if (set_regs(j->tid, &r) < 0)
		return BORROW_OTHER;
	got = enter(j, timeout_ms);
	if (got != BORROW_DONE)
		return got;
	/* And its exit: nothing comes in between but its death. */
	pt(PTRACE_SYSCALL, j->tid, 0, NULL);
	if (wait_stop(j, &status, 0) != STOPPED || get_regs(j->tid, &r) != 0)
		return BORROW_ENDED;
	*result = (long)r.rax;
	return BORROW_DONE;
}

/* Makes the descriptor, takes it, closes it there. */
static enum borrow_result make_and_take(struct borrow *j, const struct user_regs_struct *saved)
{
	enum borrow_result got, ret = BORROW_DONE;
	long fd, closed, pidfd;

	got = run_syscall(j, saved, SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY,
			  ENTER_TIMEOUT_MS, &fd);
	if (got != BORROW_DONE)
		return got;
	if (fd < 0) {
		j->sys = (int)-fd;
		return BORROW_REFUSED;
	}
	if (!j->alone) {
		pidfd = sys(SYS_pidfd_open, j->pid, 0, 0, 0);
		j->uffd = pidfd < 0 ? (int)pidfd : (int)sys(SYS_pidfd_getfd, pidfd, fd, 0, 0);
		if (pidfd >= 0)
			sys(SYS_close, pidfd, 0, 0, 0);
		if (j->uffd < 0) {
			j->sys = -j->uffd;
			ret = BORROW_NOT_TAKEN;
		}
	}
	got = run_syscall(j, saved, SYS_close, (uint64_t)fd, 0, &closed);
	if (got == BORROW_ENDED)
		return got;
	return got != BORROW_DONE || closed < 0 ? BORROW_LEFT_OPEN : ret;
}

/* The program may have been replaced since the instruction was looked for. */
static bool same_program(const struct borrow *j)
{
	uint8_t magic[SELFMAG] = { 0 }, code[2] = { 0 };

	return borrow_read(j->tid, j->vdso, magic, sizeof(magic)) && !memcmp(magic, ELFMAG, SELFMAG) &&
	       borrow_read(j->tid, j->syscall_at, code, sizeof(code)) && code[0] == 0x0f &&
	       code[1] == 0x05;
}

static void note_call(struct borrow *j, const struct user_regs_struct *r)
{
	if ((long)r->orig_rax >= 0 && r->orig_rax != CALL_NR_RESTART)
		j->call = (struct call_note){ r->orig_rax, { r->rdi, r->rsi, r->rdx, r->r10 }, r->rsp, r->rip };
}

/* Stopped by the trap.  Leaves it stopped with its own registers and mask. */
static enum borrow_result borrow(struct borrow *j)
{
	struct user_regs_struct saved, idle;
	uint64_t mask, all = ~UINT64_C(0);
	enum borrow_result result;
	long ret = get_regs(j->tid, &saved);

	if (ret > 0)
		return BORROW_32BIT;
	if (ret == 0)
		ret = pt(REQ_GETSIGMASK, j->tid, sizeof(mask), &mask);
	if (ret < 0) {
		j->sys = (int)-ret;
		return ret == -ESRCH ? BORROW_ENDED : BORROW_NO_REGS;
	}
	if (!same_program(j))
		return BORROW_OTHER;
	note_call(j, &saved);
	abort_rseq(j->tid, &saved);
	pt(REQ_SETSIGMASK, j->tid, sizeof(all), &all);
	result = make_and_take(j, &saved);
	if (result == BORROW_ENDED)
		return result;
	/* Back into a trap on the way to user mode: only from there an interrupted
	 * system call restarts by the kernel's own rules. */
	if (get_regs(j->tid, &idle) == 0) {
		idle.orig_rax = ~0ull;
		set_regs(j->tid, &idle);
	}
	pt(PTRACE_INTERRUPT, j->tid, 0, NULL);
	pt(PTRACE_CONT, j->tid, 0, NULL);
	if (wait_trap(j, 0) != STOPPED)
		return BORROW_ENDED;
	set_regs(j->tid, &saved);
	pt(REQ_SETSIGMASK, j->tid, sizeof(mask), &mask);
	return result;
}

static long seize(const struct borrow *j)
{
	uintptr_t opts = OPT_SYSGOOD | OPT_SUSPEND_SECCOMP;
	long ret = pt(PTRACE_SEIZE, j->tid, 0, (void *)opts);

	/* Kernels without CONFIG_CHECKPOINT_RESTORE, or a seccomp filter around us. */
	if (ret < 0 && ret != -ESRCH)
		ret = pt(PTRACE_SEIZE, j->tid, 0, (void *)(uintptr_t)OPT_SYSGOOD);
	return ret;
}

/* What the answer is; the target is let go. */
static enum borrow_result work(struct borrow *j)
{
	enum borrow_result result;
	uint64_t began;
	long ret = seize(j);

	if (ret < 0) {
		j->sys = (int)-ret;
		return BORROW_NOT_SEIZED;
	}
	pt(PTRACE_INTERRUPT, j->tid, 0, NULL);
	switch (wait_trap(j, clock_ns() + STOP_TIMEOUT_MS * UINT64_C(1000000))) {
	case ENDED:
		return BORROW_ENDED;
	case TIMEOUT: /* our end detaches from it; it is as it was */
		return BORROW_NOT_STOPPED;
	case STOPPED:
		break;
	}
	began = clock_ns();
	result = borrow(j);
	pt(PTRACE_DETACH, j->tid, 0, NULL);
	j->stopped_ns = clock_ns() - began;
	return result;
}

int borrow_main(void *arg)
{
	struct sched_param first = { .sched_priority = 1 };
	struct borrow *j = arg;

	/* On a busy server the target would wait for us longer than for the work. */
	if (sys(SYS_sched_setscheduler, 0, SCHED_FIFO, (long)&first, 0) < 0)
		sys(SYS_setpriority, PRIO_PROCESS, 0, -20, 0);
	j->result = work(j);
	sys(SYS_exit_group, 0, 0, 0, 0);
	return 0;
}

#else

int borrow_main(void *arg)
{
	(void)arg;
	return 0;
}

#endif
