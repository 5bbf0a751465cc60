// SPDX-License-Identifier: MIT
#include "criu/carry/mountnotes.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/own.h"
#include "criu/image/imgdir.h"

enum { MOUNTINFO_MAX = 16 << 20, IDMAPS_MAX = 1 << 20, NOBODY = 65534 };

void mountnote_fini(struct mountnote *note)
{
	free(note->text);
	free(note->m);
	*note = (struct mountnote){ .text = NULL };
}

int mountnote_read(struct mountnote *note, char *text, struct err *e)
{
	struct mountinfo m;
	char *rest = text;
	int ret;

	note->text = text;
	while ((ret = mountinfo_next(&rest, &m, e)) > 0) {
		note->m = xrealloc(note->m, (note->n + 1) * sizeof(*note->m));
		note->m[note->n++] = m;
	}
	return ret;
}

char *mountnote_path(const struct mountnote *in, const struct mountinfo *m)
{
	for (size_t i = 0; i < in->n; i++) {
		const struct mountinfo *f = &in->m[i];
		size_t n = strcmp(f->root, "/") == 0 ? 0 : strlen(f->root);

		if (f->major == m->major && f->minor == m->minor && !f->deleted &&
		    !mountinfo_has(f->options, "idmapped") && strncmp(f->root, m->root, n) == 0 &&
		    (m->root[n] == '/' || !m->root[n]))
			return xasprintf("%s%s", strcmp(f->at, "/") == 0 ? "" : f->at, m->root + n);
	}
	return NULL;
}

/* ---- idmapped mounts ---- */

static int owner(pid_t pid, const char *path, struct stat *st)
{
	own_free char *full = xasprintf("/proc/%d/root%s", (int)pid, path);

	return lstat(full, st);
}

/*
 * statmount(2) tells the map from 6.15 on; systemd maps just one user and group, those of the directory, which stat
 * tells on each kernel.
 */
int idmap_find(struct idmap *map, pid_t pid, const struct mountinfo *m, pid_t init, const struct mountnote *first,
	       struct err *e)
{
	own_free char *plain = mountnote_path(first, m);
	struct stat shown, disk;

	if (!plain || owner(pid, m->at, &shown) < 0 || owner(init, plain, &disk) < 0 || shown.st_ino != disk.st_ino ||
	    shown.st_uid == NOBODY || shown.st_gid == NOBODY)
		return err_set(e, ERR_UNSUPPORTED, "how mount %s maps its owners cannot be told", m->at);
	*map = (struct idmap){ m->id, disk.st_uid, shown.st_uid, disk.st_gid, shown.st_gid };
	return 0;
}

int idmaps_load(int images, struct idmap **out, size_t *n, struct err *e)
{
	own_free char *text = NULL;
	own_free struct idmap *list = NULL;
	struct idmap m;
	size_t have = 0;
	int used;

	*out = NULL;
	*n = 0;
	if (faccessat(images, MOUNTNOTES_IDMAPS, F_OK, 0) < 0)
		return 0;
	if (file_read(images, MOUNTNOTES_IDMAPS, IDMAPS_MAX, &text, NULL, e) < 0)
		return -1;
	for (const char *at = text; *at; at += used) {
		if (sscanf(at, "%u %u %u %u %u%n", &m.mnt_id, &m.disk_uid, &m.shown_uid, &m.disk_gid, &m.shown_gid,
			   &used) != 5 || at[used++] != '\n')
			return err_set(e, ERR_PROTO, "the image " MOUNTNOTES_IDMAPS " is broken");
		list = xrealloc(list, (have + 1) * sizeof(*list));
		list[have++] = m;
	}
	*out = take_ptr(&list);
	*n = have;
	return 0;
}

static int write_map(pid_t pid, const char *name, unsigned inside, unsigned outside, struct err *e)
{
	own_free char *file = xasprintf("/proc/%d/%s", (int)pid, name);
	own_free char *line = xasprintf("%u %u 1", inside, outside);

	return file_poke(AT_FDCWD, file, line, e);
}

