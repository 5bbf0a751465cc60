// SPDX-License-Identifier: MIT
/*
 * The mounts of a restored container are those that were saved.
 *
 * CRIU makes mounts first, and then unlinks the name of each bound unix socket and binds it anew.  A mount of such
 * a socket (BindReadOnlyPaths=/dev/log) shows the dead one afterwards, and the kernel takes away what is mounted on
 * one (InaccessiblePaths=).  These are made again here, in the held container, from the socket that is there now;
 * and flags that CRIU does not know, or does not give to mounts of ours, are set.
 *
 *	mountinfo at the source ──┐
 *	                          ├── each mount namespace ──> dead, missing, other flags ──> mended
 *	mountinfo here ───────────┘
 *
 * What cannot be mended is an error: nobody shall run on with other mounts.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/own.h"
#include "criu/carry/mountnotes.h"
#include "criu/image/imgdir.h"
#include "criu/revive/img.h"

enum { MOUNTINFO_MAX = 16 << 20 };

/* One mount namespace: a process in it, what was saved, and which mount here is which of those. */
struct space {
	pid_t pid; /* here */
	int ns, root; /* of that process */
	struct mountnote saved, now;
	const struct mountinfo **match; /* for each of the saved; NULL: missing */
};

struct spaces {
	struct space *v; /* the first process's is the first */
	size_t n;
	struct err err;
	int ret;
};

static void spaces_fini(struct spaces *s)
{
	for (size_t i = 0; i < s->n; i++) {
		mountnote_fini(&s->v[i].saved);
		mountnote_fini(&s->v[i].now);
		free(s->v[i].match);
		close_fd(&s->v[i].ns);
		close_fd(&s->v[i].root);
	}
	free(s->v);
}

/* ---- what was saved, and what is there ---- */

static pid_t here(const struct procs *p, pid_t vpid)
{
	for (size_t i = 0; i < p->n; i++) {
		if (p->v[i].vpid == vpid)
			return p->v[i].pid;
	}
	return 0;
}

/* Mounts on one point lie in the same order. */
static void match(struct space *s)
{
	own_free bool *taken = xcalloc(s->now.n + 1, sizeof(*taken));

	s->match = xcalloc(s->saved.n + 1, sizeof(*s->match));
	for (size_t i = 0; i < s->saved.n; i++) {
		for (size_t k = 0; k < s->now.n && !s->match[i]; k++) {
			if (taken[k] || strcmp(s->saved.m[i].at, s->now.m[k].at) != 0)
				continue;
			taken[k] = true;
			s->match[i] = &s->now.m[k];
		}
	}
}

static int read_space(struct space *s, int images, const char *name, pid_t vpid, struct err *e)
{
	own_free char *path = xasprintf("/proc/%d/mountinfo", (int)s->pid);
	own_free char *ns = xasprintf("/proc/%d/ns/mnt", (int)s->pid), *root = xasprintf("/proc/%d/root", (int)s->pid);
	char *text;

	s->ns = open(ns, O_RDONLY | O_CLOEXEC);
	s->root = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (s->ns < 0 || s->root < 0)
		return err_sys(e, "cannot look at the mounts of process %d", (int)s->pid);
	s->saved.vpid = vpid;
	if (file_read(images, name, MOUNTINFO_MAX, &text, NULL, e) < 0 || mountnote_read(&s->saved, text, e) < 0 ||
	    file_read(AT_FDCWD, path, MOUNTINFO_MAX, &text, NULL, e) < 0 || mountnote_read(&s->now, text, e) < 0)
		return -1;
	match(s);
	return 0;
}

static int read_spaces(struct spaces *all, int images, const struct procs *p, struct err *e)
{
	char **names = NULL;
	size_t n = 0;
	int ret = imgdir_list(images, &names, &n, e), vpid;

	all->v = xcalloc(n + 1, sizeof(*all->v));
	for (size_t i = 0; i < n; i++) {
		if (ret == 0 && sscanf(names[i], MOUNTNOTES_PREFIX "%d.img", &vpid) == 1) {
			struct space *s = &all->v[all->n++];

			s->ns = s->root = -1;
			s->pid = here(p, vpid);
			ret = s->pid ? read_space(s, images, names[i], vpid, e) :
				       err_set(e, ERR_CHILD, "process %d was not restored", vpid);
		}
		free(names[i]);
	}
	free(names);
	return ret;
}

/* ---- mended ---- */

static const struct {
	const char *word;
	uint64_t attr;
} words[] = {
	{ "ro", MOUNT_ATTR_RDONLY },	   { "nosuid", MOUNT_ATTR_NOSUID },
	{ "nodev", MOUNT_ATTR_NODEV },	   { "noexec", MOUNT_ATTR_NOEXEC },
	{ "noatime", MOUNT_ATTR_NOATIME }, { "nodiratime", MOUNT_ATTR_NODIRATIME },
	{ "nosymfollow", MOUNT_ATTR_NOSYMFOLLOW },
};

static uint64_t attributes(const char *options)
{
	uint64_t a = 0;

	for (size_t i = 0; i < array_len(words); i++)
		a |= mountinfo_has(options, words[i].word) ? words[i].attr : 0;
	if (!(a & MOUNT_ATTR_NOATIME) && !mountinfo_has(options, "relatime"))
		a |= MOUNT_ATTR_STRICTATIME;
	return a;
}

