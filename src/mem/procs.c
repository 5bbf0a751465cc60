// SPDX-License-Identifier: MIT
#include "mem/procs.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/file.h"
#include "base/own.h"

enum { MAX_DEPTH = 32 };

long proc_status_last(const char *status, const char *key)
{
	const char *at = status ? strstr(status, key) : NULL;
	const char *end, *word;

	if (!at)
		return -1;
	end = strchrnul(at + 1, '\n'); /* key begins with a newline */
	for (word = end; word > at && (word[-1] != '\t' && word[-1] != ' ' && word[-1] != ':');)
		word--;
	return strtol(word, NULL, 10);
}

/* The NSpid line of /proc/PID/status: outermost namespace we see first. */
static int ns_pids(pid_t pid, pid_t out[static MAX_DEPTH], struct err *e)
{
	own_free char *path = xasprintf("/proc/%d/status", (int)pid);
	own_free char *text = NULL;
	char *p;
	int n = 0;

	if (file_read(AT_FDCWD, path, 64 << 10, &text, NULL, e) < 0)
		return -1;
	p = strstr(text, "\nNSpid:");
	if (!p)
		return err_set(e, ERR_UNSUPPORTED, "%s has no NSpid line", path);
	for (p += 7; n < MAX_DEPTH && *p == '\t'; n++)
		out[n] = (pid_t)strtol(p + 1, &p, 10);
	return n;
}

static uint64_t ns_ino_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 ? st.st_ino : 0;
}

/* The pid namespace `levels` above that of pid; 0: gone. */
static uint64_t pid_ns(pid_t pid, int levels)
{
	own_free char *path = xasprintf("/proc/%d/ns/pid", (int)pid);
	own_fd int fd = open(path, O_RDONLY | O_CLOEXEC);

	for (; fd >= 0 && levels > 0; levels--) {
		int up = ioctl(fd, NS_GET_PARENT);

		close_fd(&fd);
		fd = up;
	}
	return fd < 0 ? 0 : ns_ino_of(fd);
}

int procs_init(struct procs *p, pid_t init, const char *cgroup, struct err *e)
{
	pid_t pids[MAX_DEPTH];
	int n = ns_pids(init, pids, e);

	*p = (struct procs)PROCS_INIT;
	if (n < 0)
		return err_wrap(e, "the container's first process %d", (int)init);
	p->init = init;
	p->depth = n - 1;
	p->ns_ino = pid_ns(init, 0);
	if (!p->ns_ino)
		return err_sys(e, "cannot open the pid namespace of process %d", (int)init);
	/* Else "all of its namespace" were every process of this server. */
	if (!cgroup && p->ns_ino == pid_ns(getpid(), 0))
		return err_set(e, ERR_UNSUPPORTED, "process %d is in no pid namespace of its own", (int)init);
	p->cgroup = cgroup ? xstrdup(cgroup) : NULL;
	return 0;
}

void procs_watch(struct procs *p)
{
	births_init(&p->births, p->init);
	p->watched = true;
}

void procs_fini(struct procs *p)
{
	for (size_t i = 0; i < p->n; i++)
		close_fd(&p->v[i].pidfd);
	births_fini(&p->births);
	free(p->v);
	free(p->cgroup);
	*p = (struct procs)PROCS_INIT;
}

/* Index of pid, or of where it belongs. */
static size_t place_of(const struct procs *p, pid_t pid)
{
	size_t lo = 0, hi = p->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (p->v[mid].pid < pid)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

const struct proc *procs_find(const struct procs *p, pid_t pid)
{
	size_t i = place_of(p, pid);

	return i < p->n && p->v[i].pid == pid ? &p->v[i] : NULL;
}

static bool has_ended(int pidfd)
{
	struct pollfd pfd = { .fd = pidfd, .events = POLLIN };

	return poll(&pfd, 1, 0) > 0;
}

/* A pid that is there now: known, new, or not the container's. */
static void meet(struct procs *p, pid_t pid)
{
	size_t i = place_of(p, pid);
	struct proc one = { .pid = pid, .pidfd = -1, .seen = true };
	pid_t pids[MAX_DEPTH];
	int n;

	if (pid == p->births.pid)
		return;
	if (i < p->n && p->v[i].pid == pid) {
		p->v[i].seen = true;
		return;
	}
	one.pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	n = one.pidfd < 0 ? -1 : ns_pids(pid, pids, NULL);
	if (n <= p->depth || pid_ns(pid, n - 1 - p->depth) != p->ns_ino) {
		close_fd(&one.pidfd);
		return;
	}
	one.vpid = pids[p->depth];
	one.zombie = has_ended(one.pidfd);
	p->ended += one.zombie; /* lived while nobody looked */
	p->v = xrealloc(p->v, (p->n + 1) * sizeof(*p->v));
	memmove(p->v + i + 1, p->v + i, (p->n - i) * sizeof(*p->v));
	p->v[i] = one;
	p->n++;
}

static int walk_proc(struct procs *p, struct err *e)
{
	own_dir DIR *d = opendir("/proc");
	struct dirent *de;

	if (!d)
		return err_sys(e, "cannot open /proc");
	while ((de = readdir(d)))
		if (de->d_name[0] >= '1' && de->d_name[0] <= '9')
			meet(p, (pid_t)strtol(de->d_name, NULL, 10));
	return 0;
}

static int walk_cgroup(struct procs *p, int dirfd, struct err *e)
{
	own_free char *text = NULL;
	own_dir DIR *d = NULL;
	struct dirent *de;
	int fd;

	/* Threaded cgroups list their processes at the domain's root only (EOPNOTSUPP). */
	if (file_read(dirfd, "cgroup.procs", 64 << 20, &text, NULL, NULL) == 0)
		for (char *at = text, *end; *at; at = end + (*end == '\n')) {
			pid_t pid = (pid_t)strtol(at, &end, 10);

			if (end == at)
				break;
			if (pid > 0)
				meet(p, pid);
		}
	fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	d = fd < 0 ? NULL : fdopendir(fd);
	if (!d)
		return err_sys(e, "cannot list a cgroup of the container");
	while ((de = readdir(d))) {
		own_fd int sub = -1;

		if (de->d_type != DT_DIR || de->d_name[0] == '.')
			continue;
		sub = openat(fd, de->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (sub >= 0 && walk_cgroup(p, sub, e) < 0)
			return -1;
	}
	return 0;
}

static int look(struct procs *p, struct err *e)
{
	own_fd int dirfd = -1;

	if (!p->cgroup)
		return walk_proc(p, e);
	dirfd = open(p->cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dirfd < 0)
		return err_sys(e, "cannot open the cgroup %s", p->cgroup);
	return walk_cgroup(p, dirfd, e);
}

int procs_refresh(struct procs *p, struct err *e)
{
	size_t kept = 0;

	p->ended = 0;
	p->missed = !p->watched || births_missed(&p->births);
	for (size_t i = 0; i < p->n; i++)
		p->v[i].seen = false;
	if (look(p, e) < 0)
		return -1;
	for (size_t i = 0; i < p->n; i++) {
		struct proc *one = &p->v[i];
		bool was_zombie = one->zombie;

		one->zombie = has_ended(one->pidfd);
		p->ended += !was_zombie && (one->zombie || !one->seen);
		if (one->seen)
			p->v[kept++] = *one;
		else
			close_fd(&one->pidfd);
	}
	p->n = kept;
	return 0;
}

bool procs_missed_some(const struct procs *p)
{
	return p->missed || p->ended;
}

void procs_last_look(struct procs *p)
{
	births_fini(&p->births);
	p->watched = false;
}
