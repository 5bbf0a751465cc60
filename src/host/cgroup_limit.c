// SPDX-License-Identifier: MIT
/* host/cgroup_limit.c - limits of a group, in v1's and in v2's files. */
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "base/own.h"
#include "host/cgroup.h"

enum { PERIOD_US = 100000 };

struct target {
	const char *path;
	struct strv missing; /* files that are not there */
};

/* One file of one controller; without the controller it is noted. */
static int write_limit(struct target *t, const char *controller, const char *file,
		       const char *value, struct err *e)
{
	own_free char *dir = cgroup_dir(controller, t->path);
	own_free char *full = dir ? xasprintf("%s/%s", dir, file) : NULL;

	if (!full || access(full, F_OK) < 0) {
		if (!strv_has(&t->missing, file))
			strv_add(&t->missing, file);
		return 0;
	}
	return file_poke(AT_FDCWD, full, value, e);
}

static char *number(uint64_t v, const char *none)
{
	return v == CGROUP_NO_LIMIT ? xstrdup(none) : xasprintf("%" PRIu64, v);
}

static uint64_t clamp(uint64_t v, uint64_t low, uint64_t high)
{
	return v < low ? low : v > high ? high : v;
}

static int cpu_v1(struct target *t, const struct cgroup_limits *l, struct err *e)
{
	if (l->cpu_shares) {
		own_free char *shares = number(clamp(l->cpu_shares, 2, 262144), "1024");

		if (write_limit(t, "cpu", "cpu.shares", shares, e) < 0)
			return -1;
	}
	if (l->cpu_permille) {
		own_free char *quota = number(l->cpu_permille == CGROUP_NO_LIMIT ?
						      CGROUP_NO_LIMIT :
						      l->cpu_permille * PERIOD_US / 1000, "-1");

		if (write_limit(t, "cpu", "cpu.cfs_period_us", "100000", e) < 0 ||
		    write_limit(t, "cpu", "cpu.cfs_quota_us", quota, e) < 0)
			return -1;
	}
	return l->cpus ? write_limit(t, "cpuset", "cpuset.cpus", l->cpus, e) : 0;
}

static int cpu_v2(struct target *t, const struct cgroup_limits *l, struct err *e)
{
	if (l->cpu_shares) {
		own_free char *weight = number(clamp(l->cpu_shares * 100 / 1024, 1, 10000), "100");

		if (write_limit(t, "cpu", "cpu.weight", weight, e) < 0)
			return -1;
	}
	if (l->cpu_permille) {
		own_free char *quota = number(l->cpu_permille == CGROUP_NO_LIMIT ?
						      CGROUP_NO_LIMIT :
						      l->cpu_permille * PERIOD_US / 1000, "max");
		own_free char *max = xasprintf("%s %d", quota, PERIOD_US);

		if (write_limit(t, "cpu", "cpu.max", max, e) < 0)
			return -1;
	}
	return l->cpus ? write_limit(t, "cpuset", "cpuset.cpus", l->cpus, e) : 0;
}

/* v1 limits memory and memory+swap, and refuses a sum below its part at every moment:
 * one of the two orders is right. */
static int memory_v1(struct target *t, const struct cgroup_limits *l, struct err *e)
{
	own_free char *memory = number(l->memory, "-1");
	uint64_t sum = l->memory == CGROUP_NO_LIMIT || l->swap == CGROUP_NO_LIMIT ?
			       CGROUP_NO_LIMIT :
			       l->memory + (l->swap > 1 ? l->swap : 0);
	own_free char *both = number(sum, "-1");

	if (!l->memory)
		return 0;
	if (!l->swap)
		return write_limit(t, "memory", "memory.limit_in_bytes", memory, e);
	if (write_limit(t, "memory", "memory.limit_in_bytes", memory, NULL) == 0)
		return write_limit(t, "memory", "memory.memsw.limit_in_bytes", both, e);
	if (write_limit(t, "memory", "memory.memsw.limit_in_bytes", both, e) < 0)
		return -1;
	return write_limit(t, "memory", "memory.limit_in_bytes", memory, e);
}

static int memory_v2(struct target *t, const struct cgroup_limits *l, struct err *e)
{
	own_free char *memory = number(l->memory, "max");
	own_free char *swap = number(l->swap > 1 ? l->swap : 0, "max");

	if (l->memory && write_limit(t, "memory", "memory.max", memory, e) < 0)
		return -1;
	return l->swap ? write_limit(t, "memory", "memory.swap.max", swap, e) : 0;
}

static int limit_all(struct target *t, const struct cgroup_limits *l, struct err *e)
{
	bool v2 = cgroup_is_v2();
	own_free char *tasks = number(l->tasks, "max");

	if ((v2 ? cpu_v2 : cpu_v1)(t, l, e) < 0 || (v2 ? memory_v2 : memory_v1)(t, l, e) < 0)
		return -1;
	return l->tasks ? write_limit(t, "pids", "pids.max", tasks, e) : 0;
}

int cgroup_limit(const char *path, const struct cgroup_limits *l, struct err *e)
{
	struct target t = { .path = path, .missing = STRV_INIT };
	int ret = limit_all(&t, l, e);

	if (t.missing.n) {
		own_free char *list = strv_join(&t.missing, ", ");

		log_info("%s is not fully limited: this server has no %s", path, list);
	}
	strv_fini(&t.missing);
	return ret < 0 ? err_wrap(e, "cannot limit %s", path) : 0;
}
