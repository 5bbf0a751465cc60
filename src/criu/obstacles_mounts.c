// SPDX-License-Identifier: MIT
/* The mounts of a container, for criu/obstacles.h. */
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/own.h"
#include "criu/obstacles_priv.h"

/* Does a mount of this file system show what `root` shows, and more?  `mounts` holds those
 * of all mount namespaces, which CRIU looks at together. */
static bool shown_by_another(const char *mounts, const char *dev, const char *root)
{
	own_free char *needle = xasprintf(" %s ", dev);

	for (const char *at = mounts; (at = strstr(at, needle)); at++) {
		const char *other = at + strlen(needle);
		size_t n = strcspn(other, " ");

		if (n == 1 && other[0] == '/')
			return true;
		if (n < strlen(root) && strncmp(other, root, n) == 0 && root[n] == '/')
			return true;
	}
	return false;
}

static void look_at_mount(struct look *l, pid_t pid, char *line)
{
	static const struct obstacle_rule partial = {
		"it shows only a part of a file system that is not in the container",
		"for DynamicUser=: pctl set ID --live-ready and restart the container, or "
		"PrivateTmp=yes in the unit; for RootDirectory=, BindPaths=: stop the unit", true
	};
	static const struct obstacle_rule socket_mount = {
		"a socket is mounted there", "stop the unit that made it (BindPaths=)", true
	};
	char *word[6] = { NULL }, *save = NULL, *dash = strstr(line, " - ");
	const struct obstacle_rule *r;
	char *type;
	struct stat st;

	if (!dash)
		return;
	*dash = '\0';
	type = strtok_r(dash + 3, " ", &save);
	for (int i = 0; i < 6; i++)
		word[i] = strtok_r(i ? NULL : line, " ", &save);
	if (!word[5] || !type)
		return;
	own_free char *object = xasprintf("mount %s (%s)", word[4], type);
	own_free char *at = xasprintf("/proc/%d/root%s", (int)pid, word[4]);

	r = obstacle_of_fs(type);
	if (r)
		obstacles_found(l, pid, r, object);
	if (strcmp(word[3], "/") != 0 && strcmp(word[4], "/") != 0 &&
	    strncmp(type, "cgroup", 6) != 0 && strcmp(type, "devtmpfs") != 0 &&
	    strcmp(word[3], "/null") != 0 && !shown_by_another(l->mounts, word[2], word[3]))
		obstacles_found(l, pid, &partial, object);
	if (lstat(at, &st) == 0 && S_ISSOCK(st.st_mode))
		obstacles_found(l, pid, &socket_mount, object);
}

/* CRIU finds the file by its handle, which a tmpfs understands only for mounts that CRIU made itself. */
void obstacles_look_at_watches(struct look *l, pid_t pid, const char *info, const char *object)
{
	static const struct obstacle_rule in_memory = {
		"it watches files of a private area that lies in memory (tmpfs)",
		"put the private area on a disk, or stop the program", true
	};
	own_free char *root = xasprintf("/proc/%d/root", (int)l->init);
	struct statfs fs;
	struct stat st;

	if (statfs(root, &fs) == 0 && fs.f_type == TMPFS_MAGIC && stat(root, &st) == 0 &&
	    obstacle_watches(info, st.st_dev))
		obstacles_found(l, pid, &in_memory, object);
}

/* Each mount namespace once; its text is kept. */
void obstacles_take_mounts(struct look *l, pid_t pid)
{
	uint64_t ino = obstacles_ns_inode(pid, "mnt");
	own_free char *text = NULL;
	char *more;

	for (size_t i = 0; i < l->n_mnt; i++) {
		if (l->mnt_seen[i].ino == ino)
			return;
	}
	text = obstacles_proc_text(pid, "mountinfo", OBSTACLES_TEXT_MAX);
	if (!ino || !text)
		return;
	l->mnt_seen = xrealloc(l->mnt_seen, (l->n_mnt + 1) * sizeof(*l->mnt_seen));
	l->mnt_seen[l->n_mnt++] = (struct mnt_ns){ .ino = ino, .pid = pid };
	more = xasprintf("%s%s\n", l->mounts, text);
	free(l->mounts);
	l->mounts = more;
}

void obstacles_look_at_mounts(struct look *l)
{
	for (size_t i = 0; i < l->n_mnt; i++) {
		pid_t pid = l->mnt_seen[i].pid;
		own_free char *text = obstacles_proc_text(pid, "mountinfo", OBSTACLES_TEXT_MAX);
		char *save = NULL, *line = text ? strtok_r(text, "\n", &save) : NULL;

		for (; line; line = strtok_r(NULL, "\n", &save))
			look_at_mount(l, pid, line);
	}
}
