// SPDX-License-Identifier: MIT
#include "engine/vz/run/boot.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/own.h"
#include "base/spawn.h"
#include "engine/vz/run/run.h"
#include "engine/vz/run/runc.h"

enum { ASK_MS = 20000, TEXT_MAX = 256 << 10, PAUSE_MS = 200, NAME_MAX_BYTES = 256, WHY_MAX_BYTES = 240 };

/*
 * For a shell of any age inside.  $1 "last": the last question, also about a start that goes
 * on.  The line of a unit's log is its own if it said anything, else systemd's about it; an
 * old systemd has no invocation ids.  systemctl marks a failed unit by a dot of its own.
 */
static const char ask[] =
	"t='	' LC_ALL=C; export LC_ALL\n"
	"log() { journalctl -q --no-pager -o cat -n 1 \"$@\" 2>/dev/null | tail -n 1; }\n"
	"said() {\n"
	"	i=$(systemctl show -p InvocationID \"$1\" 2>/dev/null); i=${i#InvocationID=} l=\n"
	"	if [ -n \"$i\" ]; then\n"
	"		l=$(log \"_SYSTEMD_INVOCATION_ID=$i\")\n"
	"		[ -n \"$l\" ] || l=$(log \"INVOCATION_ID=$i\")\n"
	"	fi\n"
	"	[ -n \"$l\" ] || l=$(log -b \"_SYSTEMD_UNIT=$1\")\n"
	"	echo \"$l\" | tr -d '\\t'\n"
	"}\n"
	/* OpenRC forgets what failed when it goes on to the next runlevel. */
	"not_started() {\n"
	"	for u in /etc/runlevels/sysinit/* /etc/runlevels/boot/* \"/etc/runlevels/$1\"/*; do\n"
	"		[ -e \"$u\" ] || continue\n"
	"		u=${u##*/}\n"
	"		if [ -h \"/run/openrc/started/$u\" ] || [ -h \"/run/openrc/inactive/$u\" ]; then continue; fi\n"
	"		echo \"unit$t$u$t${t}0$t\"\n"
	"	done\n"
	"}\n"
	"if [ -d /run/systemd/system ]; then\n"
	"	s=$(systemctl is-system-running 2>/dev/null)\n"
	"	echo \"state$t$s\"\n"
	"	case $s in\n"
	"	running) exit 0 ;;\n"
	"	initializing | starting | '')\n"
	"		[ \"$1\" = last ] || exit 0\n"
	"		systemctl list-jobs --no-legend --no-pager --full 2>/dev/null | grep 'running *$' | while read -r n u x; do\n"
	"			echo \"unit$t$u$t${t}0$t\"\n"
	"		done ;;\n"
	"	esac\n"
	"	systemctl list-units --state=failed --no-legend --no-pager --full 2>/dev/null | while read -r a b x; do\n"
	"		case $a in *.*) u=$a ;; *) u=$b ;; esac\n"
	"		r=$(systemctl show -p Result \"$u\" 2>/dev/null) m=$(systemctl show -p ExecMainStatus \"$u\" 2>/dev/null)\n"
	"		echo \"unit$t$u$t${r#Result=}$t${m#ExecMainStatus=}$t$(said \"$u\")\"\n"
	"	done\n"
	"elif [ -d /run/openrc ] || { [ -x /sbin/openrc ] &&\n"
	"	{ grep -q '^[^#]*openrc' /etc/inittab || readlink /sbin/init | grep -q openrc; } 2>/dev/null; }; then\n"
	"	s=; [ ! -e /run/openrc/softlevel ] || read -r s </run/openrc/softlevel\n"
	"	[ ! -d /run/openrc/rc.starting ] || s=\n"
	"	u=$(not_started \"${s:-default}\")\n"
	"	case $s in\n"
	"	sysinit | boot | '') echo \"state${t}starting\"; [ \"$1\" = last ] || exit 0 ;;\n"
	"	*) [ -n \"$u\" ] && echo \"state${t}degraded\" || echo \"state${t}running\" ;;\n"
	"	esac\n"
	"	echo \"$u\"\n"
	"fi\n"
	"exit 0\n";

void vz_boot_fini(struct vz_boot *b)
{
	for (size_t i = 0; i < b->n; i++) {
		free(b->unit[i].name);
		free(b->unit[i].why);
	}
	free(b->unit);
	free(b->state);
	*b = (struct vz_boot)VZ_BOOT_INIT;
}

/* What may stand in a terminal and a log, of at most so many bytes. */
static char *shown(const char *text, size_t max)
{
	char *copy = xstrndup(text, max);

	for (char *p = copy; *p; p++)
		*p = iscntrl((unsigned char)*p) ? '?' : *p;
	return copy;
}

