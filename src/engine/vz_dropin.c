// SPDX-License-Identifier: MIT
/*
 * engine/vz_dropin.c - what systemd in a container of the live profile must be told, written
 * into its /run, which is memory: the user's tree is not touched, and it moves along.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/own.h"
#include "base/path.h"
#include "engine/vz_run.h"

#define OURS "10-pmigrate-live.conf"

static const struct drop_in {
	const char *dir, *file;
	const char *text; /* NULL: a link to /dev/null, which masks the unit */
} drop_ins[] = {
	/* A restored descriptor of a pressure file has lost its trigger. Cost: none of the
	 * services gives memory back under pressure by itself. */
	{ "systemd/system.conf.d", OURS, "# by pmigrate: pressure triggers cannot be moved live\n"
					 "[Manager]\nDefaultMemoryPressureWatch=off\n" },
	/* Nested user namespaces cannot be dumped, and a unit that asks for one fails when it
	 * is refused (Debian 13's redis-server does). Cost: these services share the
	 * container's users. A drop-in of the unit's own still has the last word. */
	{ "systemd/system/service.d", OURS, "# by pmigrate: nested user namespaces cannot be moved live\n"
					    "[Service]\nPrivateUsers=no\n" },
	/* Files on a hugetlbfs are lost by CRIU. Cost: no /dev/hugepages; MAP_HUGETLB works. */
	{ "systemd/system", "dev-hugepages.mount", NULL },
};

/* Goes down one directory, making it first. */
static int enter(int *dir, const char *name, struct err *e)
{
	int next;

	if (mkdirat(*dir, name, 0755) < 0 && errno != EEXIST)
		return err_sys(e, "cannot make %s in the container", name);
	next = path_open_beneath(*dir, name, O_RDONLY | O_DIRECTORY, 0);
	if (next < 0)
		return err_sys(e, "cannot open %s in the container", name);
	close_fd(dir);
	*dir = next;
	return 0;
}

static int write_one(int run, const struct drop_in *d, struct err *e)
{
	own_fd int dir = fcntl(run, F_DUPFD_CLOEXEC, 3), file = -1;
	own_strv struct strv names = STRV_INIT;

	strv_split(&names, d->dir, "/");
	for (size_t i = 0; i < names.n; i++) {
		if (enter(&dir, names.item[i], e) < 0)
			return -1;
	}
	if (!d->text) {
		if (symlinkat("/dev/null", dir, d->file) < 0 && errno != EEXIST)
			return err_sys(e, "cannot mask %s in the container", d->file);
		return 0;
	}
	file = openat(dir, d->file, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (file < 0 || write_all(file, d->text, strlen(d->text)) < 0)
		return err_sys(e, "cannot write /run/%s in the container", d->dir);
	return 0;
}

int vz_live_drop_in(int root, struct err *e)
{
	own_fd int run = path_open_beneath(root, "run", O_RDONLY | O_DIRECTORY, 0);

	if (run < 0)
		return err_sys(e, "cannot open /run in the container");
	for (size_t i = 0; i < array_len(drop_ins); i++) {
		if (write_one(run, &drop_ins[i], e) < 0)
			return -1;
	}
	return 0;
}
