// SPDX-License-Identifier: MIT
/*
 * engine/vz/run/init.c - what a container's first process is.
 *
 *	VE_INIT="/usr/bin/redis-server /etc/redis.conf"	a single service; words, no quoting
 *	VE_INIT_LOG="/var/log/redis.out"		its output, a file inside the container
 *	(none)						/sbin/init of the tree
 *
 * Output goes to /dev/null without VE_INIT_LOG: CRIU must find every open file inside.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/own.h"
#include "base/path.h"
#include "engine/vz/run/run.h"

void vz_init_fini(struct vz_init *i)
{
	strv_fini(&i->argv);
}

/* Where a path inside the tree really leads; NULL when nowhere. */
static char *resolve_inside(const char *tree, const char *path)
{
	own_fd int top = open(tree, O_PATH | O_DIRECTORY | O_CLOEXEC);
	own_fd int fd = top < 0 ? -1 : path_open_in_root(top, path, O_PATH, 0);
	own_free char *proc = xasprintf("/proc/self/fd/%d", fd);
	char target[PATH_MAX];
	ssize_t n = fd < 0 ? -1 : readlink(proc, target, sizeof(target) - 1);

	if (n < 0)
		return NULL;
	target[n] = '\0';
	return xstrdup(target);
}

static bool is_systemd(const char *path)
{
	const char *base = path ? strrchr(path, '/') : NULL;

	return base && strcmp(base, "/systemd") == 0;
}

static bool is_init_path(const char *path)
{
	return strcmp(path, "/sbin/init") == 0 || strcmp(path, "/init") == 0;
}

/* The shell opens the log inside and becomes the service. */
static void with_log(struct strv *argv, const char *log)
{
	struct strv wrapped = STRV_INIT;

	strv_addv(&wrapped, (const char *const[]){ "/bin/sh", "-c", "exec \"$@\" >>\"$0\" 2>&1", log,
						   NULL });
	strv_addv(&wrapped, (const char *const *)argv->item);
	strv_fini(argv);
	*argv = wrapped;
}

int vz_init_find(const struct vz *v, struct vz_init *out, struct err *e)
{
	own_free char *command = vz_value(v, "VE_INIT", ""), *log = vz_value(v, "VE_INIT_LOG", "");
	own_free char *real = NULL;

	*out = (struct vz_init){ .kind = VZ_INIT_SERVICE };
	strv_split(&out->argv, command, " \t");
	if (!out->argv.n)
		strv_add(&out->argv, "/sbin/init");
	real = resolve_inside(v->ct.private_area, out->argv.item[0]);
	if (is_systemd(real))
		out->kind = VZ_INIT_SYSTEMD;
	else if (is_init_path(out->argv.item[0]))
		out->kind = VZ_INIT_OTHER;
	if (!real) {
		err_set(e, ERR_START, "container %s has no %s", v->ct.id, out->argv.item[0]);
		err_hint(e, "set the command that it shall run: pctl set %s --init COMMAND", v->ct.id);
		vz_init_fini(out);
		return -1;
	}
	if (out->kind == VZ_INIT_SERVICE && *log)
		with_log(&out->argv, log);
	return 0;
}

bool vz_live_profile(const struct vz *v)
{
	return vz_yes(v, "LIVE_PROFILE", true);
}
