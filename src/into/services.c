// SPDX-License-Identifier: MIT
/*
 * The services of -S: stopped by a shell on the source that keeps them, and starts
 * them again when it is told to, when its stdin ends, or when it hears nothing for some
 * time.  So they come back when pmigrate ends, is killed, or the link breaks: a cut
 * link ends nothing, it is only silent.  When they came back by themselves, the copy is
 * not of one moment, and the migration fails.
 *
 *	here			there
 *	names		->	idle NAME, stopped NAME …, ready
 *	beat, beat …		(late, and as after start)
 *	start		->	started NAME, failed NAME …, done
 *	give		->	given: the services stay stopped, and a second later its
 *				addresses are gone
 */
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/own.h"
#include "into/into.h"

enum {
	ASK_MS = 60000,
	STOP_MS = 300000,
	START_MS = 300000,
	LINE_MAX_BYTES = 1024,
	/* of silence: between these, and not longer than -t */
	SILENCE_MIN_S = 5,
	SILENCE_MAX_S = 60,
	BEATS = 5, /* in the time of silence */
};

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

/*
 * $1: seconds of silence; $2: addresses to be given up, if so; the rest: services.  Only
 * those that run are stopped, and started again.  Every sh runs traps at once in wait, so
 * that is where it waits; a shell of its own reads.  An interface without further
 * addresses is shut, so that nothing there gets them back; a reboot does.
 */
static const char keeper[] =
	"trap '' HUP INT TERM PIPE\n"
	SHELL_FUNCTIONS
	"runs() {\n"
	"	if [ -d /run/systemd/system ]; then systemctl -q is-active \"$1\"; return; fi\n"
	"	act status \"$1\" >/dev/null 2>&1\n"
	"	case $? in 3 | 4) return 1 ;; esac\n"
	"	return 0\n"
	"}\n"
	"give() {\n"
	"	for a in $addresses; do\n"
	"		ip -o addr show to \"$a\" | while read -r n dev x; do\n"
	"			f=/proc/sys/net/ipv4/conf/$dev/promote_secondaries\n"
	"			[ ! -e \"$f\" ] || echo 1 >\"$f\"\n"
	"			ip addr flush dev \"$dev\" to \"$a\"\n"
	"			[ -n \"$(ip -o addr show dev \"$dev\" scope global)\" ] || ip link set dev \"$dev\" down\n"
	"		done\n"
	"	done\n"
	"}\n"
	"limit=$1 addresses=$2 kept= end=\n"
	"shift 2\n"
	"trap 'left=$limit' USR1\n"
	"trap 'end=start' USR2\n"
	"trap 'end=give' ALRM\n"
	"for s; do\n"
	"	if ! runs \"$s\"; then echo \"idle $s\"; continue; fi\n"
	"	kept=\"$s $kept\"\n"
	"	if act stop \"$s\" >/dev/null 2>&1 </dev/null; then echo \"stopped $s\"\n"
	"	else echo \"failed $s\"; fi\n"
	"done\n"
	"echo ready\n"
	"left=$limit\n"
	"exec 3<&0\n"
	"(\n"
	"	while read -r x; do\n"
	"		case $x in start) break ;; give) kill -ALRM $$; exit ;; *) kill -USR1 $$ ;; esac\n"
	"	done\n"
	"	kill -USR2 $$\n"
	") <&3 >/dev/null 2>&1 &\n"
	"reader=$!\n"
	"while [ -z \"$end\" ]; do\n"
	"	if [ \"$left\" -le 0 ]; then echo late; break; fi\n"
	"	left=$((left - 1))\n"
	"	sleep 1 >/dev/null 2>&1 & wait $!\n"
	"done\n"
	"kill -KILL $reader 2>/dev/null\n"
	"if [ \"$end\" = give ]; then\n"
	"	(sleep 1; give) </dev/null >/dev/null 2>&1 3<&- &\n"
	"	echo given\n"
	"	exit 0\n"
	"fi\n"
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
	int code = 0;

	if (n->job->take_addresses && !n->image) {
		if (!n->plan.addresses.n) {
			err_set(e, ERR_USAGE, "no address of %s is known", n->source);
			return err_hint(e, "--take-addresses needs IP_ADDRESS in the file of -c");
		}
		if (into_ssh_run(&n->ssh, "command -v ip", NULL, SPAWN_NULL, 4096, ASK_MS, NULL,
				 &code, e) < 0)
			return -1;
		if (code != 0) {
			err_set(e, ERR_UNSUPPORTED, "%s has no program ip", n->source);
			return err_hint(e, "--take-addresses cannot take them away without it");
		}
	}
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

