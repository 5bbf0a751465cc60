// SPDX-License-Identifier: MIT
/* Groups: where they are, making, removing, emptying.  Limits: cgroup_limit.c. */
#include "host/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mountinfo.h"
#include "base/own.h"

#define CGROUP_TOP "/sys/fs/cgroup"

enum { KILL_PATIENCE_MS = 20000, PROCS_MAX_BYTES = 16 << 20 };

bool cgroup_is_v2(void)
{
	struct statfs fs;

	return statfs(CGROUP_TOP, &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC;
}

/* Every line of mountinfo that is a cgroup mount below /sys/fs/cgroup: fn(mount point,
 * super options, is it v2) until it returns not 0. */
static int each_mount(int (*fn)(void *arg, const char *at, const char *options, bool v2),
		      void *arg, struct err *e)
{
	own_free char *info = NULL;
	struct mountinfo m;
	char *rest;
	int ret, stop = 0;

	if (file_read(AT_FDCWD, "/proc/self/mountinfo", 64u << 20, &info, NULL, e) < 0)
		return -1;
	for (rest = info; !stop && (ret = mountinfo_next(&rest, &m, e)) != 0;) {
		if (ret < 0)
			return -1;
		if (strncmp(m.type, "cgroup", 6) == 0 && strncmp(m.at, CGROUP_TOP, strlen(CGROUP_TOP)) == 0)
			stop = fn(arg, m.at, m.super, strcmp(m.type, "cgroup2") == 0);
	}
	return stop;
}

static int add_mount(void *arg, const char *at, const char *options, bool v2)
{
	struct strv *list = arg;

	(void)options;
	(void)v2;
	if (!strv_has(list, at))
		strv_add(list, at);
	return 0;
}

int cgroup_mounts(struct strv *list, struct err *e)
{
	if (each_mount(add_mount, list, e) < 0)
		return -1;
	return list->n ? 0 : err_set(e, ERR_UNSUPPORTED, "no cgroups are mounted on " CGROUP_TOP);
}

struct wanted {
	const char *controller;
	char *at; /* out */
};

static int match_mount(void *arg, const char *at, const char *options, bool v2)
{
	struct wanted *w = arg;
	own_strv struct strv words = STRV_INIT;

	strv_split(&words, options, ",");
	if (v2 ? *w->controller && strcmp(at, CGROUP_TOP) != 0 : !strv_has(&words, w->controller))
		return 0;
	w->at = xstrdup(at);
	return 1;
}

char *cgroup_dir(const char *controller, const char *path)
{
	struct wanted w = { .controller = controller };

	if (each_mount(match_mount, &w, NULL) <= 0)
		return NULL;
	own_free char *at = w.at;

	return xasprintf("%s%s", at, path);
}

/* v1's cpuset: a new group has none until somebody writes them. */
static void copy_cpuset(const char *parent, const char *dir)
{
	static const char *const files[] = { "cpuset.cpus", "cpuset.mems" };

	for (size_t i = 0; i < array_len(files); i++) {
		own_free char *from = xasprintf("%s/%s", parent, files[i]);
		own_free char *to = xasprintf("%s/%s", dir, files[i]);
		own_free char *now = NULL, *value = NULL;

		if (file_read(AT_FDCWD, to, 4096, &now, NULL, NULL) == 0 && now[0] == '\n' &&
		    file_read(AT_FDCWD, from, 4096, &value, NULL, NULL) == 0)
			file_poke(AT_FDCWD, to, value, NULL);
	}
}

/* v2: all that stand in the file `from`, one by one, since some may not be possible. */
static void switch_controllers(const char *dir, const char *from, char sign)
{
	own_free char *have = xasprintf("%s/%s", dir, from);
	own_free char *control = xasprintf("%s/cgroup.subtree_control", dir);
	own_free char *text = NULL;
	own_strv struct strv names = STRV_INIT;

	if (file_read(AT_FDCWD, have, 4096, &text, NULL, NULL) < 0)
		return;
	strv_split(&names, text, " \n");
	for (size_t i = 0; i < names.n; i++) {
		own_free char *word = xasprintf("%c%s", sign, names.item[i]);

		file_poke(AT_FDCWD, control, word, NULL);
	}
}

static int make_in(const char *top, const char *path, bool v2, struct err *e)
{
	own_free char *dir = xasprintf("%s%s", top, path);
	size_t start = strlen(top);

	for (char *p = dir + start; p;) {
		char *slash = strchr(p + 1, '/');
		own_free char *parent = xstrndup(dir, (size_t)(p - dir));

		if (slash)
			*slash = '\0';
		if (v2)
			switch_controllers(parent, "cgroup.controllers", '+');
		if (mkdir(dir, 0755) < 0 && errno != EEXIST)
			return err_sys(e, "cannot make the control group %s", dir);
		copy_cpuset(parent, dir);
		if (slash)
			*slash = '/';
		p = slash;
	}
	return 0;
}

int cgroup_make(const char *path, struct err *e)
{
	own_strv struct strv tops = STRV_INIT;
	bool v2 = cgroup_is_v2();

	if (cgroup_mounts(&tops, e) < 0)
		return -1;
	for (size_t i = 0; i < tops.n; i++) {
		if (make_in(tops.item[i], path, v2, e) < 0)
			return -1;
	}
	return 0;
}

void cgroup_undelegate(const char *path)
{
	own_free char *dir = cgroup_dir("", path);

	if (dir)
		switch_controllers(dir, "cgroup.subtree_control", '-');
}

/* A group below `dir`: a descriptor, or -1 at the end and for what is none. */
static int open_below(int dir, const struct dirent *de)
{
	if (de->d_type != DT_DIR || de->d_name[0] == '.')
		return -1;
	return openat(dir, de->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* A directory stream of its own on `fd`. */
static DIR *list_groups(int fd)
{
	int own = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = own < 0 ? NULL : fdopendir(own);

	if (!d && own >= 0)
		close(own);
	return d;
}

/* Directories only: the files of a group go with it.  As deep as whoever is inside made them. */
static int remove_below(int fd)
{
	own_dir DIR *d = list_groups(fd);
	struct dirent *de;

	while (d && (de = readdir(d))) {
		own_fd int sub = open_below(fd, de);

		if (sub >= 0 && (remove_below(sub) < 0 || (unlinkat(fd, de->d_name, AT_REMOVEDIR) < 0 && errno != ENOENT)))
			return -1;
	}
	return d ? 0 : -1;
}

static int remove_dir(const char *dir)
{
	own_fd int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0 && remove_below(fd) < 0)
		return -1;
	return rmdir(dir) < 0 && errno != ENOENT ? -1 : 0;
}

int cgroup_remove(const char *path, struct err *e)
{
	own_strv struct strv tops = STRV_INIT;

	if (cgroup_mounts(&tops, e) < 0)
		return -1;
	for (size_t i = 0; i < tops.n; i++) {
		own_free char *dir = xasprintf("%s%s", tops.item[i], path);
		uint64_t until = clock_deadline(2000);

		/* a dying process holds its group for a moment */
		while (remove_dir(dir) < 0) {
			if (errno != EBUSY || clock_left_ms(until) == 0)
				return err_sys(e, "cannot remove the control group %s", dir);
			clock_sleep_ms(5);
		}
	}
	return 0;
}

int cgroup_join(const char *path, int pid, struct err *e)
{
	own_strv struct strv tops = STRV_INIT;
	char text[16];

	snprintf(text, sizeof(text), "%d", pid);
	if (cgroup_mounts(&tops, e) < 0)
		return -1;
	for (size_t i = 0; i < tops.n; i++) {
		own_free char *procs = xasprintf("%s%s/cgroup.procs", tops.item[i], path);

		if (file_poke(AT_FDCWD, procs, text, e) < 0)
			return -1;
	}
	return 0;
}

static bool is_listed(const char *list, int pid)
{
	for (const char *s = list; s && *s; s = strchr(s, '\n') ? strchr(s, '\n') + 1 : NULL) {
		if (atoi(s) == pid)
			return true;
	}
	return false;
}

/* Is it still in the group, now that its number cannot become another's? */
static void kill_one(int fd, int pid)
{
	own_fd int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	own_free char *now = NULL;

	if (pidfd >= 0 && file_read(fd, "cgroup.procs", PROCS_MAX_BYTES, &now, NULL, NULL) == 0 && is_listed(now, pid))
		syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
}

/* Sends SIGKILL to all in a group and below; adds how many there were. */
static int kill_in(int fd, unsigned *n, struct err *e)
{
	own_free char *list = NULL;
	own_dir DIR *d = NULL;
	struct err why = ERR_INIT;
	struct dirent *de;
	char *save = NULL;

	/* Threaded groups list their processes at the domain's root only. */
	if (file_read(fd, "cgroup.procs", PROCS_MAX_BYTES, &list, NULL, &why) < 0 && why.sys != EOPNOTSUPP &&
	    why.sys != ENODEV && why.sys != ENOENT)
		return err_set(e, ERR_SYS, "a control group cannot be emptied: %s", why.msg);
	for (char *s = list ? strtok_r(list, "\n", &save) : NULL; s; s = strtok_r(NULL, "\n", &save)) {
		kill_one(fd, atoi(s));
		(*n)++;
	}
	d = list_groups(fd);
	if (!d)
		return errno == ENOENT ? 0 : err_sys(e, "a control group cannot be listed");
	while ((de = readdir(d))) {
		own_fd int sub = open_below(fd, de);

		if (sub < 0 && de->d_type == DT_DIR && de->d_name[0] != '.' && errno != ENOENT)
			return err_sys(e, "the control group %s cannot be opened", de->d_name);
		if (sub >= 0 && kill_in(sub, n, e) < 0)
			return -1;
	}
	return 0;
}

static void thaw(const char *path)
{
	own_free char *v1 = cgroup_dir("freezer", path);
	own_free char *v2 = cgroup_dir("", path);

	if (v1) {
		own_free char *state = xasprintf("%s/freezer.state", v1);

		file_poke(AT_FDCWD, state, "THAWED", NULL);
	}
	if (v2) {
		own_free char *freeze = xasprintf("%s/cgroup.freeze", v2);

		file_poke(AT_FDCWD, freeze, "0", NULL);
	}
}

int cgroup_kill(const char *path, struct err *e)
{
	/* one hierarchy knows them all: v2's, else any that nobody below divides */
	own_free char *dir = cgroup_dir(cgroup_is_v2() ? "" : "freezer", path);
	own_fd int fd = dir ? open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	uint64_t until = clock_deadline(KILL_PATIENCE_MS);

	if (!dir)
		return err_set(e, ERR_UNSUPPORTED, "there is no freezer control group");
	if (fd < 0)
		return errno == ENOENT ? 0 : err_sys(e, "cannot open the control group %s", dir);
	for (;;) {
		unsigned n = 0;

		file_poke(fd, "cgroup.kill", "1", NULL); /* v2, Linux 5.14: all at once */
		/* Twice before the thaw: a fork that was under way is complete after the first. */
		if (kill_in(fd, &n, e) < 0 || kill_in(fd, &n, e) < 0)
			return -1;
		if (n == 0)
			return 0;
		thaw(path);
		if (clock_left_ms(until) == 0)
			return err_set(e, ERR_STOP, "processes in %s do not die", dir);
		clock_sleep_ms(2);
	}
}
