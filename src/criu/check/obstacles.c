// SPDX-License-Identifier: MIT
#include "criu/check/priv.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/own.h"
#include "criu/carry/groups.h"
#include "mem/inject/vfork.h"
#include "mem/procs.h"
#include "net/traffic/backlog.h"

enum {
	MAPS_MAX = 64 << 20,
	TASKS_MAX = 1 << 16,
};

void obstacles_fini(struct obstacles *o)
{
	for (size_t i = 0; i < o->n; i++) {
		free(o->v[i].unit);
		free(o->v[i].object);
	}
	free(o->v);
	*o = (struct obstacles)OBSTACLES_INIT;
}

char *obstacles_proc_text(pid_t pid, const char *name, size_t max)
{
	own_free char *path = xasprintf("/proc/%d/%s", (int)pid, name);
	char *text = NULL;

	return file_read(AT_FDCWD, path, max, &text, NULL, NULL) < 0 ? NULL : text;
}

int obstacles_stat(int dir, const char *path, struct stat *st)
{
	struct statx sx;

	if (statx(dir, path, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, STATX_BASIC_STATS, &sx) < 0)
		return -1;
	*st = (struct stat){ .st_dev = makedev(sx.stx_dev_major, sx.stx_dev_minor),
			     .st_ino = sx.stx_ino,
			     .st_mode = sx.stx_mode,
			     .st_nlink = sx.stx_nlink,
			     .st_size = (off_t)sx.stx_size,
			     .st_blksize = sx.stx_blksize,
			     .st_blocks = (blkcnt_t)sx.stx_blocks };
	return 0;
}

