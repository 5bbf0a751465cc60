// SPDX-License-Identifier: MIT
#include "host/machine.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/vfs.h>

#include "base/file.h"
#include "base/own.h"

enum { PROC_MAX = 16 << 20, CGROUP2_MAGIC = 0x63677270 };

static char *proc_text(const char *path)
{
	char *text = NULL;

	if (file_read(AT_FDCWD, path, PROC_MAX, &text, NULL, NULL) < 0)
		return xstrdup("");
	return text;
}

void machine_cpu_flags(const char *cpuinfo, struct strv *out)
{
	for (const char *line = cpuinfo; line && *line;) {
		const char *end = strchrnul(line, '\n');
		const char *colon = memchr(line, ':', (size_t)(end - line));

		if (colon && (!strncmp(line, "flags", 5) || !strncmp(line, "Features", 8))) {
			own_free char *words = xstrndup(colon + 1, (size_t)(end - colon - 1));

			strv_split(out, words, " \t");
			return;
		}
		line = *end ? end + 1 : end;
	}
}

void machine_filesystems(const char *text, struct strv *out)
{
	own_strv struct strv words = STRV_INIT;

	strv_split(&words, text, " \t\n");
	for (size_t i = 0; i < words.n; i++) {
		if (strcmp(words.item[i], "nodev"))
			strv_add(out, words.item[i]);
	}
}

/* Kernel module names: '-' and '_' are the same. */
static bool same_module(const char *a, size_t n, const char *b)
{
	for (size_t i = 0; i < n; i++) {
		char x = a[i] == '-' ? '_' : a[i], y = b[i] == '-' ? '_' : b[i];

		if (x != y)
			return false;
	}
	return !b[n];
}

/* Is NAME.ko[.xz] one of the paths that begin the lines of the text? */
static bool listed(const char *text, const char *name)
{
	for (const char *line = text; *line;) {
		const char *end = strchrnul(line, '\n');
		size_t n = strcspn(line, ":\n");
		const char *base = memrchr(line, '/', n);
		const char *dot;

		base = base ? base + 1 : line;
		dot = memchr(base, '.', n - (size_t)(base - line));
		if (dot && same_module(base, (size_t)(dot - base), name))
			return true;
		line = *end ? end + 1 : end;
	}
	return false;
}

bool machine_has_module(const char *name)
{
	own_free char *dir = xasprintf("/sys/module/%s", name);
	own_free char *dep = NULL;
	own_free char *builtin = NULL;
	own_free char *dep_text = NULL;
	own_free char *builtin_text = NULL;
	struct utsname u;

	if (access(dir, F_OK) == 0)
		return true;
	uname(&u);
	dep = xasprintf("/lib/modules/%s/modules.dep", u.release);
	builtin = xasprintf("/lib/modules/%s/modules.builtin", u.release);
	dep_text = proc_text(dep);
	builtin_text = proc_text(builtin);
	return listed(dep_text, name) || listed(builtin_text, name);
}

/* "MemTotal:  123 kB" -> bytes */
static uint64_t meminfo(const char *text, const char *key)
{
	const char *at = strstr(text, key);
	unsigned long long kb = 0;

	if (!at || sscanf(at + strlen(key), " %llu", &kb) != 1)
		return 0;
	return kb * 1024;
}

static unsigned cgroup_mode(void)
{
	struct statfs s;

	if (statfs("/sys/fs/cgroup", &s) < 0)
		return 0;
	if (s.f_type == CGROUP2_MAGIC)
		return 3;
	if (statfs("/sys/fs/cgroup/unified", &s) == 0 && s.f_type == CGROUP2_MAGIC)
		return 2;
	return 1;
}

/* The name, for machines that were woken from one snapshot have been booted as one. */
static char *machine_id(const char *hostname)
{
	own_free char *boot = proc_text("/proc/sys/kernel/random/boot_id");
	char net[64] = "", pid[64] = "";

	boot[strcspn(boot, "\n")] = '\0';
	if (readlink("/proc/self/ns/net", net, sizeof(net) - 1) < 0)
		net[0] = '\0';
	if (readlink("/proc/self/ns/pid", pid, sizeof(pid) - 1) < 0)
		pid[0] = '\0';
	return xasprintf("%s %s %s %s", boot, net, pid, hostname);
}

void machine_look(struct machine *m)
{
	own_free char *cpuinfo = proc_text("/proc/cpuinfo");
	own_free char *fs = proc_text("/proc/filesystems");
	own_free char *mem = proc_text("/proc/meminfo");
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	struct utsname u;

	*m = (struct machine){ .hostname = NULL };
	uname(&u);
	m->hostname = xstrdup(u.nodename);
	m->arch = xstrdup(u.machine);
	m->kernel = xstrdup(u.release);
	m->id = machine_id(m->hostname);
	m->cpus = cpus > 0 ? (uint32_t)cpus : 0;
	m->memory = meminfo(mem, "MemTotal:");
	m->memory_free = meminfo(mem, "MemAvailable:");
	m->cgroup = cgroup_mode();
	machine_cpu_flags(cpuinfo, &m->cpu_flags);
	machine_filesystems(fs, &m->filesystems);
}

void machine_fini(struct machine *m)
{
	free(m->hostname);
	free(m->id);
	free(m->arch);
	free(m->kernel);
	strv_fini(&m->cpu_flags);
	strv_fini(&m->filesystems);
	*m = (struct machine){ .hostname = NULL };
}
