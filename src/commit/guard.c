// SPDX-License-Identifier: MIT
#include "commit/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/own.h"
#include "commit/journal.h"

/* Lets the recovery find journals and locks free: the parent is dead when its
 * pipe closes, but the kernel may still be closing its files. */
enum { AFTER_DEATH_US = 100000, GUARD_FD = 3 };

void guard_main(void)
{
	const int fd = GUARD_FD;
	char id[JOURNAL_ID_MAX] = "", got[JOURNAL_ID_MAX];
	ssize_t n;

	fcntl(fd, F_SETFD, FD_CLOEXEC);
	signal(SIGPIPE, SIG_IGN);
	/* Each message is one id, or "" to stand down. */
	for (;;) {
		n = read(fd, got, sizeof(got) - 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		got[n] = '\0';
		if (got[0] == '-')
			_exit(0);
		memcpy(id, got, sizeof(id));
	}
	if (!id[0])
		_exit(0);
	usleep(AFTER_DEATH_US);
	execl("/proc/self/exe", "pmigrate", "recover", "--quiet", id, (char *)NULL);
	_exit(127);
}

int guard_start(struct guard *g, struct err *e)
{
	int fds[2];
	pid_t pid;

	/* Packets keep the messages apart. */
	if (pipe2(fds, O_CLOEXEC | O_DIRECT) < 0)
		return err_sys(e, "cannot make a pipe");
	pid = fork();
	if (pid < 0) {
		close(fds[0]);
		close(fds[1]);
		return err_sys(e, "cannot fork the guard");
	}
	if (pid == 0) {
		/* A second fork: it is init's child, nobody has to reap it. */
		if (fork() != 0)
			_exit(0);
		setsid();
		for (int i = 0; i < 3; i++) {
			int null = open("/dev/null", O_RDWR);

			if (null >= 0)
				dup2(null, i);
		}
		if (fds[0] == GUARD_FD)
			fcntl(GUARD_FD, F_SETFD, 0);
		else
			dup2(fds[0], GUARD_FD);
		syscall(SYS_close_range, GUARD_FD + 1, ~0u, 0);
		/* Under a name of its own: who ends the command by its name does not mean it. */
		execl("/proc/self/exe", "pmigrate", "agent", "--guard", (char *)NULL);
		guard_main();
	}
	waitpid(pid, NULL, 0);
	close(fds[0]);
	g->fd = fds[1];
	return 0;
}

void guard_arm(struct guard *g, const char *id)
{
	if (g->fd >= 0 && write_all(g->fd, id, strlen(id)) < 0)
		close_fd(&g->fd);
}

void guard_stand_down(struct guard *g)
{
	if (g->fd >= 0)
		(void)write_all(g->fd, "-", 1);
	close_fd(&g->fd);
}
