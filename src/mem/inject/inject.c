// SPDX-License-Identifier: MIT
#include "mem/inject/inject.h"

#include <dirent.h>
#include <elf.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/own.h"
#include "mem/inject/borrow.h"
#include "mem/maps.h"

#if defined(__x86_64__)

enum {
	STACK = 64 << 10,
	PATIENCE_MS = 2000, /* for a target that was stopped; then its helper goes on alone */
};

/* Shared with the helper, which may outlive our wait. */
struct job {
	struct borrow b;
	char stack[STACK] __attribute__((aligned(16)));
};

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

static int ended(struct inject *out, pid_t pid, struct err *e)
{
	out->again = true;
	return err_set(e, ERR_SYS, "process %d ended", (int)pid);
}

static int not_seized(const struct borrow *b, struct inject *out, struct err *e)
{
	int tracer = status_of(b->tid, "\nTracerPid:");

	if (b->sys == ESRCH || strchr("ZX", status_of(b->tid, "\nState:")))
		return ended(out, b->pid, e);
	/* A helper of ours that could not let go of it yet. */
	out->again = tracer > 0 && status_of(tracer, "\nPPid:") == getpid();
	errno = b->sys;
	err_sys(e, "cannot trace process %d", (int)b->pid);
	if (tracer > 0)
		return err_hint(e, "process %d traces it: end that debugger first", tracer);
	return err_hint(e, "ptrace needs root without yama's ptrace_scope=3");
}

/* What the helper found, in words. */
static int explain(const struct borrow *b, struct inject *out, struct err *e)
{
	errno = b->sys;
	switch (b->result) {
	case BORROW_DONE:
		return 0;
	case BORROW_ENDED:
		return ended(out, b->pid, e);
	case BORROW_NOT_SEIZED:
		return not_seized(b, out, e);
	case BORROW_NOT_STOPPED:
		out->again = true;
		return err_set(e, ERR_SYS, "process %d could not be stopped", (int)b->pid);
	case BORROW_OTHER:
		out->again = true;
		return err_set(e, ERR_SYS, "process %d starts another program", (int)b->pid);
	case BORROW_32BIT:
		err_set(e, ERR_UNSUPPORTED, "process %d is a 32-bit program", (int)b->pid);
		return err_hint(e, "its memory cannot be tracked: use --noiter");
	case BORROW_NO_REGS:
		return err_sys(e, "cannot read the registers of process %d", (int)b->pid);
	case BORROW_REFUSED:
		err_sys(e, "process %d may not make a userfaultfd", (int)b->pid);
		return err_hint(e, b->sys == EMFILE ? "it has no free file descriptor: raise its limit"
						    : "vm.unprivileged_userfaultfd, or an LSM, "
						      "forbids it");
	case BORROW_NOT_TAKEN:
		return err_sys(e, "cannot take the userfaultfd of process %d", (int)b->pid);
	case BORROW_LEFT_OPEN:
		return err_set(e, ERR_SYS, "process %d was left with an open userfaultfd", (int)b->pid);
	case BORROW_NOTHING:
		break;
	}
	return err_set(e, ERR_SYS, "the tracking helper was killed");
}

/* Waits for the helper, but not for ever.  True: it is gone. */
static bool helper_ended(struct job *j, pid_t helper, int pidfd)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };

	if (poll(&p, 1, PATIENCE_MS) != 1) {
		j->b.alone = true;
		if (poll(&p, 1, 0) != 1)
			return false;
	}
	while (waitpid(helper, NULL, __WALL) < 0 && errno == EINTR)
		;
	return true;
}

/* No signal may reach the helper: it shares our memory and our terminal. */
static int with_helper(const struct borrow *b, struct inject *out, struct err *e)
{
	struct job *j = xcalloc(1, sizeof(*j));
	own_fd int pidfd = -1;
	sigset_t all, old;
	bool gone = true;
	pid_t helper;
	int ret;

	j->b = *b;
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &old);
	helper = clone(borrow_main, j->stack + STACK, CLONE_VM | CLONE_FILES | CLONE_PIDFD, &j->b, &pidfd);
	if (helper > 0)
		gone = helper_ended(j, helper, pidfd);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (helper < 0) {
		free(j);
		return err_sys(e, "cannot start the tracking helper");
	}
	if (!gone) { /* the helper has j */
		out->again = true;
		return err_set(e, ERR_TIMEOUT, "process %d does not go on: it was frozen just now",
			       (int)b->pid);
	}
	out->stopped_ns = j->b.stopped_ns;
	if (j->b.call.nr)
		out->call = j->b.call;
	ret = explain(&j->b, out, e);
	if (ret == 0)
		out->uffd = j->b.uffd;
	else if (j->b.uffd >= 0)
		close(j->b.uffd);
	free(j);
	return ret;
}

static int find_syscall(struct borrow *j, struct inject *out, struct err *e)
{
	own_maps struct maps m = MAPS_INIT;
	uint8_t code[4 * MEM_PAGE];

	if (maps_read_pid(&m, j->pid, false, e) < 0) {
		out->again = e->sys == ENOENT || e->sys == ESRCH; /* it ended */
		return -1;
	}
	if (!m.n)
		return ended(out, j->pid, e);
	for (size_t i = 0; i < m.n; i++) {
		size_t len = m.v[i].end - m.v[i].start;

		if (strcmp(m.v[i].name, "[vdso]"))
			continue;
		len = len < sizeof(code) ? len : sizeof(code);
		if (!borrow_read(j->pid, m.v[i].start, code, len))
			break;
		if (code[EI_CLASS] == ELFCLASS32) {
			err_set(e, ERR_UNSUPPORTED, "process %d is a 32-bit program", (int)j->pid);
			return err_hint(e, "its memory cannot be tracked: use --noiter");
		}
		for (size_t k = 0; k + 1 < len; k++)
			if (code[k] == 0x0f && code[k + 1] == 0x05) {
				j->vdso = m.v[i].start;
				j->syscall_at = m.v[i].start + k;
				return 0;
			}
	}
	/* It ended, or is in the middle of an exec. */
	out->again = true;
	return err_set(e, ERR_UNSUPPORTED, "process %d has no vdso to run a system call in",
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
	struct borrow b = { .pid = pid, .parent = getpid(), .uffd = -1 };
	struct err own = ERR_INIT;

	e = e ? e : &own;
	*out = (struct inject){ .uffd = -1 };
	if (find_syscall(&b, out, e) < 0)
		return -1;
	b.tid = pick_thread(pid);
	out->call = call_note_of(b.tid); /* before it is stopped, which may not come to an end */
	return with_helper(&b, out, e);
}

#else

int inject_uffd(struct inject *out, pid_t pid, struct err *e)
{
	*out = (struct inject){ .uffd = -1 };
	(void)pid;
	return err_set(e, ERR_UNSUPPORTED, "memory is tracked on x86-64 only");
}

#endif
