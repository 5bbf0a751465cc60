// SPDX-License-Identifier: MIT
#include "criu/cgroups.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/own.h"

enum { PROC_MAX = 1 << 20 };

const char *cgroup_line_path(const char *text, const char *controller, size_t *len)
{
	for (const char *line = text, *next; *line; line = next) {
		const char *end = strchrnul(line, '\n');
		const char *list = memchr(line, ':', (size_t)(end - line));
		const char *path = list ? memchr(list + 1, ':', (size_t)(end - list - 1)) : NULL;

		next = *end ? end + 1 : end;
		if (!path)
			continue;
		list++;
		*len = (size_t)(end - path - 1);
		if (!controller && path == list && line[0] == '0')
			return path + 1;
		for (const char *w = list; controller && w < path;) {
			size_t n = strcspn(w, ",:");

			if (n == strlen(controller) && strncmp(w, controller, n) == 0)
				return path + 1;
			w += n + 1;
		}
	}
	return NULL;
}

/* Where a hierarchy is mounted, whole, in this mount namespace: "cgroup" with that
 * controller, or "cgroup2". */
char *cgroups_mount(const char *controller)
{
	own_free char *text = NULL;
	char *save = NULL;

	if (file_read(AT_FDCWD, "/proc/self/mounts", PROC_MAX, &text, NULL, NULL) < 0)
		return NULL;
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *word[4] = { NULL };
		char *in = NULL, *options, *o;

		for (int i = 0; i < 4; i++)
			word[i] = strtok_r(i ? NULL : line, " ", &in);
		if (!word[3])
			continue;
		if (!controller && strcmp(word[2], "cgroup2") == 0)
			return xstrdup(word[1]);
		if (!controller || strcmp(word[2], "cgroup") != 0)
			continue;
		options = word[3];
		while ((o = strsep(&options, ","))) {
			if (strcmp(o, controller) == 0)
				return xstrdup(word[1]);
		}
	}
	return NULL;
}

char *cgroups_dir(pid_t pid, const char *controller, struct err *e)
{
	own_free char *root = cgroups_mount(controller);
	own_free char *file = xasprintf("/proc/%d/cgroup", (int)pid);
	own_free char *text = NULL;
	const char *path;
	size_t len = 0;

	if (!root) {
		err_set(e, ERR_UNSUPPORTED, "the cgroup hierarchy %s is not mounted",
			controller ? controller : "cgroup2");
		return NULL;
	}
	if (file_read(AT_FDCWD, file, PROC_MAX, &text, NULL, e) < 0)
		return NULL;
	path = cgroup_line_path(text, controller, &len);
	if (!path || strncmp(path, "/..", 3) == 0) {
		err_set(e, ERR_UNSUPPORTED, "the cgroup of process %d is not visible here",
			(int)pid);
		return NULL;
	}
	return xasprintf("%s%.*s", root, len > 1 ? (int)len : 0, path);
}

int cgroups_join(pid_t pid, pid_t like, struct err *e)
{
	own_free char *file = xasprintf("/proc/%d/cgroup", (int)like);
	own_free char *number = xasprintf("%d", (int)pid);
	own_free char *text = NULL;
	char *save = NULL;

	if (file_read(AT_FDCWD, file, PROC_MAX, &text, NULL, e) < 0)
		return -1;
	for (char *l = strtok_r(text, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
		char *list = strchr(l, ':'), *path = list ? strchr(list + 1, ':') : NULL;
		own_free char *root = NULL;
		own_free char *procs = NULL;

		if (!path)
			continue;
		*path++ = '\0';
		list++;
		list[strcspn(list, ",")] = '\0';
		root = cgroups_mount(*list ? list : NULL);
		if (!root)
			continue; /* known to the kernel, mounted nowhere */
		procs = xasprintf("%s%s/cgroup.procs", root, strcmp(path, "/") ? path : "");
		if (file_poke(AT_FDCWD, procs, number, e) < 0)
			return -1;
	}
	return 0;
}

static void recall(int dirfd, const char *name)
{
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	own_dir DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	struct stat st;

	while (d && (entry = readdir(d))) {
		if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
			recall(fd, entry->d_name);
		else
			fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW);
	}
}

void cgroups_recall(pid_t pid, const char *at)
{
	own_free char *dir = xasprintf("/proc/%d/root%s", (int)pid, at);

	recall(AT_FDCWD, dir);
}
