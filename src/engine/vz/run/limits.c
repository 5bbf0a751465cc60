// SPDX-License-Identifier: MIT
/*
 * engine/vz/run/limits.c - CPU, memory, process and disk limits of a container's config.
 *
 *	CPUUNITS 8..500000	weight; 1000 is usual
 *	CPULIMIT percent	of one CPU, "50" or "50%"; 0 = none
 *	CPUS n			at most n CPUs' worth; 0 = none
 *	CPUMASK 0-3,6		only there; "all" and "auto" are everywhere
 *	PHYSPAGES, SWAPPAGES	barrier:limit in pages of 4096 bytes; the limit counts
 *	NUMPROC			barrier:limit
 *	DISKSPACE		soft:hard in blocks of 1024 bytes
 *	DISKINODES		soft:hard
 *
 * What a pair may look like: conf_pair_parse.
 */
#include <string.h>
#include <strings.h>

#include "base/log.h"
#include "base/own.h"
#include "base/parse.h"
#include "engine/vz/run/run.h"
#include "host/quota.h"

char *vz_cgroup(const char *id)
{
	return xasprintf("/vz/%s", id);
}

char *vz_cgroup_of_processes(const char *id)
{
	return xasprintf("/vz/%s%s", id, cgroup_is_v2() ? "/ct" : "");
}

/* The limit of "barrier:limit", in bytes or what there are so many of; CGROUP_NO_LIMIT when none is set: so that
 * taking a parameter out of a running container's config lifts it. */
static int hard_of(const struct vz *v, const char *name, unsigned unit, uint64_t *out, struct err *e)
{
	own_free char *text = vz_value(v, name, NULL);
	struct conf_pair p;

	*out = CGROUP_NO_LIMIT;
	if (!text || !*text)
		return 0;
	if (conf_pair_parse(text, name, unit, &p, e) < 0)
		return -1;
	if (p.hard < INT64_MAX / unit)
		*out = p.hard * unit;
	return 0;
}

static int number_of(const struct vz *v, const char *name, uint64_t max, uint64_t *out, struct err *e)
{
	own_free char *text = vz_value(v, name, "");
	size_t n = strlen(text);

	*out = 0;
	while (n && strchr(" \t", text[n - 1]))
		text[--n] = '\0';
	if (n && text[n - 1] == '%' && strcmp(name, "CPULIMIT") == 0)
		text[n - 1] = '\0';
	if (!*text || strcasecmp(text, "unlimited") == 0)
		return 0;
	return parse_u64(text, name, 0, max, out, e);
}

/* "0-3,6", as the kernel takes it; whether it has these CPUs is known when it is told. */
static int mask_check(const char *text, struct err *e)
{
	own_strv struct strv parts = STRV_INIT;

	strv_split(&parts, text, ",");
	for (size_t i = 0; i < parts.n; i++) {
		char *last = strchr(parts.item[i], '-');
		uint64_t a, b;

		if (last)
			*last++ = '\0';
		if (parse_u64(parts.item[i], "", 0, 65535, &a, NULL) < 0 ||
		    parse_u64(last ? last : parts.item[i], "", 0, 65535, &b, NULL) < 0 || b < a)
			return err_set(e, ERR_USAGE, "CPUMASK '%s' is no list of CPUs (such as 0-3,6), not all, and "
				       "not auto", text);
	}
	return 0;
}

static int cpus_of(const struct vz *v, struct cgroup_limits *out, char **cpus, struct err *e)
{
	*cpus = vz_value(v, "CPUMASK", "");
	if (!**cpus || strcmp(*cpus, "all") == 0 || strcmp(*cpus, "auto") == 0)
		return 0;
	out->cpus = *cpus;
	return mask_check(*cpus, e);
}

int vz_limits(const struct vz *v, struct cgroup_limits *out, char **cpus, struct err *e)
{
	uint64_t units, percent, count;

	memset(out, 0, sizeof(*out));
	*cpus = NULL;
	if (number_of(v, "CPUUNITS", 500000, &units, e) < 0 ||
	    number_of(v, "CPULIMIT", 1000000, &percent, e) < 0 ||
	    number_of(v, "CPUS", 100000, &count, e) < 0 ||
	    hard_of(v, "PHYSPAGES", CONF_PAGE, &out->memory, e) < 0 ||
	    hard_of(v, "SWAPPAGES", CONF_PAGE, &out->swap, e) < 0 ||
	    hard_of(v, "NUMPROC", CONF_COUNT, &out->tasks, e) < 0 || cpus_of(v, out, cpus, e) < 0)
		return err_wrap(e, "container %s", v->ct.id);
	out->cpu_shares = (units ? units : 1000) * 1024 / 1000;
	if (count && (!percent || percent > count * 100))
		percent = count * 100;
	out->cpu_permille = percent ? percent * 10 : CGROUP_NO_LIMIT;
	if (!out->swap)
		out->swap = 1; /* none at all */
	return 0;
}

int vz_cgroup_prepare(const struct vz *v, struct err *e)
{
	own_free char *group = vz_cgroup(v->ct.id), *cpus = NULL;
	struct cgroup_limits l;

	if (vz_limits(v, &l, &cpus, e) < 0 || cgroup_make(group, e) < 0)
		return -1;
	return cgroup_limit(group, &l, e);
}

void vz_cgroup_settle(const char *id)
{
	own_free char *group = vz_cgroup(id);

	if (cgroup_is_v2())
		cgroup_undelegate(group);
}

static uint32_t project_of(const char *id)
{
	uint64_t n;
	uint32_t h = 2166136261u;

	if (parse_u64(id, "", 1, UINT32_MAX, &n, NULL) == 0)
		return (uint32_t)n;
	for (; *id; id++)
		h = (h ^ (uint8_t)*id) * 16777619u;
	return h | 0x80000000u;
}

static int pair_of(const struct vz *v, const char *name, unsigned unit, struct conf_pair *out, struct err *e)
{
	own_free char *text = vz_value(v, name, NULL);

	*out = (struct conf_pair){ CONF_UNLIMITED, CONF_UNLIMITED };
	return text && *text ? conf_pair_parse(text, name, unit, out, e) : 0;
}

int vz_disk_limits(const struct vz *v, bool tell, struct err *e)
{
	struct conf_pair space, inodes;
	struct quota_limits l;
	struct err why = ERR_INIT;

	if (pair_of(v, "DISKSPACE", CONF_KIB, &space, e) < 0 || pair_of(v, "DISKINODES", CONF_COUNT, &inodes, e) < 0)
		return -1;
	if (!vz_yes(v, "DISK_QUOTA", true))
		space = inodes = (struct conf_pair){ CONF_UNLIMITED, CONF_UNLIMITED };
	l = (struct quota_limits){
		.soft_bytes = space.soft < INT64_MAX / 1024 ? space.soft * 1024 : 0,
		.hard_bytes = space.hard < INT64_MAX / 1024 ? space.hard * 1024 : 0,
		.soft_inodes = inodes.soft == CONF_UNLIMITED ? 0 : inodes.soft,
		.hard_inodes = inodes.hard == CONF_UNLIMITED ? 0 : inodes.hard,
	};
	if (quota_project_set(v->ct.private_area, project_of(v->ct.id), &l, &why) == 0)
		return 0;
	if (why.code == ERR_UNSUPPORTED) {
		if (tell && (l.hard_bytes || l.hard_inodes))
			log_info("disk space of container %s is not limited: %s", v->ct.id, why.msg);
		return 0;
	}
	if (e)
		*e = why;
	return -1;
}
