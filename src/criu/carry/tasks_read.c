// SPDX-License-Identifier: MIT
/* What a task is, out of /proc (proc(5)) and by the calls that look at another task. */
#include "criu/carry/tasks.h"

#include <fcntl.h>
#include <linux/ioprio.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"
#include "base/own.h"
#include "criu/carry/tasks_priv.h"

enum { SMALL = 64 << 10, MOUNTS = 16 << 20, LIMIT_NAME = 26, LIMIT_VALUES = 42 };

/* By inode number: which process was the first that had it. */
struct namespaces {
	struct {
		uint64_t ino;
		pid_t first;
	} *v;
	size_t n;
};

/* The first process in this one; `vpid` when it is itself. */
static pid_t first_in(struct namespaces *ns, uint64_t ino, pid_t vpid)
{
	for (size_t i = 0; i < ns->n; i++) {
		if (ns->v[i].ino == ino)
			return ns->v[i].first;
	}
	ns->v = xrealloc(ns->v, (ns->n + 1) * sizeof(*ns->v));
	ns->v[ns->n].ino = ino;
	ns->v[ns->n++].first = vpid;
	return vpid;
}

__attribute__((format(printf, 3, 4))) static void put_line(struct buf *b, const char *key, const char *fmt, ...)
{
	char text[512];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	buf_put(b, key, strlen(key));
	buf_put_u8(b, '\t');
	buf_put(b, text, n < 0 ? 0 : (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1);
	buf_put_u8(b, '\n');
}

/* ---- of each thread ---- */

/* Those lines of a status text that a move keeps.  NSpgid, NSsid: in the innermost namespace. */
static void put_status(struct buf *b, const char *status)
{
	static const char *const keys[] = { "Name", "Umask", "Uid", "Gid", "Groups", "NSpgid", "NSsid", "SigIgn", "SigCgt",
					    "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp",
					    "Seccomp_filters" };

	for (size_t i = 0; i < array_len(keys); i++) {
		own_free char *find = xasprintf("\n%s:\t", keys[i]);
		const char *at = i == 0 ? status - 1 : strstr(status, find);
		size_t len;

		if (!at)
			continue;
		if (strncmp(keys[i], "NS", 2) == 0) {
			put_line(b, keys[i], "%ld", proc_status_last(status, find));
			continue;
		}
		at += strlen(find);
		len = strcspn(at, "\n");
		while (len && at[len - 1] == ' ')
			len--;
		buf_put(b, keys[i], strlen(keys[i]));
		buf_put_u8(b, '\t');
		buf_put(b, at, len);
		buf_put_u8(b, '\n');
	}
}

static void put_schedule(struct buf *b, pid_t tid)
{
	struct task_sched s = { .size = sizeof(s) };
	const long prio = syscall(SYS_ioprio_get, IOPRIO_WHO_PROCESS, tid);

	if (syscall(SYS_sched_getattr, tid, &s, sizeof(s), 0) == 0) {
		if (s.policy == TASK_SCHED_DEADLINE)
			put_line(b, "sched", "%u %llu %d %u %llu %llu %llu", s.policy, (unsigned long long)s.flags,
				 s.nice, s.priority, (unsigned long long)s.runtime, (unsigned long long)s.deadline,
				 (unsigned long long)s.period);
		else
			put_line(b, "sched", "%u %llu %d %u", s.policy, (unsigned long long)s.flags, s.nice, s.priority);
	}
	/* What a task without one has is told as 0 or 4, by kernel. */
	if (prio >= 0)
		put_line(b, "ioprio", "%ld", IOPRIO_PRIO_CLASS(prio) == IOPRIO_CLASS_NONE ? 0 : prio);
}

/* "all": whatever CPUs the cgroup has. */
static void put_cpus(struct buf *b, pid_t tid, const cpu_set_t *available)
{
	cpu_set_t own, both;
	char text[CPU_SETSIZE / 4 + 1];

	if (sched_getaffinity(tid, sizeof(own), &own) < 0)
		return;
	CPU_AND(&both, &own, available);
	if (CPU_EQUAL(&both, available)) {
		put_line(b, "cpus", "all");
		return;
	}
	for (int digit = 0; digit < CPU_SETSIZE / 4; digit++) {
		unsigned v = 0;

		for (int bit = 0; bit < 4; bit++)
			v |= CPU_ISSET((unsigned)(CPU_SETSIZE - 4 - digit * 4 + bit), &own) ? 1u << bit : 0;
		text[digit] = "0123456789abcdef"[v];
	}
	text[CPU_SETSIZE / 4] = '\0';
	put_line(b, "cpus", "%s", text + strspn(text, "0"));
}

/* ---- of each process ---- */

/* A one-line file. */
static void put_file(struct buf *b, int proc, const char *file, const char *key)
{
	own_free char *text = NULL;

	if (file_read(proc, file, SMALL, &text, NULL, NULL) == 0)
		put_line(b, key, "%.*s", (int)strcspn(text, "\n"), text);
}

/* "Max open files            1024                 4096                 files     " */
static void put_limits(struct buf *b, int proc)
{
	own_free char *text = NULL;
	char *save = NULL;

	if (file_read(proc, "limits", SMALL, &text, NULL, NULL) < 0)
		return;
	strtok_r(text, "\n", &save);
	for (char *l = strtok_r(NULL, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
		char key[LIMIT_NAME + 1], soft[24], hard[24];
		int len = LIMIT_NAME;

		if (strlen(l) < LIMIT_NAME || sscanf(l + LIMIT_NAME, "%23s %23s", soft, hard) != 2)
			continue;
		while (len && l[len - 1] == ' ')
			len--;
		snprintf(key, sizeof(key), "%.*s", len, l);
		put_line(b, key, "%s %s", soft, hard);
	}
}

static void put_namespaces(struct buf *b, int proc, pid_t vpid, struct namespaces *ns, bool *own_mounts)
{
	static const char *const kinds[] = { "mnt", "uts", "ipc", "user", "pid", "net", "cgroup", "time" };

	*own_mounts = false;
	for (size_t i = 0; i < array_len(kinds); i++) {
		char path[16], key[16];
		struct stat st;
		pid_t first;

		snprintf(path, sizeof(path), "ns/%s", kinds[i]);
		if (fstatat(proc, path, &st, 0) < 0)
			continue;
		first = first_in(ns, st.st_ino, vpid);
		*own_mounts = *own_mounts || (i == 0 && first == vpid);
		snprintf(key, sizeof(key), "ns %s", kinds[i]);
		put_line(b, key, "%d", (int)first);
	}
}

static int by_name(const void *a, const void *b)
{
	const char *const *x = a, *const *y = b;
	int cmp = strcmp(*x, *y);

	return cmp ? cmp : (x > y) - (x < y);
}

/* What a mount forbids; how it keeps access times is the server's business.  Order is the kernel's (mnt_opts in fs/proc_namespace.c). */
static void put_forbidden(char *out, size_t size, char *options)
{
	static const char *const forbid[] = { "ro", "nosuid", "nodev", "noexec", "nosymfollow" };
	char *save = NULL;

	*out = '\0';
	for (char *o = strtok_r(options, ",", &save); o; o = strtok_r(NULL, ",", &save)) {
		for (size_t i = 0; i < array_len(forbid); i++) {
			if (strcmp(o, forbid[i]) == 0)
				snprintf(out + strlen(out), size - strlen(out), "%s%s", *out ? "," : "", o);
		}
	}
}

/* "36 35 98:0 /root /at rw,noatime shared:1 - ext4 /dev/sda rw" */
static void put_mounts(struct buf *b, int proc)
{
	own_free char *text = NULL;
	own_free char **line = NULL;
	size_t n = 0;
	char *save = NULL;

	if (file_read(proc, "mountinfo", MOUNTS, &text, NULL, NULL) < 0)
		return;
	for (char *l = strtok_r(text, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
		char *at = l, *options, *end, forbids[64];

		for (int field = 0; at && field < 4; field++)
			at = strchr(at, ' ') ? strchr(at, ' ') + 1 : NULL;
		options = at ? strchr(at, ' ') : NULL;
		end = options ? strchr(options + 1, ' ') : NULL;
		if (!end)
			continue;
		*options++ = *end = '\0';
		put_forbidden(forbids, sizeof(forbids), options);
		line = xrealloc(line, (n + 1) * sizeof(*line));
		line[n++] = xasprintf("mount %s\t%s\n", at, forbids);
	}
	if (n)
		qsort(line, n, sizeof(*line), by_name);
	for (size_t i = 0; i < n; i++) {
		buf_put(b, line[i], strlen(line[i]));
		free(line[i]);
	}
}

static char kind_of(const struct statx *st)
{
	switch (st->stx_mode & S_IFMT) {
	case S_IFSOCK:
		return 's';
	case S_IFIFO:
		return 'p';
	case S_IFCHR:
		return 'c';
	case S_IFBLK:
		return 'b';
	case S_IFDIR:
		return 'd';
	default:
		return 'f'; /* what a pidfd is, is another thing in each kernel */
	}
}

static int by_number(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* Never asks a file's server: one inside the container stands still. */
static void put_descriptors(struct buf *b, int proc)
{
	int fd = openat(proc, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	own_dir DIR *d = fd < 0 ? NULL : fdopendir(fd);
	own_free int *number = NULL;
	size_t n = 0;
	struct dirent *entry;

	if (!d)
		return;
	while ((entry = readdir(d))) {
		if (entry->d_name[0] == '.')
			continue;
		if (n % 64 == 0)
			number = xrealloc(number, (n + 64) * sizeof(*number));
		number[n++] = atoi(entry->d_name);
	}
	if (n)
		qsort(number, n, sizeof(*number), by_number);
	buf_put(b, "descriptors\t", 12);
	for (size_t i = 0; i < n; i++) {
		char text[24];
		struct statx st = { .stx_mode = 0 };

		snprintf(text, sizeof(text), "%d", number[i]);
		statx(fd, text, AT_STATX_DONT_SYNC, STATX_TYPE, &st);
		snprintf(text, sizeof(text), "%s%d%c", i ? " " : "", number[i], kind_of(&st));
		buf_put(b, text, strlen(text));
	}
	buf_put_u8(b, '\n');
}

/* "/autogroup-82 nice 0" */
static void put_autogroup(struct buf *b, int proc)
{
	own_free char *text = NULL;
	const char *nice;

	if (file_read(proc, "autogroup", SMALL, &text, NULL, NULL) == 0 && (nice = strstr(text, " nice ")))
		put_line(b, "Autogroup", "%d", atoi(nice + 6));
}

static void put_process(struct buf *b, int proc, pid_t vpid, struct namespaces *ns)
{
	bool own_mounts;

	put_file(b, proc, "oom_score_adj", "oom_score_adj");
	put_file(b, proc, "personality", "personality");
	put_file(b, proc, "loginuid", "Loginuid");
	put_file(b, proc, "coredump_filter", "Coredump_filter");
	put_autogroup(b, proc);
	put_limits(b, proc);
	put_namespaces(b, proc, vpid, ns, &own_mounts);
	if (own_mounts)
		put_mounts(b, proc);
	put_descriptors(b, proc);
}

/* ---- all ---- */

/* Column `depth` of the NSpid line; 0: there is none. */
static pid_t ns_pid(const char *status, int depth, int *columns)
{
	const char *at = strstr(status, "\nNSpid:");
	pid_t found = 0;

	*columns = 0;
	for (at = at ? at + 7 : ""; *at == '\t'; at += strcspn(at, "\t\n")) {
		at++;
		if ((*columns)++ == depth)
			found = (pid_t)strtol(at, NULL, 10);
	}
	return found;
}

struct reading {
	struct tasks *out;
	struct namespaces ns;
	cpu_set_t available;
	int depth; /* of the container's pid namespace */
};

static int read_thread(struct reading *r, const struct proc *p, int proc, pid_t tid, struct err *e)
{
	own_free char *file = xasprintf("task/%d/status", (int)tid);
	own_free char *slack = xasprintf("/proc/%d/timerslack_ns", (int)tid);
	own_free char *status = NULL;
	own_buf struct buf b = BUF_INIT;
	uint8_t *text;
	pid_t vtid;
	int columns;

	if (file_read(proc, file, SMALL, &status, NULL, e) < 0)
		return err_wrap(e, "process %d", (int)p->vpid);
	vtid = ns_pid(status, r->depth, &columns);
	put_status(&b, status);
	put_schedule(&b, tid);
	put_file(&b, AT_FDCWD, slack, "slack");
	put_cpus(&b, tid, &r->available);
	if (tid == p->pid)
		put_process(&b, proc, p->vpid, &r->ns);
	buf_put_u8(&b, '\0');
	if (r->out->n % 64 == 0)
		r->out->v = xrealloc(r->out->v, (r->out->n + 64) * sizeof(*r->out->v));
	text = take_ptr(&b.data);
	r->out->v[r->out->n++] = (struct task){ .tid = tid, .vpid = p->vpid, .vtid = vtid, .text = (char *)text };
	return 0;
}

static int read_process(struct reading *r, const struct proc *p, struct err *e)
{
	own_free char *path = xasprintf("/proc/%d", (int)p->pid);
	own_fd int proc = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int fd = proc < 0 ? -1 : openat(proc, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	own_dir DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!d)
		return err_sys(e, "cannot list the threads of process %d", (int)p->vpid);
	while ((entry = readdir(d))) {
		if (entry->d_name[0] != '.' && read_thread(r, p, proc, atoi(entry->d_name), e) < 0)
			return -1;
	}
	return 0;
}

static int by_vpid(const void *a, const void *b)
{
	const struct proc *x = a, *y = b;

	return (x->vpid > y->vpid) - (x->vpid < y->vpid);
}

static int by_task(const void *a, const void *b)
{
	const struct task *x = a, *y = b;

	return x->vpid != y->vpid ? (x->vpid < y->vpid ? -1 : 1) : (x->vtid > y->vtid) - (x->vtid < y->vtid);
}

/* The container's first process has as many numbers as its namespace is deep. */
static int depth_of(const struct proc *first)
{
	own_free char *path = xasprintf("/proc/%d/status", (int)first->pid);
	own_free char *status = NULL;
	int columns = 0;

	if (file_read(AT_FDCWD, path, SMALL, &status, NULL, NULL) == 0)
		ns_pid(status, 0, &columns);
	return columns - 1;
}

int tasks_read(struct tasks *t, const struct proc *p, size_t n, struct err *e)
{
	own_free struct proc *sorted = xcalloc(n + 1, sizeof(*sorted));
	struct reading r = { .out = t };
	int ret = 0;

	*t = (struct tasks)TASKS_INIT;
	if (!n)
		return 0;
	memcpy(sorted, p, n * sizeof(*p));
	qsort(sorted, n, sizeof(*sorted), by_vpid);
	r.depth = depth_of(sorted);
	tasks_available(sorted->pid, &r.available);
	for (size_t i = 0; i < n && ret == 0; i++) {
		if (!sorted[i].zombie)
			ret = read_process(&r, &sorted[i], e);
	}
	free(r.ns.v);
	if (ret < 0)
		tasks_fini(t);
	else if (t->n)
		qsort(t->v, t->n, sizeof(*t->v), by_task);
	return ret;
}
