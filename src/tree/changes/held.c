// SPDX-License-Identifier: MIT
#include "tree/changes/held.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mountinfo.h"
#include "base/own.h"

enum { MAPS_MAX = 256 << 20 };

void held_fini(struct held *h)
{
	free(h->v);
	*h = (struct held)HELD_INIT;
}

int held_open(const struct held_file *f)
{
	char path[96];

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)f->pid, f->at);
	return open(path, O_PATH | O_CLOEXEC);
}

/* `name` in `dir`, which is /proc/PID/SUB. */
static void add(struct held *h, pid_t pid, int dir, const char *sub, const char *name,
		enum held_how how)
{
	struct held_file *f;
	struct stat st;

	/* A file without any name left is CRIU's. */
	if (fstatat(dir, name, &st, 0) < 0 || !S_ISREG(st.st_mode) || !st.st_nlink)
		return;
	if ((h->n & (h->n - 1)) == 0)
		h->v = xrealloc(h->v, (h->n ? h->n * 2 : 1) * sizeof(*h->v));
	f = &h->v[h->n++];
	*f = (struct held_file){ .ctime_s = st.st_ctim.tv_sec, .how = how, .pid = pid };
	f->id.dev = (uint64_t)major(st.st_dev) << 32 | minor(st.st_dev);
	f->id.ino = st.st_ino;
	snprintf(f->at, sizeof(f->at), "%s/%s", sub, name);
}

/* The link's mode is that of the open file (proc(5)): without a right to write nobody can make the mapping
 * writable. */
static bool may_write(int dir, const char *range)
{
	struct stat st;

	return fstatat(dir, range, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_mode & S_IWUSR;
}

static int look_at_maps(struct held *h, pid_t pid, struct err *e)
{
	own_free char *maps = NULL;
	char path[64], *save = NULL;
	struct err why = ERR_INIT;
	own_fd int dir = -1;

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	errno = 0;
	if (file_read(AT_FDCWD, path, MAPS_MAX, &maps, NULL, &why) < 0) {
		if (errno == ENOENT || errno == ESRCH)
			return 0; /* it has ended */
		*e = why;
		return -1;
	}
	for (char *line = strtok_r(maps, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char range[40], perms[8];
		unsigned long long ino;

		if (sscanf(line, "%39s %7s %*s %*s %llu", range, perms, &ino) != 3 || !ino ||
		    perms[3] != 's')
			continue;
		snprintf(path, sizeof(path), "/proc/%d/map_files", (int)pid);
		if (dir < 0)
			dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (dir >= 0 && may_write(dir, range))
			add(h, pid, dir, "map_files", range,
			    perms[1] == 'w' ? HELD_WRITABLE : HELD_MAPPED);
	}
	return 0;
}

static void look_at_fds(struct held *h, pid_t pid)
{
	own_dir DIR *d = NULL;
	struct dirent *de;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	d = opendir(path);
	while (d && (de = readdir(d)))
		if (de->d_type == DT_LNK)
			add(h, pid, dirfd(d), "fd", de->d_name, HELD_OPEN);
}

bool held_overlays_are_seen(const char *release)
{
	unsigned major = 0, minor = 0;

	return sscanf(release, "%u.%u", &major, &minor) == 2 &&
	       (major > 6 || (major == 6 && minor >= 5));
}

bool held_has_overlay(char *mountinfo)
{
	struct mountinfo m;

	while (mountinfo_next(&mountinfo, &m, NULL) > 0)
		if (!strcmp(m.type, "overlay") && strstr(m.super, "upperdir="))
			return true;
	return false;
}

/* Once a mount namespace: processes of one mostly follow each other. */
static void look_at_mounts(struct held *h, pid_t pid)
{
	own_free char *info = NULL;
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d/ns/mnt", (int)pid);
	if (h->unseen_overlay || stat(path, &st) < 0 || st.st_ino == h->mnt_ns)
		return;
	h->mnt_ns = st.st_ino;
	snprintf(path, sizeof(path), "/proc/%d/mountinfo", (int)pid);
	if (file_read(AT_FDCWD, path, MAPS_MAX, &info, NULL, NULL) == 0)
		h->unseen_overlay = held_has_overlay(info);
}

int held_look(struct held *h, const pid_t *pids, size_t n, struct err *e)
{
	struct utsname u;
	bool seen = uname(&u) == 0 && held_overlays_are_seen(u.release);

	for (size_t i = 0; i < n; i++) {
		if (!seen)
			look_at_mounts(h, pids[i]);
		if (look_at_maps(h, pids[i], e) < 0)
			return -1;
		look_at_fds(h, pids[i]);
	}
	return 0;
}
