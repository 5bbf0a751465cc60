// SPDX-License-Identifier: MIT
#include "mem/births.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "base/file.h"
#include "base/own.h"
#include "base/spawn.h"
#include "config.h"
#include "mem/births_priv.h"

enum { MAX_NEW = 256, PROGRAM_MAX = 8 << 20, START_MS = 5000 };

static uint64_t newest_pid(void)
{
	char text[256], *p;
	int fd = open("/proc/loadavg", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	uint64_t pid = 0;

	if (fd >= 0)
		close(fd);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	p = strrchr(text, ' ');
	for (p = p ? p + 1 : text; *p >= '0' && *p <= '9'; p++)
		pid = pid * 10 + (uint64_t)(*p - '0');
	return pid;
}

static struct births_answer look(uint64_t before)
{
	struct births_answer a = { newest_pid(), true };

	if (!before || !a.last || a.last < before || a.last - before > MAX_NEW)
		return a;
	for (uint64_t pid = before + 1; pid <= a.last; pid++)
		if (syscall(SYS_tkill, (long)pid, 0) < 0 && errno == ESRCH)
			return a;
	a.missed = false;
	return a;
}

/* The helper's program in a memory file that nobody can write to: /proc/PID/exe of the helper leads there. */
static int program(void)
{
	own_free char *data = NULL;
	own_fd int fd = memfd_create("births", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	size_t len;

	if (fd < 0 || file_read(AT_FDCWD, PMIGRATE_LIBEXECDIR "/births", PROGRAM_MAX, &data, &len, NULL) < 0 ||
	    write_all(fd, data, len) < 0 || fchmod(fd, 0555) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) < 0)
		return -1;
	return take_fd(&fd);
}

/* Its number here, or 0.  It is our child: the program that makes it sees to that. */
static pid_t start_helper(pid_t init, int theirs, int ours)
{
	own_fd int exe = program(), there = (int)syscall(SYS_pidfd_open, init, 0);
	own_fd int loadavg = open("/proc/loadavg", O_RDONLY | O_CLOEXEC);
	own_free char *file = xasprintf("/proc/self/fd/%d", exe), *ns = xasprintf("%d", there);
	own_free char *asks = xasprintf("%d", loadavg), *sock = xasprintf("%d", theirs);
	const int fds[] = { there, loadavg, theirs };
	struct spawn s = SPAWN_INIT(spawn_argv(file, ns, asks, sock));
	own_child struct child c = CHILD_INIT;
	struct timeval limit = { 5, 0 };
	int64_t pid = 0;
	int status;

	s.pass_fds = fds;
	s.n_pass_fds = array_len(fds);
	setsockopt(ours, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (exe < 0 || there < 0 || loadavg < 0 || child_start(&c, &s, NULL) < 0 ||
	    child_wait(&c, START_MS, &status, NULL) < 0 || status != 0 || recv(ours, &pid, sizeof(pid), 0) != sizeof(pid))
		return 0;
	return (pid_t)pid;
}

void births_init(struct births *b, pid_t init)
{
	int sv[2];

	*b = (struct births)BIRTHS_INIT;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) < 0)
		return;
	b->pid = start_helper(init, sv[1], sv[0]);
	close(sv[1]);
	b->sock = sv[0];
	if (b->pid <= 0)
		births_fini(b);
}

void births_fini(struct births *b)
{
	if (b->pid > 0) {
		kill(b->pid, SIGKILL);
		while (waitpid(b->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	close_fd(&b->sock);
	*b = (struct births)BIRTHS_INIT;
}

bool births_missed(struct births *b)
{
	struct timeval limit = { 0, 200000 };
	struct births_answer a;

	if (b->pid > 0) {
		setsockopt(b->sock, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
		if (send(b->sock, &b->last, sizeof(b->last), MSG_NOSIGNAL) == sizeof(b->last) &&
		    recv(b->sock, &a, sizeof(a), 0) == sizeof(a)) {
			b->last = a.last;
			return a.missed;
		}
		births_fini(b); /* killed in there: from now on from here */
	}
	a = look(b->last);
	b->last = a.last;
	return a.missed;
}
