// SPDX-License-Identifier: MIT
/* A pseudo terminal: settings, a session of its own on it, jobs, both directions. */
#include <pty.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <utmp.h>

#include "zoo.h"

static int master, slave;
static pid_t shell;

/* Has the terminal as its own; answers every line, says when its size changes. */
static void on_winch(int sig)
{
	struct winsize w;
	char text[32];

	(void)sig;
	ioctl(0, TIOCGWINSZ, &w);
	if (write(1, text, (size_t)snprintf(text, sizeof(text), "size %d\n", w.ws_row)) < 0)
		_exit(1);
}

static void answer(void)
{
	struct sigaction a = { .sa_handler = on_winch, .sa_flags = SA_RESTART };
	char line[64];
	ssize_t n;

	sigaction(SIGWINCH, &a, NULL);
	if (write(1, "hello\n", 6) != 6)
		_exit(1);
	while ((n = read(0, line, sizeof(line))) > 0) {
		for (ssize_t i = 0; i < n; i++)
			line[i] = (char)(line[i] >= 'a' && line[i] <= 'z' ? line[i] - 32 : line[i]);
		if (write(1, line, (size_t)n) != n)
			_exit(1);
	}
	_exit(0);
}

static int tty_make(void)
{
	struct winsize w = { .ws_row = 33, .ws_col = 111 };
	struct termios t;

	NEED(openpty(&master, &slave, NULL, NULL, &w) == 0, "openpty");
	NEED(tcgetattr(slave, &t) == 0, "tcgetattr");
	t.c_lflag &= ~(tcflag_t)ECHO;
	t.c_oflag &= ~(tcflag_t)OPOST;
	t.c_cc[VINTR] = 7;
	NEED(tcsetattr(slave, TCSANOW, &t) == 0, "tcsetattr");
	shell = fork();
	if (shell == 0) {
		close(master);
		if (login_tty(slave) < 0)
			_exit(1);
		answer();
	}
	return expect_text(master, "hello\n", "the terminal");
}

static int tty_check(void)
{
	struct winsize w = { 0 };
	struct termios t;
	pid_t group;

	if (through(master, master, "\n", "an empty line") < 0)
		return -1;
	NEED(write(master, "shout\n", 6) == 6, "write");
	if (expect_text(master, "SHOUT\n", "the terminal") < 0)
		return -1;
	NEED(ioctl(master, TIOCGWINSZ, &w) == 0 && w.ws_row == 33 && w.ws_col == 111, "its size is %dx%d",
	     w.ws_row, w.ws_col);
	NEED(tcgetattr(slave, &t) == 0 && !(t.c_lflag & ECHO) && t.c_cc[VINTR] == 7, "its settings");
	NEED(ioctl(master, TIOCGPGRP, &group) == 0 && group == shell, "its foreground group is %d, not %d",
	     (int)group, (int)shell);
	NEED(getsid(shell) == shell, "the session is %d", (int)getsid(shell));
	w.ws_row = 34;
	NEED(ioctl(master, TIOCSWINSZ, &w) == 0, "TIOCSWINSZ");
	if (expect_text(master, "size 34\n", "SIGWINCH") < 0)
		return -1;
	w.ws_row = 33;
	NEED(ioctl(master, TIOCSWINSZ, &w) == 0, "TIOCSWINSZ");
	return expect_text(master, "size 33\n", "SIGWINCH");
}

const struct animal zoo_tty[] = {
	{ "pty", tty_make, tty_check },
	{ NULL, NULL, NULL },
};
