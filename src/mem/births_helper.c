// SPDX-License-Identifier: MIT
/*
 * births - the process that mem/births.h has in a container's pid namespace.  A program of its own, static, run out of a
 * sealed memory file:
 *
 *	births PIDFD LOADAVG SOCKET
 *
 * Whoever is root in the container can attach to it and sees its /proc/PID: root, cwd, exe, map_files, environ, descriptors lead
 * where it has been.  So there is nothing of the server in it before it is seen: it enters the namespaces of
 * PIDFD (the container's own root is its root), gives up every capability and its user, and only then makes
 * the process inside, whose number, as the server has it, is its first word on SOCKET.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "mem/births_priv.h"

enum { MAX_NEW = 256, NOBODY = 65534 };

extern char **environ;

/* The kernel answers for the reader's pid namespace, whoever has opened the file. */
static uint64_t newest_pid(int loadavg)
{
	char text[256], *p;
	ssize_t n = pread(loadavg, text, sizeof(text) - 1, 0);

	if (n <= 0)
		return 0;
	text[n] = '\0';
	p = strrchr(text, ' ');
	return strtoull(p ? p + 1 : text, NULL, 10);
}

/* Alive, or a zombie, or not ours to ask. */
static bool is_there(uint64_t pid)
{
	return syscall(SYS_tkill, (long)pid, 0) == 0 || errno != ESRCH;
}

static void serve(int loadavg, int sock)
{
	uint64_t before;

	while (read(sock, &before, sizeof(before)) == sizeof(before)) {
		struct births_answer a = { newest_pid(loadavg), true };

		if (before && a.last >= before && a.last - before <= MAX_NEW) {
			a.missed = false;
			for (uint64_t pid = before + 1; pid <= a.last && !a.missed; pid++)
				a.missed = !is_there(pid);
		}
		if (write(sock, &a, sizeof(a)) != sizeof(a))
			break;
	}
}

static int become_nobody(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { 0 };

	for (unsigned long cap = 0; cap < 64; cap++) {
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0 && errno != EINVAL)
			return -1;
	}
	return setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 || setresuid(NOBODY, NOBODY, NOBODY) < 0 ||
			       syscall(SYS_capset, &head, none) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
			       prctl(PR_SET_DUMPABLE, 0) < 0 ? -1 : 0;
}

int main(int argc, char **argv)
{
	const int there = argc == 4 ? atoi(argv[1]) : -1, loadavg = argc == 4 ? atoi(argv[2]) : -1;
	const int sock = argc == 4 ? atoi(argv[3]) : -1;
	int64_t pid;

	/* The server's environment is nobody's business. */
	for (char **v = environ; *v; v++)
		memset(*v, 0, strlen(*v));
	if (setns(there, CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWUTS | CLONE_NEWIPC) < 0 || chdir("/") < 0 ||
	    dup2(sock, 0) < 0 || dup2(loadavg, 1) < 0 || syscall(SYS_close_range, 2, ~0u, 0) < 0 || become_nobody() < 0)
		return 1;
	/* The server's command is its parent, who waits for it. */
	pid = syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);
	if (pid == 0) {
		prctl(PR_SET_NAME, BIRTHS_NAME);
		serve(1, 0);
		return 0;
	}
	return pid < 0 || write(0, &pid, sizeof(pid)) != sizeof(pid);
}