/* "descriptor 7: anon_inode:bpf-prog" twice, but for the number. */
static bool same_kind(const char *a, const char *b)
{
	const char *kind = strstr(a, ": anon_inode:"), *other = strstr(b, ": anon_inode:");

	return kind && other && strcmp(kind, other) == 0;
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

void obstacles_found(struct look *l, pid_t pid, const struct obstacle_rule *r, const char *object)
{
	struct obstacles *o = l->out;
	own_free char *status = pid ? obstacles_proc_text(pid, "status", OBSTACLES_TEXT_MAX) : NULL;
	own_free char *cgroup = pid ? obstacles_proc_text(pid, "cgroup", OBSTACLES_TEXT_MAX) : NULL;
	own_free char *comm = pid ? obstacles_proc_text(pid, "comm", 64) : NULL;
	own_free char *unit = cgroup ? obstacle_unit(cgroup) : NULL;
	struct obstacle *ob;

	/* The same thing in many processes (forked workers) is told once a unit or name, the same
	 * kind of descriptor once a process. */
	for (size_t i = 0; i < o->n; i++) {
		ob = &o->v[i];
		if (pid && ob->pid == pid && ob->why == r->why && same_kind(ob->object, object))
			return;
		if (ob->why == r->why && strcmp(ob->object, object) == 0 && comm &&
		    strncmp(ob->comm, comm, strlen(ob->comm)) == 0 && same_text(ob->unit, unit))
			return;
	}
	o->v = xrealloc(o->v, (o->n + 1) * sizeof(*o->v));
	ob = &o->v[o->n++];
	*ob = (struct obstacle){ .pid = pid, .why = r->why, .remedy = r->remedy,
				 .blocks = r->blocks };
	ob->vpid = pid ? (pid_t)proc_status_last(status, "\nNSpid:") : 0;
	if (comm)
		strncat(ob->comm, comm, strcspn(comm, "\n") < 16 ? strcspn(comm, "\n") : 16);
	ob->unit = take_ptr(&unit);
	ob->object = xstrdup(object);
}

char *obstacle_text(const struct obstacle *ob)
{
	if (!ob->pid)
		return xasprintf("%s: %s", ob->object, ob->why);
	return xasprintf("%s (pid %d%s%s), %s: %s", ob->comm, (int)ob->vpid,
			 ob->unit ? ", unit " : "", ob->unit ? ob->unit : "", ob->object,
			 ob->why);
}

/* ---- which processes ---- */

static int add_pid(struct look *l, pid_t pid, struct err *e)
{
	for (size_t i = 0; i < l->n; i++) {
		if (l->pids[i] == pid)
			return 0;
	}
	if (l->n == TASKS_MAX) {
		err_set(e, ERR_UNSUPPORTED, "it has more than %d processes", TASKS_MAX);
		return err_hint(e, "move it without --online");
	}
	if (l->n == l->cap) {
		l->cap = l->cap ? l->cap * 2 : 64;
		l->pids = xrealloc(l->pids, l->cap * sizeof(*l->pids));
	}
	l->pids[l->n++] = pid;
	return 0;
}

/* Below a threaded group of v2 only threads are told apart: its processes are those of the group above. */
static bool is_no_group(int sys)
{
	return sys == ENOENT || sys == ENODEV || sys == EOPNOTSUPP;
}

/*
 * cgroup.procs of a directory and all below.  What cannot be looked at is an error: its processes would go into the freeze
 * unchecked.
 */
static int walk_cgroup(struct look *l, int dirfd, const char *name, struct err *e)
{
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	own_dir DIR *d = fd < 0 ? NULL : fdopendir(fd);
	own_free char *text = NULL;
	struct err why = ERR_INIT;
	struct dirent *entry;
	char *save = NULL;

	if (!d)
		return is_no_group(errno) ? 0 : err_sys(e, "cannot look into the control group %s", name);
	errno = 0;
	if (file_read(fd, "cgroup.procs", OBSTACLES_TEXT_MAX, &text, NULL, &why) < 0 && !is_no_group(errno)) {
		if (e)
			*e = why;
		return err_wrap(e, "cannot look into the control group %s", name);
	}
	for (char *p = text ? strtok_r(text, "\n", &save) : NULL; p; p = strtok_r(NULL, "\n", &save)) {
		if (atoi(p) > 0 && add_pid(l, atoi(p), e) < 0)
			return -1;
	}
	while ((entry = readdir(d))) {
		if (entry->d_type == DT_DIR && entry->d_name[0] != '.' && walk_cgroup(l, fd, entry->d_name, e) < 0)
			return -1;
	}
	return 0;
}

static bool descends(const struct look *l, pid_t pid)
{
	for (int i = 0; i < TASKS_MAX && pid > 1; i++) {
		own_free char *status = NULL;

		if (pid == l->init)
			return true;
		status = obstacles_proc_text(pid, "status", OBSTACLES_TEXT_MAX);
		if (!status)
			return true; /* gone: no finding */
		pid = (pid_t)proc_status_last(status, "\nPPid:");
	}
	return pid == l->init;
}

/* ---- one process ---- */

uint64_t obstacles_ns_inode(pid_t pid, const char *name)
{
	own_free char *path = xasprintf("/proc/%d/ns/%s", (int)pid, name);
	struct stat st;

	return stat(path, &st) < 0 ? 0 : st.st_ino;
}

static void look_at_namespaces(struct look *l, pid_t pid)
{
	static const char *const names[] = { "uts", "ipc", "net", "pid", "user", "time",
					     "cgroup" };
	uint64_t time, of_children;

	for (size_t i = 0; i < array_len(names); i++) {
		uint64_t own = obstacles_ns_inode(pid, names[i]), first = obstacles_ns_inode(l->init, names[i]);

		if (own && first && own != first) {
			own_free char *object = xasprintf("%s namespace", names[i]);

			obstacles_found(l, pid, obstacle_of_namespace(names[i]), object);
		}
	}
	time = obstacles_ns_inode(pid, "time");
	of_children = obstacles_ns_inode(pid, "time_for_children");
	if (time && of_children && time != of_children)
		obstacles_found(l, pid, obstacle_of_namespace("time_for_children"), "time namespace for its children");
}

static void look_at_status(struct look *l, pid_t pid)
{
	static const struct obstacle_rule traced = {
		"a debugger or tracer is attached", "detach it (gdb, strace)", true
	};
	static const struct obstacle_rule entered = {
		"it came into the container from outside (exec)",
		"end that session before the move", true
	};
	own_free char *status = obstacles_proc_text(pid, "status", OBSTACLES_TEXT_MAX);

	if (status && proc_status_last(status, "\nTracerPid:") > 0)
		obstacles_found(l, pid, &traced, "process");
	if (!descends(l, pid))
		obstacles_found(l, pid, &entered, "process");
}

/* The mount a file is on must be one of the container's, and it must be possible to read it. */
static void look_at_file(struct look *l, pid_t pid, const char *fd, const char *link)
{
	static const struct obstacle_rule foreign = {
		"the file is on a mount that is not the container's",
		"restart the program with its files inside the container", true
	};
	static const struct obstacle_rule covered = {
		"something was mounted over it after it was opened",
		"unmount that, or restart the program", true
	};
	static const struct obstacle_rule leased = {
		"it has a lease (F_SETLEASE) and is open for writing only, so that it cannot be read without breaking the lease",
		"let the program give the lease up, or restart it", true
	};
	own_free char *name = xasprintf("fdinfo/%s", fd);
	own_free char *info = obstacles_proc_text(pid, name, OBSTACLES_TEXT_MAX);
	own_free char *path = xasprintf("/proc/%d/fd/%s", (int)pid, fd);
	struct stat st;
	const char *at = info ? strstr(info, "mnt_id:") : NULL;
	own_free char *needle = NULL;
	own_free char *object = NULL;

	if (!at || link[0] != '/' || strncmp(link, "/memfd:", 7) == 0 ||
	    strncmp(link, "/dev/zero (deleted)", 19) == 0 || strncmp(link, "/SYSV", 5) == 0)
		return;
	needle = xasprintf("\n%ld ", strtol(at + 7, NULL, 10));
	object = xasprintf("descriptor %s: %s", fd, link);
	if (!strstr(l->mounts, needle))
		obstacles_found(l, pid, &foreign, object);
	else if (obstacles_is_covered(l, (unsigned)strtoul(at + 7, NULL, 10), link))
		obstacles_found(l, pid, &covered, object);
	if (obstacle_leases_unread(info) && obstacles_stat(AT_FDCWD, path, &st) == 0 && st.st_size)
		obstacles_found(l, pid, &leased, object);
}

/* Regular, its name is gone, but it has another that we do not know. */
static bool lost_its_name(const char *link, const struct stat *st)
{
	size_t n = strlen(link);

	return n > 10 && strcmp(link + n - 10, " (deleted)") == 0 && link[0] == '/' &&
	       S_ISREG(st->st_mode) && st->st_nlink > 0 && strncmp(link, "/memfd:", 7) != 0 &&
	       strncmp(link, "/secretmem", 10) != 0;
}

static const struct obstacle_rule other_name = {
	"the file was opened by a name that is gone, and has another one",
	"restart the program, or remove the file's other name", true
};

/* A file without its name, open or mapped: CRIU takes its contents along, up to a size that we tell. */
static void look_at_deleted(struct look *l, pid_t pid, const char *name, const struct stat *st,
			    const char *object)
{
	uint64_t size = (uint64_t)st->st_blocks * 512; /* as CRIU measures it */

	if (lost_its_name(name, st))
		obstacles_found(l, pid, &other_name, object);
	else if (S_ISREG(st->st_mode) && st->st_nlink == 0 && size > l->out->ghost_max &&
		 strncmp(name, "/memfd:", 7) != 0 && strncmp(name, "/dev/zero", 9) != 0 &&
		 strncmp(name, "/SYSV", 5) != 0)
		l->out->ghost_max = size;
}

/* What only fdinfo tells. */
static void look_at_modes(struct look *l, pid_t pid, const char *fd, const char *link,
			  const char *object)
{
	own_free char *name = NULL;
	own_free char *info = NULL;
	const struct obstacle_rule *r;

	bool watches = strcmp(link, "anon_inode:inotify") == 0;

	if (!watches && strncmp(link, "pipe:[", 6) != 0 && strcmp(link, "anon_inode:[eventfd]") != 0 &&
	    strcmp(link, "anon_inode:[pidfd]") != 0)
		return;
	name = xasprintf("fdinfo/%s", fd);
	info = obstacles_proc_text(pid, name, OBSTACLES_TEXT_MAX);
	r = info ? obstacle_of_fdinfo(link, info) : NULL;
	if (r)
		obstacles_found(l, pid, r, object);
	if (info && watches)
		obstacles_look_at_watches(l, pid, info, object);
}

static void look_at_fd(struct look *l, pid_t pid, int dir, const char *fd)
{
	own_free char *path = xasprintf("/proc/%d/fd/%s", (int)pid, fd);
	own_free char *object = NULL;
	const struct obstacle_rule *r;
	char link[512], proto[64];
	struct stat st;
	ssize_t n = readlinkat(dir, fd, link, sizeof(link) - 1);

	if (n <= 0)
		return;
	link[n] = '\0';
	object = xasprintf("descriptor %s: %s", fd, link);
	r = obstacle_of_link(link);
	if (r)
		obstacles_found(l, pid, r, object);
	if (strncmp(link, "socket:[", 8) == 0) {
		uint64_t ino = strtoull(link + 8, NULL, 10);

		n = getxattr(path, "system.sockprotoname", proto, sizeof(proto) - 1);
		if (n > 0) {
			own_free char *what = NULL;

			proto[n] = '\0';
			what = xasprintf("descriptor %s: a %s socket", fd, proto);
			r = obstacle_of_socket(proto, l->lacks);
			if (r)
				obstacles_found(l, pid, r, what);
			obstacles_look_at_member(l, pid, ino, what);
			if (strncasecmp(proto, "UDP", 3) == 0)
				obstacles_look_at_datagram(l, pid, atoi(fd), what);
		}
		unix_peers_have(&l->peers, ino);
		return;
	}
	if (strcmp(link, "anon_inode:[eventpoll]") == 0)
		obstacles_look_at_epoll(l, pid, dir, fd, object);
	look_at_modes(l, pid, fd, link, object);
	look_at_file(l, pid, fd, link);
	if (strstr(link, " (deleted)") && obstacles_stat(dir, fd, &st) == 0)
		look_at_deleted(l, pid, link, &st, object);
}

static void look_at_fds(struct look *l, pid_t pid)
{
	own_free char *path = xasprintf("/proc/%d/fd", (int)pid);
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	own_dir DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	while (d && (entry = readdir(d))) {
		if (entry->d_name[0] != '.')
			look_at_fd(l, pid, fd, entry->d_name);
	}
}

/* A deleted file that is mapped. */
static void look_at_mapped(struct look *l, pid_t pid, const char *name, unsigned long start,
			   unsigned long end)
{
	own_free char *path = xasprintf("/proc/%d/map_files/%lx-%lx", (int)pid, start, end);
	own_free char *object = xasprintf("mapping: %s", name);
	struct stat st;

	if (obstacles_stat(AT_FDCWD, path, &st) == 0)
		look_at_deleted(l, pid, name, &st, object);
}

/* Huge pages have a file in any case: unnamed, a memfd's, a segment's, or one of a mounted hugetlbfs. */
static void look_at_huge(struct look *l, pid_t pid, const char *name, unsigned long start,
			 unsigned long end)
{
	own_free char *path = xasprintf("/proc/%d/map_files/%lx-%lx", (int)pid, start, end);
	own_free char *object = NULL;
	const struct obstacle_rule *rule;
	struct stat st;
	struct statfs fs;
	bool huge = false;

	/* Its block size is the huge page's; the file system type is asked only then, and not of one that a server far away may
	 * have to answer for. */
	if (obstacles_stat(AT_FDCWD, path, &st) == 0 && st.st_blksize >= 1 << 20 && !obstacles_is_remote(l, st.st_dev))
		huge = statfs(path, &fs) == 0 && fs.f_type == HUGETLBFS_MAGIC;
	rule = obstacle_of_mapping(name, huge);
	if (!rule)
		return;
	object = xasprintf("mapping: %s (%lu MiB)", name, (end - start) >> 20);
	obstacles_found(l, pid, rule, object);
}

static void look_at_maps(struct look *l, pid_t pid)
{
	own_free char *maps = obstacles_proc_text(pid, "maps", MAPS_MAX);
	char *save = NULL;

	if (!maps)
		return;
	for (char *line = strtok_r(maps, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		const char *name = strchr(line, '/');
		unsigned long start, end;
		unsigned major;

		if (!name || sscanf(line, "%lx-%lx %*s %*s %x:", &start, &end, &major) != 3)
			continue;
		if (strncmp(name, "/secretmem", 10) == 0)
			obstacles_found(l, pid, obstacle_of_link("/secretmem"), "mapping: /secretmem");
		if (strstr(name, " (deleted)"))
			look_at_mapped(l, pid, name, start, end);
		if (major == 0)
			look_at_huge(l, pid, name, start, end);
	}
}

/* ---- the container ---- */

static void look_at_queues(struct look *l)
{
	static const struct obstacle_rule queue = {
		"POSIX message queues cannot be moved", "remove it (mq_unlink)", true
	};
	own_free char *path = xasprintf("/proc/%d/root/dev/mqueue", (int)l->init);
	own_dir DIR *d = opendir(path);
	struct dirent *entry;

	while (d && (entry = readdir(d))) {
		own_free char *object = xasprintf("message queue /%s", entry->d_name);

		if (entry->d_name[0] != '.')
			obstacles_found(l, 0, &queue, object);
	}
}

static void look_at_peers(struct look *l)
{
	static const struct obstacle_rule outside = {
		"its other end is outside the container", "end that connection", true
	};
	char *name;

	while ((name = unix_peers_outside(&l->peers))) {
		own_free char *object = name;

		obstacles_found(l, 0, &outside, object);
	}
}

static void found_group(void *arg, const char *group)
{
	static const struct obstacle_rule joined = {
		"the kernel itself, or nobody who can be found, has joined it, and a move would leave it",
		"find out who did (ip maddress, /proc/net/igmp), and stop it", true
	};
	own_free char *object = xasprintf("multicast group %s", group);

	obstacles_found(arg, 0, &joined, object);
}

/* What waits for programs longer than a busy server lets it. */
static void look_at_backlog(struct look *l)
{
	static const struct obstacle_rule waits = {
		"it cannot be moved while it waits",
		"let the program take it (ss -ltnx, ss -f netlink: Recv-Q), or restart it", true
	};
	own_free char *ns = xasprintf("/proc/%d/ns/net", (int)l->init);
	struct backlog b = BACKLOG_INIT;
	const char *what = NULL;

	if (backlog_open(&b, ns, NULL) < 0)
		return;
	for (int i = 0; backlog_count(&b, &what, NULL) > 0; i++) {
		if (i == OBSTACLES_LOOKS) {
			obstacles_found(l, 0, &waits, what);
			break;
		}
		clock_sleep_ms(OBSTACLES_LOOK_MS);
	}
	backlog_close(&b);
}

/* A process that has begun another and waits until that has a program of its own: a moment, as a rule. */
static void look_at_starts(struct look *l)
{
	static const struct obstacle_rule starts = {
		"a program in it has been being started (vfork) for a while, and cannot be moved meanwhile",
		"let that program start, or end it", true
	};

	for (int i = 0; vfork_waits(l->pids, l->n); i++) {
		if (i == OBSTACLES_LOOKS) {
			obstacles_found(l, 0, &starts, "container");
			break;
		}
		clock_sleep_ms(OBSTACLES_LOOK_MS);
	}
}

/* All of them, and what belongs to none. */
static void look_at_all(struct look *l)
{
	for (size_t i = 0; i < l->n; i++)
		obstacles_take_mounts(l, l->pids[i]);
	obstacles_look_at_mounts(l);
	obstacles_take_members(l);
	for (size_t i = 0; i < l->n; i++) {
		look_at_status(l, l->pids[i]);
		look_at_namespaces(l, l->pids[i]);
		obstacles_look_at_threads(l, l->pids[i]);
		look_at_fds(l, l->pids[i]);
		look_at_maps(l, l->pids[i]);
	}
	look_at_queues(l);
	look_at_peers(l);
	groups_without_socket(l->init, l->pids, l->n, found_group, l);
	look_at_backlog(l);
	look_at_starts(l);
	obstacles_look_at_sessions(l);
}

int obstacles_find(struct obstacles *o, pid_t init, const char *cgroup, unsigned lacks, struct err *e)
{
	struct look l = { .out = o, .init = init, .lacks = lacks, .mounts = xstrdup("\n") };
	struct stat st;
	own_free char *proc = xasprintf("/proc/%d", (int)init);
	int ret = -1;

	if (stat(proc, &st) < 0) {
		free(l.mounts);
		return err_sys(e, "cannot look at process %d", (int)init);
	}
	unix_peers_init(&l.peers, init);
	if (add_pid(&l, init, e) == 0 && walk_cgroup(&l, AT_FDCWD, cgroup, e) == 0) {
		look_at_all(&l);
		ret = 0;
	}
	o->nr_tasks = l.n;
	unix_peers_fini(&l.peers);
	free(l.pids);
	free(l.mounts);
	mountnote_fini(&l.all);
	free(l.mnt_seen);
	free(l.member);
	return ret;
}
