// SPDX-License-Identifier: MIT
#include "mem/inject.h"

#include <dirent.h>
#include <elf.h>
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
#include "base/file.h"
#include "base/own.h"
#include "mem/maps.h"

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
	STACK = 64 << 10,
};

/* What the helper is told and answers; plain memory shared with it. */
struct job {
	pid_t pid, tid;
	uint64_t syscall_at; /* address of a `syscall` instruction in the target */
	struct inject *out;
	struct err *e;
	int ret;
};

static long pt(int request, pid_t tid, uintptr_t addr, void *data)
{
	return syscall(SYS_ptrace, (long)request, (long)tid, addr, data);
}

/* For a stop that comes at once or never. */
static uint64_t soon(void)
{
	return clock_ns() + STOP_TIMEOUT_MS * UINT64_C(1000000);
}

/* Waits for the next stop; *status is only valid on 0.  1: it ended; 2: timeout. */
static int wait_stop(pid_t tid, int *status, uint64_t deadline)
{
	struct timespec nap = { 0, 10000 };

	for (;;) {
		pid_t got = waitpid(tid, status, __WALL | WNOHANG);

		if (got < 0 && errno == EINTR)
			got = 0;
		if (got < 0 || (got == tid && !WIFSTOPPED(*status)))
			return 1;
		if (got == tid)
			return 0;
		if (clock_ns() > deadline)
			return 2;
		nanosleep(&nap, NULL);
	}
}

/* Until the trap that PTRACE_INTERRUPT asked for; signals on the way are delivered. */
static int wait_trap(pid_t tid, uint64_t deadline)
{
	int status, ret;

	while ((ret = wait_stop(tid, &status, deadline)) == 0) {
		if (status >> 16 == EVENT_STOP)
			return 0;
		if (clock_ns() > deadline)
			return 2;
		pt(PTRACE_CONT, tid, 0, (void *)(uintptr_t)WSTOPSIG(status));
	}
	return ret;
}

static int get_regs(pid_t tid, struct user_regs_struct *r)
{
	struct iovec io = { r, sizeof(*r) };

	if (pt(PTRACE_GETREGSET, tid, NT_PRSTATUS, &io) < 0)
		return -1;
	return io.iov_len == sizeof(*r) ? 0 : 1; /* 1: a 32-bit task */
}

static int set_regs(pid_t tid, struct user_regs_struct *r)
{
	struct iovec io = { r, sizeof(*r) };

	return (int)pt(PTRACE_SETREGSET, tid, NT_PRSTATUS, &io);
}

/* Runs one system call in the stopped target; *result as the target would see it. */
static int run_syscall(struct job *j, const struct user_regs_struct *saved, long nr, uint64_t a,
		       long *result)
{
	struct user_regs_struct r = *saved;
	uint64_t deadline = soon(); /* for all of it: stops of the group may come again and again */
	int stops = 0, status;

	r.rip = j->syscall_at;
	r.rax = (unsigned long long)nr;
	r.orig_rax = ~0ull; /* not in a system call: nothing to restart */
	r.rdi = a;
	r.rsi = r.rdx = r.r10 = r.r8 = r.r9 = 0;
	if (set_regs(j->tid, &r) < 0)
		return -1;
	/* Its entry and its exit; a stop of the whole group may come in between. */
	while (stops < 2) {
		if (pt(PTRACE_SYSCALL, j->tid, 0, NULL) < 0 ||
		    wait_stop(j->tid, &status, deadline) != 0)
			return -1;
		if (WSTOPSIG(status) == (SIGTRAP | 0x80))
			stops++;
		else if (clock_ns() > deadline)
			return -1;
	}
	if (get_regs(j->tid, &r) != 0)
		return -1;
	*result = (long)r.rax;
	return 0;
}

static bool read_target(pid_t tid, uint64_t addr, void *data, size_t len)
{
	struct iovec mine = { data, len }, its = { (void *)(uintptr_t)addr, len };

	return process_vm_readv(tid, &mine, 1, &its, 1, 0) == (ssize_t)len;
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
	} conf;
	struct {
		uint32_t version, flags;
		uint64_t start, length, abort_at;
	} cs;
	uint64_t at;

	if (pt(REQ_RSEQ, tid, sizeof(conf), &conf) != (long)sizeof(conf) || !conf.abi ||
	    !read_target(tid, conf.abi + 8, &at, sizeof(at)) || !at ||
	    !read_target(tid, at, &cs, sizeof(cs)))
		return;
	if (r->rip - cs.start < cs.length)
		r->rip = cs.abort_at;
}

