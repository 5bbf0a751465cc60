// SPDX-License-Identifier: MIT
/* What CRIU 4.2 does not restore, and can be set for another task. */
#include "criu/carry/tasks.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/ioprio.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/own.h"
#include "base/strv.h"
#include "criu/carry/tasks_priv.h"
#include "criu/cgroups.h"

enum { LIST_MAX = 16 << 10 };

/* "0-3,8" */
static void parse_list(const char *s, cpu_set_t *out)
{
	CPU_ZERO(out);
	while (*s >= '0' && *s <= '9') {
		char *end;
		unsigned long from = strtoul(s, &end, 10), to = *end == '-' ? strtoul(end + 1, &end, 10) : from;

		for (; from <= to && from < CPU_SETSIZE; from++)
			CPU_SET(from, out);
		s = *end == ',' ? end + 1 : end;
	}
}

void tasks_available(pid_t pid, cpu_set_t *out)
{
	own_free char *v1 = cgroups_mount("cpuset");
	own_free char *dir = cgroups_dir(pid, v1 ? "cpuset" : NULL, NULL);
	own_free char *file = xasprintf("%s/%s", dir ? dir : "", v1 ? "cpuset.effective_cpus" : "cpuset.cpus.effective");
	own_free char *text = NULL;

	if ((!dir || file_read(AT_FDCWD, file, LIST_MAX, &text, NULL, NULL) < 0) &&
	    file_read(AT_FDCWD, "/sys/devices/system/cpu/online", LIST_MAX, &text, NULL, NULL) < 0)
		CPU_ZERO(out);
	else
		parse_list(text, out);
}

static int give_cpus(pid_t tid, const char *value, struct err *e)
{
	cpu_set_t set;
	size_t len = strlen(value);

	memset(&set, strcmp(value, "all") == 0 ? 0xff : 0, sizeof(set));
	for (size_t i = 0; strcmp(value, "all") != 0 && i < len && i < CPU_SETSIZE / 4; i++) {
		const char digit[2] = { value[len - 1 - i] };
		unsigned long v = strtoul(digit, NULL, 16);

		for (unsigned bit = 0; bit < 4; bit++) {
			if (v & 1ul << bit)
				CPU_SET(4 * i + bit, &set);
		}
	}
	if (sched_setaffinity(tid, sizeof(set), &set) == 0)
		return 0;
	if (errno != EINVAL)
		return err_sys(e, "its CPUs cannot be set");
	log_warn("the CPUs that task %d was bound to (mask %s) are not here: it runs on any", (int)tid, value);
	memset(&set, 0xff, sizeof(set));
	return sched_setaffinity(tid, sizeof(set), &set) < 0 ? err_sys(e, "its CPUs cannot be set") : 0;
}

static int give_ioprio(pid_t tid, const char *value, struct err *e)
{
	return syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, tid, atoi(value)) < 0 ?
		       err_sys(e, "its I/O priority cannot be set") : 0;
}

static int give_sched(pid_t tid, const char *value, struct err *e)
{
	struct task_sched s = { .size = sizeof(s) };
	unsigned long long flags = 0, runtime = 0, deadline = 0, period = 0;

	if (sscanf(value, "%u %llu %d %u %llu %llu %llu", &s.policy, &flags, &s.nice, &s.priority, &runtime, &deadline,
		   &period) < 4)
		return err_set(e, ERR_PROTO, "its scheduling cannot be understood");
	s.flags = flags;
	s.runtime = runtime;
	s.deadline = deadline;
	s.period = period;
	return syscall(SYS_sched_setattr, tid, &s, 0) < 0 ? err_sys(e, "its scheduling cannot be set") : 0;
}

static int give_by_file(pid_t tid, const char *file, const char *prefix, const char *value, struct err *e)
{
	own_free char *path = xasprintf("/proc/%d/%s", (int)tid, file);
	own_free char *text = xasprintf("%s%s", prefix, value);

	return file_poke(AT_FDCWD, path, text, e);
}

/* By RLIMIT_ number, as /proc/PID/limits calls them. */
static const char *const limits[] = { "Max cpu time", "Max file size", "Max data size", "Max stack size",
				      "Max core file size", "Max resident set", "Max processes", "Max open files",
				      "Max locked memory", "Max address space", "Max file locks", "Max pending signals",
				      "Max msgqueue size", "Max nice priority", "Max realtime priority",
				      "Max realtime timeout" };

