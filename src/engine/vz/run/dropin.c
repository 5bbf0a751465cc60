// SPDX-License-Identifier: MIT
/*
 * engine/vz/run/dropin.c - what systemd in a container of the live profile must be told, written
 * into its /run, which is memory: the user's tree is not touched, and it moves along.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/own.h"
#include "base/path.h"
#include "engine/vz/run/run.h"

#define OURS "10-pmigrate-live.conf"
#define OURS_OF_UNIT "11-pmigrate-live.conf" /* of the same name it would hide that of all */

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

static bool is_yes(const char *value)
{
	return *value && strchr("yYtT1", *value);
}

static bool is_disconnected(const char *value)
{
	return strncmp(value, "disconnected", 12) == 0;
}

/* The same for single units: those that ask for the one get the other. */
static const struct asked {
	const char *key;
	bool (*value)(const char *value); /* the one that is meant */
	const char *text;
} asked[] = {
	/* systemd >= 257 gives such units parts of a tmpfs that is mounted nowhere as /tmp and
	 * /var/tmp. Cost: none, its /tmp is still its own, on the container's disk. */
	{ "DynamicUser=", is_yes, "# by pmigrate: a part of an unmounted tmpfs cannot be moved live\n"
				  "[Service]\nPrivateTmp=yes\n" },
	{ "PrivateTmp=", is_disconnected, "# by pmigrate: a part of an unmounted tmpfs cannot be moved live\n"
					  "[Service]\nPrivateTmp=yes\n" },
	/* Cost: it sees the container's processes. */
	{ "PrivatePIDs=", is_yes, "# by pmigrate: nested process namespaces cannot be moved live\n"
				  "[Service]\nPrivatePIDs=no\n" },
};

static const char *const unit_dirs[] = { "etc/systemd/system", "usr/lib/systemd/system" };

enum { UNIT_MAX = 256 << 10, UNITS_MAX = 4096 };

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

/* What this unit's file says of the key last, up to the end of the text; "" where it does not. */
static const char *last_value(const char *text, const char *key)
{
	const char *value = "";

	for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		line += strspn(line, " \t");
		if (strncmp(line, key, strlen(key)) == 0)
			value = line + strlen(key);
	}
	return value;
}

static int look_at_unit(int run, int dir, const char *name, struct err *e)
{
	own_fd int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	own_free char *text = xcalloc(1, UNIT_MAX + 1), *more = NULL;
	own_free char *place = xasprintf("systemd/system/%s.d", name);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
	    pread(fd, text, UNIT_MAX, 0) <= 0)
		return 0; /* a link to another unit's, or none */
	for (size_t i = 0; i < array_len(asked); i++) {
		char *longer;

		if (!asked[i].value(last_value(text, asked[i].key)))
			continue;
		longer = xasprintf("%s%s", more ? more : "", asked[i].text);
		free(more);
		more = longer;
	}
	return more ? write_one(run, &(struct drop_in){ place, OURS_OF_UNIT, more }, e) : 0;
}

static int look_at_units(int root, int run, const char *where, struct err *e)
{
	int fd = path_open_in_root(root, where, O_RDONLY | O_DIRECTORY, 0);
	own_dir DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	for (size_t n = 0; d && n < UNITS_MAX && (entry = readdir(d)); n++) {
		size_t len = strlen(entry->d_name);

		if (len > 8 && strcmp(entry->d_name + len - 8, ".service") == 0 &&
		    look_at_unit(run, fd, entry->d_name, e) < 0)
			return -1;
	}
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
	for (size_t i = 0; i < array_len(unit_dirs); i++) {
		if (look_at_units(root, run, unit_dirs[i], e) < 0)
			return -1;
	}
	return 0;
}