/* The target is stopped: makes the descriptor, takes it, closes it there. */
static int make_and_take(struct job *j, const struct user_regs_struct *saved)
{
	own_fd int pidfd = -1;
	long fd, closed;

	if (run_syscall(j, saved, SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY,
			&fd) < 0)
		return err_sys(j->e, "process %d did not run userfaultfd", (int)j->pid);
	if (fd < 0) {
		errno = (int)-fd;
		err_sys(j->e, "process %d may not make a userfaultfd", (int)j->pid);
		return err_hint(j->e, fd == -EMFILE ? "it has no free file descriptor: raise its limit"
						    : "vm.unprivileged_userfaultfd, or an LSM, "
						      "forbids it");
	}
	pidfd = (int)syscall(SYS_pidfd_open, j->pid, 0);
	j->out->uffd = pidfd < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, pidfd, (int)fd, 0);
	if (j->out->uffd < 0)
		err_sys(j->e, "cannot take the userfaultfd of process %d", (int)j->pid);
	if (run_syscall(j, saved, SYS_close, (uint64_t)fd, &closed) < 0 || closed < 0)
		return err_set(j->e, ERR_SYS, "process %d was left with an open userfaultfd",
			       (int)j->pid);
	return j->out->uffd < 0 ? -1 : 0;
}

/* Stopped by the trap.  Leaves it stopped with its own registers and mask. */
static int borrow(struct job *j)
{
	struct user_regs_struct saved, idle;
	uint64_t mask, all = ~UINT64_C(0);
	int ret = get_regs(j->tid, &saved);

	if (ret > 0) {
		err_set(j->e, ERR_UNSUPPORTED, "process %d is a 32-bit program", (int)j->pid);
		return err_hint(j->e, "its memory cannot be tracked: use --noiter");
	}
	if (ret < 0 || pt(REQ_GETSIGMASK, j->tid, sizeof(mask), &mask) < 0)
		return err_sys(j->e, "cannot read the registers of process %d", (int)j->pid);
	abort_rseq(j->tid, &saved);
	pt(REQ_SETSIGMASK, j->tid, sizeof(all), &all);
	ret = make_and_take(j, &saved);
	/* Back into a trap on the way to user mode: only from there an interrupted
	 * system call restarts by the kernel's own rules. */
	if (get_regs(j->tid, &idle) == 0) {
		idle.orig_rax = ~0ull;
		set_regs(j->tid, &idle);
	}
	pt(PTRACE_INTERRUPT, j->tid, 0, NULL);
	pt(PTRACE_CONT, j->tid, 0, NULL);
	wait_trap(j->tid, soon());
	set_regs(j->tid, &saved);
	pt(REQ_SETSIGMASK, j->tid, sizeof(mask), &mask);
	return ret;
}

/* The number (or letter) behind `key` in /proc/TID/status; 'X' when it is gone. */
static int status_of(pid_t tid, const char *key)
{
	own_free char *path = xasprintf("/proc/%d/status", (int)tid);
	own_free char *text = NULL;
	const char *p;

	if (file_read(AT_FDCWD, path, 64 << 10, &text, NULL, NULL) < 0)
		return 'X';
	p = strstr(text, key);
	p = p ? p + strlen(key) + strspn(p + strlen(key), "\t ") : "";
	return *p >= '0' && *p <= '9' ? (int)strtol(p, NULL, 10) : *p;
}

static int seize(struct job *j)
{
	uintptr_t opts = OPT_SYSGOOD | OPT_SUSPEND_SECCOMP;
	int saved;

	if (pt(PTRACE_SEIZE, j->tid, 0, (void *)opts) == 0)
		return 0;
	/* Kernels without CONFIG_CHECKPOINT_RESTORE, or a seccomp filter around us. */
	if (errno != ESRCH && pt(PTRACE_SEIZE, j->tid, 0, (void *)(uintptr_t)OPT_SYSGOOD) == 0)
		return 0;
	saved = errno;
	if (saved == ESRCH || strchr("ZX", status_of(j->tid, "\nState:"))) {
		j->out->again = true;
		return err_set(j->e, ERR_SYS, "process %d ended", (int)j->pid);
	}
	errno = saved;
	err_sys(j->e, "cannot trace process %d", (int)j->pid);
	if (status_of(j->tid, "\nTracerPid:") > 0)
		return err_hint(j->e, "process %d traces it: end that debugger first",
				status_of(j->tid, "\nTracerPid:"));
	return err_hint(j->e, "ptrace needs root without yama's ptrace_scope=3");
}