/* A user namespace lives as long as its descriptor; to be made it needs a process for a moment. */
int idmap_open(const struct idmap *map, struct err *e)
{
	pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD | CLONE_NEWUSER, 0, 0, 0, 0);
	own_free char *ns = NULL;
	int fd = -1;

	if (pid < 0)
		return err_sys(e, "cannot make a user namespace");
	if (pid == 0) {
		for (;;)
			pause();
	}
	ns = xasprintf("/proc/%d/ns/user", (int)pid);
	if (write_map(pid, "uid_map", map->disk_uid, map->shown_uid, e) == 0 &&
	    write_map(pid, "gid_map", map->disk_gid, map->shown_gid, e) == 0) {
		fd = open(ns, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			err_sys(e, "cannot open %s", ns);
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return fd;
}

/* ---- saved ---- */

static int note_idmaps(struct buf *out, pid_t pid, const struct mountnote *note, pid_t init,
		       const struct mountnote *first, struct err *e)
{
	for (size_t i = 0; i < note->n; i++) {
		own_free char *line = NULL;
		struct idmap m;

		if (!mountinfo_has(note->m[i].options, "idmapped"))
			continue;
		if (idmap_find(&m, pid, &note->m[i], init, first, e) < 0)
			return -1;
		line = xasprintf("%u %u %u %u %u\n", m.mnt_id, m.disk_uid, m.shown_uid, m.disk_gid, m.shown_gid);
		buf_put(out, line, strlen(line));
	}
	return 0;
}

static int save_one(int images, pid_t pid, pid_t vpid, struct mountnote *note, struct err *e)
{
	own_free char *name = xasprintf(MOUNTNOTES_PREFIX "%d.img", (int)vpid);
	own_free char *path = xasprintf("/proc/%d/mountinfo", (int)pid);
	char *text = NULL;

	if (file_read(AT_FDCWD, path, MOUNTINFO_MAX, &text, NULL, e) < 0)
		return -1;
	if (imgdir_put(images, name, text, strlen(text), e) < 0) {
		free(text);
		return -1;
	}
	return mountnote_read(note, text, e);
}

/* 0: it is a zombie, and has none. */
static ino_t space_of(pid_t pid)
{
	own_free char *path = xasprintf("/proc/%d/ns/mnt", (int)pid);
	struct stat st;

	return stat(path, &st) < 0 ? 0 : st.st_ino;
}

int mountnotes_save(int images, pid_t init, const struct proc *procs, size_t n, struct err *e)
{
	own_mountnote struct mountnote first = { .text = NULL };
	own_free ino_t *seen = xcalloc(n + 1, sizeof(*seen));
	own_buf struct buf idmaps = BUF_INIT;
	size_t nr = 1;

	seen[0] = space_of(init);
	if (save_one(images, init, 1, &first, e) < 0 || note_idmaps(&idmaps, init, &first, init, &first, e) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		own_mountnote struct mountnote note = { .text = NULL };
		ino_t ino = space_of(procs[i].pid);
		bool known = !ino;

		for (size_t k = 0; k < nr; k++)
			known = known || seen[k] == ino;
		if (known)
			continue;
		seen[nr++] = ino;
		if (save_one(images, procs[i].pid, procs[i].vpid, &note, e) < 0 ||
		    note_idmaps(&idmaps, procs[i].pid, &note, init, &first, e) < 0)
			return -1;
	}
	return idmaps.len ? imgdir_put(images, MOUNTNOTES_IDMAPS, idmaps.data, idmaps.len, e) : 0;
}

/* ---- one mount, without what lies on it ---- */

struct alone {
	pid_t pid;
	const char *at;
	int fd;
	struct err err;
};

/* In a thread of its own, which ends in the namespace: only there it can be copied. */
static void *alone_main(void *arg)
{
	struct alone *a = arg;
	own_free char *path = xasprintf("/proc/%d/ns/mnt", (int)a->pid);
	own_fd int ns = open(path, O_RDONLY | O_CLOEXEC);

	if (ns < 0 || unshare(CLONE_FS) < 0 || setns(ns, CLONE_NEWNS) < 0)
		err_sys(&a->err, "cannot enter the mounts of process %d", (int)a->pid);
	else if ((a->fd = open_tree(AT_FDCWD, a->at, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW)) < 0)
		err_sys(&a->err, "cannot take mount %s", a->at);
	return NULL;
}

int mount_alone(pid_t pid, const char *at, struct err *e)
{
	struct alone a = { .pid = pid, .at = at, .fd = -1, .err = ERR_INIT };
	pthread_t t;

	if (pthread_create(&t, NULL, alone_main, &a) != 0)
		return err_set(e, ERR_SYS, "cannot start a thread");
	pthread_join(t, NULL);
	if (a.fd < 0)
		*e = a.err;
	return a.fd;
}