/* "exit-code 32: mount: …"; any of the parts may be missing. */
static char *reason(const char *result, const char *status, const char *line)
{
	bool exited = !strcmp(result, "exit-code") && *status && strcmp(status, "0") != 0;
	own_free char *text = xasprintf("%s%s%s%s%s", result, exited ? " " : "", exited ? status : "",
					*result && *line ? ": " : "", line);

	return shown(text, WHY_MAX_BYTES);
}

static void take_unit(struct vz_boot *b, char *rest)
{
	char *name = strsep(&rest, "\t"), *result = strsep(&rest, "\t"), *status = strsep(&rest, "\t");

	if (!result || !status || !rest || !*name)
		return;
	if (b->n == VZ_BOOT_UNITS) {
		b->left_out++;
		return;
	}
	b->unit = xrealloc(b->unit, (b->n + 1) * sizeof(*b->unit));
	b->unit[b->n].name = shown(name, NAME_MAX_BYTES);
	b->unit[b->n].why = reason(result, status, rest);
	b->n++;
}

void vz_boot_parse(struct vz_boot *out, const char *text)
{
	own_free char *copy = xstrdup(text);
	char *rest = copy, *line;

	vz_boot_fini(out);
	while ((line = strsep(&rest, "\n"))) {
		char *key = strsep(&line, "\t");

		if (!line)
			continue;
		if (!strcmp(key, "state") && !out->state)
			out->state = shown(line, 32);
		else if (!strcmp(key, "unit"))
			take_unit(out, line);
	}
	if (!out->state)
		out->state = xstrdup("");
}

bool vz_boot_goes_on(const struct vz_boot *b)
{
	return !strcmp(b->state, "starting") || !strcmp(b->state, "initializing");
}

/* systemd cannot be asked in the first moments of its own start. */
static bool is_early(const struct vz_boot *b, enum vz_init_kind kind)
{
	return kind == VZ_INIT_SYSTEMD && (!*b->state || !strcmp(b->state, "unknown") ||
					   !strcmp(b->state, "offline"));
}

static int ask_inside(const struct ct *ct, bool last, struct vz_boot *out, struct err *e)
{
	own_strv struct strv argv = STRV_INIT;
	own_free char *text = NULL;
	enum ct_state state;
	int code = 0;

	runc_exec_argv(&argv, ct->id, NULL);
	strv_addv(&argv, spawn_argv("/bin/sh", "-c", ask, "sh", last ? "last" : ""));
	if (spawn_read((const char *const *)argv.item, NULL, TEXT_MAX, ASK_MS, &text, &code, e) < 0)
		return -1;
	vz_boot_parse(out, text);
	if (code == 0)
		return 0;
	if (vz_state(ct, &state, e) < 0)
		return -1;
	if (state != CT_RUNNING)
		return err_set(e, ERR_START, "container %s was started and is %s now", ct->id,
			       ct_state_word(state));
	return err_set(e, ERR_CHILD, "container %s runs, but no shell in it", ct->id);
}

int vz_boot_wait(const struct ct *ct, int timeout_ms, struct vz_boot *out, struct err *e)
{
	uint64_t until = clock_deadline(timeout_ms);
	own_vz struct vz v = VZ_INIT;
	struct err why = ERR_INIT;
	struct vz_init init;
	enum vz_init_kind kind;

	*out = (struct vz_boot)VZ_BOOT_INIT;
	if (vz_open(&v, ct->id, e) < 0 || vz_init_find(&v, &init, e) < 0)
		return -1;
	kind = init.kind;
	vz_init_fini(&init);
	if (kind == VZ_INIT_SERVICE) {
		out->state = xstrdup("");
		return 0;
	}
	for (;;) {
		bool last = clock_left_ms(until) == 0;

		if (ask_inside(ct, last, out, &why) < 0) {
			if (kind == VZ_INIT_OTHER && why.code == ERR_CHILD)
				return 0; /* no shell: all there is to know is that it runs */
			/* On a busy server an answer may take so long: it is still starting. */
			if (why.code != ERR_TIMEOUT) {
				*e = why;
				return -1;
			}
			why = (struct err)ERR_INIT;
			free(out->state);
			out->state = xstrdup("starting");
		}
		if (!vz_boot_goes_on(out) && !is_early(out, kind))
			return 0;
		if (last)
			break;
		clock_sleep_ms(PAUSE_MS);
	}
	if (is_early(out, kind)) {
		free(out->state);
		out->state = xstrdup("starting");
	}
	return 0;
}