/* In the helper: shares everything with us but is a process of its own. */
static int helper_main(void *arg)
{
	struct sched_param first = { .sched_priority = 1 };
	struct job *j = arg;
	uint64_t began;
	int ret;

	/* On a busy server the target would wait for us longer than for the work. */
	if (sched_setscheduler(0, SCHED_FIFO, &first) < 0)
		setpriority(PRIO_PROCESS, 0, -20);
	j->ret = seize(j);
	if (j->ret < 0)
		_exit(0);
	pt(PTRACE_INTERRUPT, j->tid, 0, NULL);
	ret = wait_trap(j->tid, soon());
	if (ret) { /* our end detaches from it */
		j->out->again = true;
		j->ret = err_set(j->e, ERR_SYS, "process %d %s", (int)j->pid,
				 ret == 1 ? "ended" : "could not be stopped");
		_exit(0);
	}
	began = clock_ns();
	j->ret = borrow(j);
	pt(PTRACE_DETACH, j->tid, 0, NULL);
	j->out->stopped_ns = clock_ns() - began;
	_exit(0);
}

/* No signal may reach the helper: it shares our memory and our terminal. */
static int with_helper(struct job *j)
{
	own_free char *stack = xmalloc(STACK);
	sigset_t all, old;
	pid_t helper;
	int status = 0;

	j->ret = -1;
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &old);
	helper = clone(helper_main, stack + STACK, CLONE_VM | CLONE_FILES | CLONE_VFORK, j);
	if (helper > 0)
		while (waitpid(helper, &status, __WALL) < 0 && errno == EINTR)
			;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (helper < 0)
		return err_sys(j->e, "cannot start the tracking helper");
	if (!WIFEXITED(status) && j->ret < 0)
		return err_set(j->e, ERR_SYS, "the tracking helper was killed");
	return j->ret;
}

static int find_syscall(struct job *j)
{
	own_maps struct maps m = MAPS_INIT;
	uint8_t code[4 * MEM_PAGE];

	if (maps_read_pid(&m, j->pid, false, j->e) < 0) {
		j->out->again = j->e->sys == ENOENT || j->e->sys == ESRCH; /* it ended */
		return -1;
	}
	if (!m.n) {
		j->out->again = true;
		return err_set(j->e, ERR_SYS, "process %d ended", (int)j->pid);
	}
	for (size_t i = 0; i < m.n; i++) {
		size_t len = m.v[i].end - m.v[i].start;

		if (strcmp(m.v[i].name, "[vdso]"))
			continue;
		len = len < sizeof(code) ? len : sizeof(code);
		if (!read_target(j->pid, m.v[i].start, code, len))
			break;
		if (code[EI_CLASS] == ELFCLASS32) {
			err_set(j->e, ERR_UNSUPPORTED, "process %d is a 32-bit program", (int)j->pid);
			return err_hint(j->e, "its memory cannot be tracked: use --noiter");
		}
		for (size_t k = 0; k + 1 < len; k++)
			if (code[k] == 0x0f && code[k + 1] == 0x05) {
				j->syscall_at = m.v[i].start + k;
				return 0;
			}
	}
	/* It ended, or is in the middle of an exec. */
	j->out->again = true;
	return err_set(j->e, ERR_UNSUPPORTED, "process %d has no vdso to run a system call in",
		       (int)j->pid);
}

/* Its first thread that is alive and not in an uninterruptible wait. */
static pid_t pick_thread(pid_t pid)
{
	own_free char *path = xasprintf("/proc/%d/task", (int)pid);
	own_dir DIR *d = opendir(path);
	struct dirent *de;

	while (d && (de = readdir(d))) {
		char name[300], state;
		own_free char *text = NULL;
		const char *p;

		snprintf(name, sizeof(name), "%s/stat", de->d_name);
		if (de->d_name[0] == '.' ||
		    file_read(dirfd(d), name, 4096, &text, NULL, NULL) < 0)
			continue;
		p = strrchr(text, ')');
		state = p && p[1] ? p[2] : 'Z';
		if (!strchr("ZXD", state))
			return (pid_t)strtol(de->d_name, NULL, 10);
	}
	return pid;
}

int inject_uffd(struct inject *out, pid_t pid, struct err *e)
{
	struct err own = ERR_INIT;
	struct job j = { .pid = pid, .out = out, .e = e ? e : &own };

	*out = (struct inject){ .uffd = -1 };
	if (find_syscall(&j) < 0)
		return -1;
	j.tid = pick_thread(pid);
	if (with_helper(&j) < 0) {
		close_fd(&out->uffd);
		return -1;
	}
	return 0;
}

#else

int inject_uffd(struct inject *out, pid_t pid, struct err *e)
{
	*out = (struct inject){ .uffd = -1 };
	(void)pid;
	return err_set(e, ERR_UNSUPPORTED, "memory is tracked on x86-64 only");
}

#endif