static int silence_s(const struct into *n)
{
	int s = n->job->link.timeout_ms / 1000;

	return s < SILENCE_MIN_S ? SILENCE_MIN_S : s > SILENCE_MAX_S ? SILENCE_MAX_S : s;
}

int into_services_stop(struct into *n, struct err *e)
{
	uint64_t deadline = clock_deadline(STOP_MS);
	own_free char *addresses = n->job->take_addresses && n->plan.addresses.n ?
					   strv_join(&n->plan.addresses, " ") :
					   xstrdup("");
	own_strv struct strv args = STRV_INIT;
	char line[LINE_MAX_BYTES];
	const char *name;

	strv_addf(&args, "%d", silence_s(n));
	strv_add(&args, addresses);
	strv_addv(&args, (const char *const *)n->job->srvstop.item);
	if (into_ssh_start(&n->ssh, keeper, (const char *const *)args.item, &n->keeper, e) < 0)
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
	n->beat_ns = clock_ns();
	return 0;
}

void into_services_beat(struct into *n)
{
	uint64_t now = clock_ns();

	if (n->keeper.pid <= 0 ||
	    now - n->beat_ns < (uint64_t)silence_s(n) * 1000000000 / BEATS)
		return;
	n->beat_ns = now;
	if (write_all(n->keeper.in, "beat\n", 5) < 0)
		log_debug("the keeper of the services does not listen any more");
}

/* They came back by themselves, nobody knows since when. */
static int was_late(struct into *n, struct err *e)
{
	err_set(e, ERR_LINK, "the link to %s was silent for so long (%d s) that its services went on "
			     "before all was copied", n->source, silence_s(n));
	return err_hint(e, "the same command sends what is missing; -t sets the time, up to %d s",
			SILENCE_MAX_S);
}

int into_services_start(struct into *n, struct strv *failed, struct err *e)
{
	uint64_t deadline = clock_deadline(START_MS);
	char line[LINE_MAX_BYTES];
	bool late = false;
	int ret = 0;

	if (n->keeper.pid <= 0)
		return 0;
	if (write_all(n->keeper.in, "start\n", 6) < 0)
		log_debug("the keeper of the services does not listen any more");
	close_fd(&n->keeper.in);
	while ((ret = read_line(&n->keeper, deadline, line, e)) == 0) {
		if (!strcmp(line, "done"))
			break;
		if (!strcmp(line, "late"))
			late = true;
		else if (!strncmp(line, "failed ", 7))
			strv_add(failed, line + 7);
		else if (!strncmp(line, "started ", 8))
			event_decision(n->ev, "%s on %s: started again", line + 8, n->source);
	}
	child_fini(&n->keeper);
	if (ret == 0)
		return late ? was_late(n, e) : 0;
	err_wrap(e, "starting the services on %s again", n->source);
	return err_hint(e, "they start by themselves when the connection is gone; look");
}

int into_services_give(struct into *n, struct err *e)
{
	uint64_t deadline = clock_deadline(ASK_MS);
	char line[LINE_MAX_BYTES] = "";

	if (write_all(n->keeper.in, "give\n", 5) < 0)
		return err_sys(e, "cannot reach the services of %s", n->source);
	while (strcmp(line, "given") != 0) {
		if (read_line(&n->keeper, deadline, line, e) < 0)
			return err_wrap(e, "taking the addresses of %s", n->source);
		if (!strcmp(line, "late"))
			return was_late(n, e);
	}
	child_fini(&n->keeper);
	return 0;
}
