// SPDX-License-Identifier: MIT
/*
 * The services of -S: stopped by a shell on the source that keeps them, and starts
 * them again when its stdin ends.  So they come back when pmigrate ends, is killed,
 * or the link breaks.
 */
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/own.h"
#include "move/into.h"

enum { ASK_MS = 60000, STOP_MS = 300000, START_MS = 300000, LINE_MAX_BYTES = 1024 };

/* For systemd, OpenRC, System V init, and start scripts alone. */
#define SHELL_FUNCTIONS \
	"act() {\n" \
	"	if [ -d /run/systemd/system ]; then systemctl \"$1\" \"$2\"\n" \
	"	elif command -v rc-service >/dev/null 2>&1; then rc-service \"$2\" \"$1\"\n" \
	"	elif [ -x \"/etc/init.d/$2\" ]; then \"/etc/init.d/$2\" \"$1\"\n" \
	"	elif [ -x \"/etc/rc.d/rc.$2\" ]; then \"/etc/rc.d/rc.$2\" \"$1\"\n" \
	"	elif command -v service >/dev/null 2>&1; then service \"$2\" \"$1\"\n" \
	"	else echo \"there is no way to $1 services\" >&2; return 1; fi\n" \
	"}\n" \
	"known() {\n" \
	"	if [ -d /run/systemd/system ]; then systemctl cat \"$1\" >/dev/null 2>&1\n" \
	"	else [ -x \"/etc/init.d/$1\" ] || [ -x \"/etc/rc.d/rc.$1\" ]; fi\n" \
	"}\n"

/* Prints those of $@ that are no services. */
static const char unknown[] =
	SHELL_FUNCTIONS
	"for s; do known \"$s\" || echo \"$s\"; done\n";

/* $@: names.  Only those that run are stopped, and started again. */
static const char keeper[] =
	"trap '' HUP INT TERM PIPE\n"
	SHELL_FUNCTIONS
	"runs() {\n"
	"	if [ -d /run/systemd/system ]; then systemctl -q is-active \"$1\"; return; fi\n"
	"	act status \"$1\" >/dev/null 2>&1\n"
	"	case $? in 3 | 4) return 1 ;; esac\n"
	"	return 0\n"
	"}\n"
	"kept=\n"
	"for s; do\n"
	"	if ! runs \"$s\"; then echo \"idle $s\"; continue; fi\n"
	"	kept=\"$s $kept\"\n"
	"	if act stop \"$s\" >/dev/null 2>&1 </dev/null; then echo \"stopped $s\"\n"
	"	else echo \"failed $s\"; fi\n"
	"done\n"
	"echo ready\n"
	"while read -r x; do [ \"$x\" != start ] || break; done\n"
	"for s in $kept; do\n"
	"	if act start \"$s\" >/dev/null 2>&1 </dev/null; then echo \"started $s\"\n"
	"	else echo \"failed $s\"; fi\n"
	"done\n"
	"echo done\n";

/* A line of the keeper within the time; -1 at its end. */
static int read_line(struct child *c, uint64_t deadline, char out[static LINE_MAX_BYTES],
		     struct err *e)
{
	size_t n = 0;

	for (;;) {
		struct pollfd pfd = { .fd = c->out, .events = POLLIN };
		int r = poll(&pfd, 1, clock_left_ms(deadline));
		char ch;

		if (r < 0 && errno == EINTR)
			continue;
		if (r == 0)
			return err_set(e, ERR_TIMEOUT, "the services did not answer in time");
		if (read(c->out, &ch, 1) != 1)
			return err_set(e, ERR_LINK, "the connection to the services broke");
		if (ch == '\n')
			break;
		if (n < LINE_MAX_BYTES - 1)
			out[n++] = ch;
	}
	out[n] = '\0';
	return 0;
}

/* What a service's name may be: it goes through a list of a shell. */
static int check_names(const struct strv *names, struct err *e)
{
	for (size_t i = 0; i < names->n; i++) {
		const char *s = names->item[i];

		if (s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				"0123456789_.@:+-")] ||
		    s[0] == '-' || s[0] == '.')
			return err_set(e, ERR_USAGE, "--srvstop '%s' is no service's name", s);
		if (!strcmp(s, "sshd") || !strcmp(s, "ssh") || !strcmp(s, "ssh.service") ||
		    !strcmp(s, "sshd.service")) {
			err_set(e, ERR_USAGE, "--srvstop %s would end the migration itself", s);
			return err_hint(e, "the files are read through ssh");
		}
	}
	return 0;
}

int into_services_check(struct into *n, struct err *e)
{
	own_strv struct strv missing = STRV_INIT;
	own_free char *text = NULL, *names = NULL;

	if (!n->job->srvstop.n)
		return 0;
	if (check_names(&n->job->srvstop, e) < 0 ||
	    into_ssh_run(&n->ssh, unknown, (const char *const *)n->job->srvstop.item, SPAWN_NULL,
			 65536, ASK_MS, &text, NULL, e) < 0)
		return -1;
	strv_split(&missing, text, " \n");
	if (!missing.n)
		return 0;
	names = strv_join(&missing, " ");
	err_set(e, ERR_ABSENT, "%s has no service %s", n->source, names);
	return err_hint(e, "correct -S, or leave it out");
}

int into_services_stop(struct into *n, struct err *e)
{
	uint64_t deadline = clock_deadline(STOP_MS);
	char line[LINE_MAX_BYTES];
	const char *name;

	if (into_ssh_start(&n->ssh, keeper, (const char *const *)n->job->srvstop.item,
			   &n->keeper, e) < 0)
		return -1;
	for (;;) {
		if (read_line(&n->keeper, deadline, line, e) < 0)
			return err_wrap(e, "stopping services on %s", n->source);
		if (!strcmp(line, "ready"))
			break;
		name = strchr(line, ' ') ? strchr(line, ' ') + 1 : "";
		if (!strncmp(line, "failed ", 7))
			return err_set(e, ERR_STOP, "the service %s on %s does not stop", name,
				       n->source);
		event_decision(n->ev, "%s on %s: %s", name, n->source,
			       line[0] == 'i' ? "was not running" : "stopped");
	}
	return 0;
}

int into_services_start(struct into *n, struct err *e)
{
	uint64_t deadline = clock_deadline(START_MS);
	own_strv struct strv failed = STRV_INIT;
	char line[LINE_MAX_BYTES];
	int ret = 0;

	if (n->keeper.pid <= 0)
		return 0;
	if (write_all(n->keeper.in, "start\n", 6) < 0)
		log_debug("the keeper of the services does not listen any more");
	close_fd(&n->keeper.in);
	while (ret == 0 && (ret = read_line(&n->keeper, deadline, line, e)) == 0) {
		if (!strcmp(line, "done"))
			break;
		if (!strncmp(line, "failed ", 7))
			strv_add(&failed, line + 7);
		else if (!strncmp(line, "started ", 8))
			event_decision(n->ev, "%s on %s: started again", line + 8, n->source);
	}
	child_fini(&n->keeper);
	if (ret < 0) {
		err_wrap(e, "starting the services on %s again", n->source);
		return err_hint(e, "they start by themselves when the connection is gone; look");
	}
	if (failed.n) {
		own_free char *names = strv_join(&failed, " ");

		return err_set(e, ERR_START, "on %s these services do not start again: %s",
			       n->source, names);
	}
	return 0;
}