static rlim_t limit_of(const char *word)
{
	return strcmp(word, "unlimited") == 0 ? RLIM_INFINITY : strtoull(word, NULL, 10);
}

static bool may_raise_limits(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };

	return syscall(SYS_capget, &head, data) == 0 && data[0].effective & 1u << CAP_SYS_RESOURCE;
}

/* CRIU tries (restore_limits in pie/restorer.c), and does not look whether it was allowed. */
static int give_limit(pid_t tid, unsigned resource, const char *value, struct err *e)
{
	char soft[24], hard[24];
	struct rlimit r;

	if (sscanf(value, "%23s %23s", soft, hard) != 2)
		return err_set(e, ERR_PROTO, "its limits cannot be understood");
	r = (struct rlimit){ limit_of(soft), limit_of(hard) };
	if (prlimit(tid, resource, &r, NULL) == 0)
		return 0;
	if (errno != EPERM || may_raise_limits())
		return err_sys(e, "its limit cannot be set (%s)", limits[resource]);
	log_info("without CAP_SYS_RESOURCE task %d does not get its limit back: %s %s", (int)tid, limits[resource], value);
	return 0;
}

/* linux/mount.h of 5.12 */
struct attributes {
	uint64_t set, clear, propagation, userns_fd;
};

static uint64_t forbids_of(const char *value)
{
	static const struct {
		const char *word;
		uint64_t bit;
	} words[] = { { "ro", 1 }, { "nosuid", 2 }, { "nodev", 4 }, { "noexec", 8 }, { "nosymfollow", 0x200000 } };
	own_strv struct strv list = STRV_INIT;
	uint64_t bits = 0;

	strv_split(&list, value, ",");
	for (size_t i = 0; i < array_len(words); i++)
		bits |= strv_has(&list, words[i].word) ? words[i].bit : 0;
	return bits;
}

/*
 * CRIU leaves out what a mount forbids when another mount of the same file system, which it takes for where this one
 * comes from, forbids the same (do_bind_mount_v2 in mount-v2.c): those that are external come from elsewhere.
 * A child enters: the agent has threads.
 */
static int give_mount(pid_t tid, const char *at, const char *value, struct err *e)
{
	static const uint64_t all = 1 | 2 | 4 | 8 | 0x200000;
	const uint64_t set = forbids_of(value);
	struct attributes a = { .set = set, .clear = all & ~set };
	own_free char *path = xasprintf("/proc/%d/ns/mnt", (int)tid);
	own_fd int ns = open(path, O_RDONLY | O_CLOEXEC);
	int status = 0;
	pid_t pid = ns < 0 ? -1 : fork();

	if (pid == 0)
		_exit(setns(ns, CLONE_NEWNS) == 0 &&
				      syscall(SYS_mount_setattr, AT_FDCWD, at, AT_SYMLINK_NOFOLLOW, &a, sizeof(a)) == 0 ?
			      0 : errno);
	if (pid < 0)
		return err_sys(e, "its mounts cannot be reached");
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	errno = WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
	return errno ? err_sys(e, "what its mount %s forbids cannot be set (%s)", at, value) : 0;
}

int tasks_give(pid_t tid, const char *key, const char *value, bool *done, struct err *e)
{
	*done = true;
	if (strcmp(key, "cpus") == 0)
		return give_cpus(tid, value, e);
	if (strcmp(key, "ioprio") == 0)
		return give_ioprio(tid, value, e);
	if (strcmp(key, "sched") == 0)
		return give_sched(tid, value, e);
	if (strcmp(key, "slack") == 0) /* a task of a real-time class has none, and the file takes nothing */
		return give_by_file(tid, "timerslack_ns", "", value, e);
	if (strcmp(key, "oom_score_adj") == 0)
		return give_by_file(tid, "oom_score_adj", "", value, e);
	if (strcmp(key, "Coredump_filter") == 0)
		return give_by_file(tid, "coredump_filter", "0x", value, e);
	if (strcmp(key, "Autogroup") == 0)
		return give_by_file(tid, "autogroup", "", value, e);
	if (strncmp(key, "mount ", 6) == 0)
		return give_mount(tid, key + 6, value, e);
	for (unsigned i = 0; i < array_len(limits); i++) {
		if (strcmp(key, limits[i]) == 0)
			return give_limit(tid, i, value, e);
	}
	*done = false;
	return 0;
}