static int set_attributes(int fd, const char *path, int flags, uint64_t want, uint64_t propagation)
{
	struct mount_attr attr = { .attr_set = want, .attr_clr = MOUNT_ATTR__ATIME, .propagation = propagation };

	for (size_t i = 0; i < array_len(words); i++)
		attr.attr_clr |= words[i].attr & MOUNT_ATTR__ATIME ? 0 : words[i].attr;
	return mount_setattr(fd, path, flags, &attr, sizeof(attr));
}

/* Into its mounts, and its root: what mountinfo says is seen from there. */
static int enter(const struct space *s, struct err *e)
{
	return setns(s->ns, CLONE_NEWNS) < 0 || fchdir(s->root) < 0 || chroot(".") < 0 ?
		       err_sys(e, "cannot enter the mounts of process %d", (int)s->pid) : 0;
}

static uint64_t propagation(const struct mountinfo *m)
{
	return strstr(m->tags, "shared:") ? MS_SHARED : strstr(m->tags, "master:") ? 0 : MS_PRIVATE;
}

static int remake(const struct spaces *all, const struct space *s, const struct mountinfo *m, bool dead, struct err *e)
{
	own_free char *from = mountnote_path(&all->v[0].saved, m);
	own_fd int tree = -1;

	if (!from || mountinfo_has(m->options, "idmapped"))
		return err_set(e, ERR_CHILD, "mount %s of process %d was not restored", m->at, (int)s->saved.vpid);
	if (enter(&all->v[0], e) < 0)
		return -1;
	tree = open_tree(AT_FDCWD, from, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW);
	if (tree < 0 || set_attributes(tree, "", AT_EMPTY_PATH, attributes(m->options), propagation(m)) < 0)
		return err_sys(e, "mount %s was not restored: cannot take %s", m->at, from);
	if (enter(s, e) < 0)
		return -1;
	if ((dead && umount2(m->at, MNT_DETACH | UMOUNT_NOFOLLOW) < 0) ||
	    move_mount(tree, "", AT_FDCWD, m->at, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return err_sys(e, "mount %s was not restored: cannot mount it", m->at);
	log_debug("mounted again: %s at %s of process %d", from, m->at, (int)s->saved.vpid);
	return 0;
}

/* Is there another on top of mount `i`? */
static bool is_covered(const struct space *s, size_t i)
{
	for (size_t k = i + 1; k < s->saved.n; k++) {
		if (strcmp(s->saved.m[k].at, s->saved.m[i].at) == 0)
			return true;
	}
	return false;
}

static int mend_options(const struct space *s, size_t i, struct err *e)
{
	const struct mountinfo *m = &s->saved.m[i], *now = s->match[i];

	if (mountinfo_has(m->options, "idmapped") != mountinfo_has(now->options, "idmapped"))
		return err_set(e, ERR_CHILD, "mount %s of process %d does not map its owners as before", m->at,
			       (int)s->saved.vpid);
	if (attributes(m->options) == attributes(now->options) || is_covered(s, i))
		return 0;
	if (enter(s, e) < 0)
		return -1;
	if (set_attributes(AT_FDCWD, m->at, AT_SYMLINK_NOFOLLOW, attributes(m->options), 0) < 0)
		return err_sys(e, "cannot make mount %s what it was (%s)", m->at, m->options);
	log_debug("mount %s of process %d: %s, was %s", m->at, (int)s->saved.vpid, m->options, now->options);
	return 0;
}

static int mend(const struct spaces *all, const struct space *s, struct err *e)
{
	for (size_t i = 0; i < s->saved.n; i++) {
		const struct mountinfo *m = &s->saved.m[i], *now = s->match[i];
		bool dead = now && now->deleted && !m->deleted;

		if ((!now || dead) ? remake(all, s, m, dead, e) < 0 : mend_options(s, i, e) < 0)
			return -1;
	}
	return 0;
}

/* In a thread of its own, with its own root: it ends in some namespace. */
static void *mend_main(void *arg)
{
	struct spaces *all = arg;

	all->ret = unshare(CLONE_FS) < 0 ? err_sys(&all->err, "cannot mend the restored mounts") : 0;
	for (size_t i = 0; i < all->n && all->ret == 0; i++)
		all->ret = mend(all, &all->v[i], &all->err);
	return NULL;
}

int revive_mounts(int images, pid_t init, const char *cgroup, struct err *e)
{
	own_procs struct procs p = PROCS_INIT;
	struct spaces all = { .err = ERR_INIT };
	uint64_t begun = clock_ns();
	pthread_t t;

	if (procs_init(&p, init, cgroup, e) < 0 || procs_refresh(&p, e) < 0)
		return -1;
	all.ret = read_spaces(&all, images, &p, &all.err);
	if (all.ret == 0 && pthread_create(&t, NULL, mend_main, &all) != 0)
		all.ret = err_set(&all.err, ERR_SYS, "cannot start a thread");
	else if (all.ret == 0)
		pthread_join(t, NULL);
	if (all.ret < 0)
		*e = all.err;
	log_debug("mounts of %zu namespaces compared in %.1f ms", all.n, (double)(clock_ns() - begun) / 1e6);
	spaces_fini(&all);
	return all.ret;
}
