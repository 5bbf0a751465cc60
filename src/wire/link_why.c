// SPDX-License-Identifier: MIT
/* wire/link_why.c - why a link did not come up, from what ssh and the other server's shell said. */
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/own.h"
#include "wire/link.h"

enum { SSH_FAILED = 255, NO_PROGRAM = 127, NO_PERMISSION = 126 };

/* "ssh -p 2222 root@b": what a person types to try it. */
static char *ssh_text(const struct where *w)
{
	own_free char *port = w->port ? xasprintf("-p %u ", w->port) : xstrdup("");

	return xasprintf("ssh %s%s%s%s", port, w->user ? w->user : "", w->user ? "@" : "", w->host);
}

/* The last line that says something. */
static void last_line(const char *tail, char *out, size_t size)
{
	size_t n = strlen(tail), begin;

	while (n && strchr("\r\n ", tail[n - 1]))
		n--;
	for (begin = n; begin && tail[begin - 1] != '\n'; begin--)
		;
	snprintf(out, size, "%.*s", (int)(n - begin), tail + begin);
	out[strcspn(out, "\r")] = '\0';
}

bool link_wants_person(int status, const char *tail)
{
	return WIFEXITED(status) && WEXITSTATUS(status) == SSH_FAILED &&
	       (strstr(tail, "Permission denied (") || strstr(tail, "Host key verification failed") ||
		strstr(tail, "Too many authentication failures"));
}

/* sudo refused, or is not there. */
static int sudo_why(const struct where *w, const char *program, const char *tail, const char *line,
		    struct err *e)
{
	const char *user = w->user ? w->user : "the user";

	if (!strstr(tail, "sudo:"))
		return 0;
	if (strstr(tail, "sudo: command not found") || strstr(tail, "sudo: not found")) {
		err_set(e, ERR_CONNECT, "%s has no sudo, so %s cannot run %s as root there", w->host, user, program);
		return err_hint(e, "log in as root, or install sudo there");
	}
	if (strstr(tail, "command not found")) {
		err_set(e, ERR_CONNECT, "sudo on %s does not find %s: %s", w->host, program, line);
		return err_hint(e, "install pmigrate there, in a directory of sudo's secure_path such as /usr/local/bin");
	}
	err_set(e, ERR_CONNECT, "%s may not run %s as root on %s: %s", user, program, w->host, line);
	return err_hint(e, "log in as root, or allow it in /etc/sudoers there: %s ALL=(root) NOPASSWD: %s",
			user, "/usr/local/bin/pmigrate");
}

/* The shell or the loader of the other server, before the program said a word. */
static int start_why(const struct where *w, const char *program, int code, const char *tail,
		     const char *line, struct err *e)
{
	if (strstr(tail, "shared libraries") || strstr(tail, "GLIBC_")) {
		err_set(e, ERR_CONNECT, "%s on %s does not start: %s", program, w->host, line);
		return err_hint(e, "install its libraries there (scripts/deps of its source tells them), or build it there");
	}
	if (code == NO_PROGRAM) {
		err_set(e, ERR_CONNECT, "%s is not installed on %s, or not in PATH there", program, w->host);
		return err_hint(e, "install pmigrate on both servers");
	}
	err_set(e, ERR_CONNECT, "%s on %s does not start (exit %d)%s%s", program, w->host, code,
		*line ? ": " : "", line);
	return code == NO_PERMISSION ? err_hint(e, "make its file executable there") :
				       err_hint(e, "see what it says there: %s --version", program);
}

int link_why(const struct where *w, const char *program, int status, const char *tail, struct err *e)
{
	own_free char *ssh = ssh_text(w);
	char line[512];

	last_line(tail, line, sizeof(line));
	if (!WIFEXITED(status)) {
		err_set(e, ERR_CONNECT, "ssh to %s was killed by signal %d", w->host, WTERMSIG(status));
		return err_hint(e, "try: %s true", ssh);
	}
	if (WEXITSTATUS(status) == SSH_FAILED) {
		err_set(e, ERR_CONNECT, "cannot reach %s%s%s", w->host, *line ? ": " : "", line);
		return err_hint(e, "try: %s true", ssh);
	}
	if (sudo_why(w, program, tail, line, e) < 0)
		return -1;
	return start_why(w, program, WEXITSTATUS(status), tail, line, e);
}
