// SPDX-License-Identifier: MIT
/*
 * engine/vz/run/bundle.c - the OCI bundle of a native container.
 *
 * LIVE_PROFILE="yes" (the default) writes the configuration with which everything in the
 * container, systemd and its services included, can be dumped and restored by CRIU:
 *
 *	seccomp					see vz_seccomp.c
 *	/sys/fs/cgroup is cgroup2, hybrid hosts	systemd on v1 cannot be restored; limits are
 *	included				on the host's side
 *	/proc/pressure masked, and systemd told	a restored pressure trigger only says POLLERR
 *	(vz_dropin.c)
 *	/run/credentials a shared tmpfs		credentials would be on ramfs, which is not dumped
 *	no MPTCP in the network			sockets that CRIU does not know
 *	annotation org.criu.config		cgroup-root and file systems, for `runc checkpoint`
 *
 * Never, in either profile: a user namespace (shifted owners would have to be kept on both
 * servers).  Bind mounts of the host's files only as BINDMOUNT says: external mounts tie a container down.
 */
#include <cjson/cJSON.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>

#include "base/file.h"
#include "base/own.h"
#include "base/path.h"
#include "engine/vz/run/grants.h"
#include "engine/vz/run/run.h"
#include "engine/vz/run/seccomp.h"

enum { NOFILE_SOFT = 1024, NOFILE_HARD = 524288 };

/* All capabilities but those that reach the host: modules, raw I/O, the clock, the audit
 * log, limits beyond the container's, tracing by bpf. */
static const char *const default_caps[] = {
	"CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID",
	"SETUID", "SETPCAP", "LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN",
	"NET_RAW", "IPC_LOCK", "IPC_OWNER", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN",
	"SYS_BOOT", "SYS_NICE", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "SETFCAP",
};

/* CAPABILITY over the default. */
static void capabilities(const struct vz *v, struct strv *out)
{
	own_free char *text = vz_value(v, "CAPABILITY", "");
	own_strv struct strv words = STRV_INIT, on = STRV_INIT, off = STRV_INIT;

	strv_split(&words, text, " \t,");
	for (size_t i = 0; i < words.n; i++) {
		bool give;
		own_free char *name = vz_capability(words.item[i], &give);

		if (name)
			strv_add(give ? &on : &off, name);
	}
	for (size_t i = 0; i < array_len(default_caps); i++) {
		own_free char *name = xasprintf("CAP_%s", default_caps[i]);

		if (!strv_has(&off, name))
			strv_add(out, name);
	}
	for (size_t i = 0; i < on.n; i++) {
		if (!strv_has(out, on.item[i]))
			strv_add(out, on.item[i]);
	}
}

static cJSON *string_array(const struct strv *v)
{
	return cJSON_CreateStringArray((const char *const *)v->item, (int)v->n);
}

/* Not more than we may give: where CAP_SYS_RESOURCE is missing our own limit is the end. */
static cJSON *rlimits(void)
{
	cJSON *list = cJSON_CreateArray(), *item = cJSON_CreateObject();
	struct rlimit now, want = { NOFILE_SOFT, NOFILE_HARD };

	if (getrlimit(RLIMIT_NOFILE, &now) == 0 && now.rlim_max < want.rlim_max &&
	    setrlimit(RLIMIT_NOFILE, &(struct rlimit){ now.rlim_cur, want.rlim_max }) < 0)
		want.rlim_max = now.rlim_max;
	else
		setrlimit(RLIMIT_NOFILE, &now);
	cJSON_AddStringToObject(item, "type", "RLIMIT_NOFILE");
	cJSON_AddNumberToObject(item, "soft", (double)want.rlim_cur);
	cJSON_AddNumberToObject(item, "hard", (double)want.rlim_max);
	cJSON_AddItemToArray(list, item);
	return list;
}

static void environment(const struct vz *v, bool live, struct strv *env)
{
	own_free char *more = vz_value(v, "VE_ENVIRONMENT", "");

	strv_add(env, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	strv_add(env, "container=oci");
	strv_add(env, "TERM=linux");
	strv_add(env, "HOME=/root");
	if (live)
		strv_add(env, "MEMORY_PRESSURE_WATCH=/dev/null");
	strv_split(env, more, " \t");
}

static cJSON *process(const struct vz *v, const struct vz_init *init, bool live)
{
	static const char *const sets[] = { "bounding", "effective", "permitted" };
	own_strv struct strv env = STRV_INIT, caps = STRV_INIT;
	cJSON *p = cJSON_CreateObject(), *user, *c;

	environment(v, live, &env);
	capabilities(v, &caps);
	cJSON_AddFalseToObject(p, "terminal");
	user = cJSON_AddObjectToObject(p, "user");
	cJSON_AddNumberToObject(user, "uid", 0);
	cJSON_AddNumberToObject(user, "gid", 0);
	cJSON_AddStringToObject(p, "cwd", "/");
	cJSON_AddItemToObject(p, "args", string_array(&init->argv));
	cJSON_AddItemToObject(p, "env", string_array(&env));
	c = cJSON_AddObjectToObject(p, "capabilities");
	for (size_t i = 0; i < array_len(sets); i++)
		cJSON_AddItemToObject(c, sets[i], string_array(&caps));
	cJSON_AddItemToObject(p, "rlimits", rlimits());
	cJSON_AddFalseToObject(p, "noNewPrivileges");
	return p;
}

struct mount_row {
	const char *at, *type, *options;
	enum { EVERY, SYSTEM, SYSTEM_LIVE } who; /* SYSTEM: has an init, not a single service */
};

static const struct mount_row mount_rows[] = {
	{ "/proc", "proc", "nosuid,noexec,nodev", EVERY },
	{ "/sys", "sysfs", "nosuid,noexec,nodev,ro", EVERY },
	{ "/dev", "tmpfs", "nosuid,strictatime,mode=755,size=65536k", EVERY },
	{ "/dev/pts", "devpts", "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5", EVERY },
	{ "/dev/shm", "tmpfs", "nosuid,nodev,mode=1777", EVERY },
	{ "/sys/fs/cgroup", "cgroup2", "nosuid,noexec,nodev,relatime,rw", SYSTEM },
	{ "/dev/mqueue", "mqueue", "nosuid,noexec,nodev", SYSTEM },
	{ "/run", "tmpfs", "nosuid,nodev,strictatime,mode=755,size=20%", SYSTEM },
	{ "/run/lock", "tmpfs", "nosuid,nodev,noexec,relatime,mode=1777,size=5120k", SYSTEM },
	{ "/run/credentials", "tmpfs", "nosuid,nodev,noexec,mode=755,size=16m,shared", SYSTEM_LIVE },
};

static cJSON *mounts(enum vz_init_kind kind, bool live)
{
	cJSON *list = cJSON_CreateArray();

	for (size_t i = 0; i < array_len(mount_rows); i++) {
		const struct mount_row *r = &mount_rows[i];
		own_strv struct strv options = STRV_INIT;
		const char *type = r->type;
		cJSON *m;

		if ((r->who != EVERY && kind == VZ_INIT_SERVICE) || (r->who == SYSTEM_LIVE && !live))
			continue;
		/* runc has its own name for it where there is nothing else */
		if (strcmp(type, "cgroup2") == 0 && cgroup_is_v2())
			type = "cgroup";
		m = cJSON_CreateObject();
		strv_split(&options, r->options, ",");
		cJSON_AddStringToObject(m, "destination", r->at);
		cJSON_AddStringToObject(m, "type", type);
		cJSON_AddStringToObject(m, "source", type);
		cJSON_AddItemToObject(m, "options", string_array(&options));
		cJSON_AddItemToArray(list, m);
	}
	return list;
}

static void add_device(cJSON *list, bool allow, const char *type, int major, int minor,
		       const char *access)
{
	cJSON *d = cJSON_CreateObject();

	cJSON_AddBoolToObject(d, "allow", allow);
	if (type)
		cJSON_AddStringToObject(d, "type", type);
	if (major >= 0)
		cJSON_AddNumberToObject(d, "major", major);
	if (minor >= 0)
		cJSON_AddNumberToObject(d, "minor", minor);
	cJSON_AddStringToObject(d, "access", access);
	cJSON_AddItemToArray(list, d);
}

/* Nodes of any kind may be made (a moved tree has them), only these may be opened. */
static cJSON *devices(void)
{
	static const int usable[][2] = { { 1, 3 }, { 1, 5 }, { 1, 7 }, { 1, 8 }, { 1, 9 },
					 { 5, 0 }, { 5, 1 }, { 5, 2 }, { 136, -1 } };
	cJSON *list = cJSON_CreateArray();

	add_device(list, false, NULL, -1, -1, "rwm");
	add_device(list, true, "c", -1, -1, "m");
	add_device(list, true, "b", -1, -1, "m");
	for (size_t i = 0; i < array_len(usable); i++)
		add_device(list, true, "c", usable[i][0], usable[i][1], "rwm");
	return list;
}

static cJSON *namespaces(const struct vz *v)
{
	static const char *const types[] = { "pid", "ipc", "uts", "mount", "cgroup", "network" };
	cJSON *list = cJSON_CreateArray();

	for (size_t i = 0; i < array_len(types); i++) {
		cJSON *n = cJSON_CreateObject();

		cJSON_AddStringToObject(n, "type", types[i]);
		if (strcmp(types[i], "network") == 0)
			cJSON_AddStringToObject(n, "path", v->netns);
		cJSON_AddItemToArray(list, n);
	}
	return list;
}

static cJSON *linux_part(const struct vz *v, bool live)
{
	own_free char *group = vz_cgroup_of_processes(v->ct.id);
	own_strv struct strv masked = STRV_INIT, readonly = STRV_INIT;
	cJSON *l = cJSON_CreateObject(), *resources, *rules = devices(), *nodes = cJSON_CreateArray();

	strv_split(&masked, "/proc/kcore /proc/keys /proc/timer_list /proc/sched_debug "
			    "/proc/latency_stats /proc/acpi /sys/firmware", " ");
	if (live)
		strv_add(&masked, "/proc/pressure");
	strv_split(&readonly, "/proc/bus /proc/fs /proc/irq /proc/sysrq-trigger /proc/sys", " ");
	cJSON_AddStringToObject(l, "cgroupsPath", group);
	resources = cJSON_AddObjectToObject(l, "resources");
	vz_grant_devices(v, rules, nodes);
	cJSON_AddItemToObject(resources, "devices", rules);
	cJSON_AddItemToObject(l, "devices", nodes);
	cJSON_AddItemToObject(l, "namespaces", namespaces(v));
	cJSON_AddItemToObject(l, "maskedPaths", string_array(&masked));
	cJSON_AddItemToObject(l, "readonlyPaths", string_array(&readonly));
	cJSON_AddItemToObject(l, "seccomp", vz_seccomp(live));
	return l;
}

static cJSON *config(const struct vz *v, const struct vz_init *init, bool live, struct err *e)
{
	own_free char *hostname = vz_value(v, "HOSTNAME", "ct$VEID");
	own_free char *criu = xasprintf("%s/criu.conf", v->run_dir);
	cJSON *c, *root, *notes, *list = mounts(init->kind, live);

	if (vz_grant_mounts(v, list, e) < 0) {
		cJSON_Delete(list);
		return NULL;
	}
	c = cJSON_CreateObject();
	cJSON_AddStringToObject(c, "ociVersion", "1.0.2");
	cJSON_AddStringToObject(c, "hostname", hostname);
	cJSON_AddItemToObject(c, "process", process(v, init, live));
	root = cJSON_AddObjectToObject(c, "root");
	cJSON_AddStringToObject(root, "path", v->ct.root);
	cJSON_AddFalseToObject(root, "readonly");
	cJSON_AddItemToObject(c, "mounts", list);
	cJSON_AddItemToObject(c, "linux", linux_part(v, live));
	notes = cJSON_AddObjectToObject(c, "annotations");
	cJSON_AddStringToObject(notes, "org.criu.config", criu);
	cJSON_AddStringToObject(notes, "org.pmigrate.engine", "vz");
	return c;
}

static int write_text(const struct vz *v, const char *name, const char *text, struct err *e)
{
	own_free char *file = xasprintf("%s/%s", v->run_dir, name);

	return file_replace(AT_FDCWD, file, text, strlen(text), 0600, e);
}

int vz_bundle_write(const struct vz *v, const struct vz_init *init, struct err *e)
{
	own_free char *group = vz_cgroup_of_processes(v->ct.id);
	own_free char *criu = xasprintf("cgroup-root :%s\nenable-fs hugetlbfs,ramfs\n", group);
	own_free char *conf = conf_text(&v->conf), *json = NULL;
	cJSON *c;

	if (path_mkdirs(v->run_dir, 0700, e) < 0 || write_text(v, "conf", conf, e) < 0 ||
	    write_text(v, "criu.conf", criu, e) < 0)
		return -1;
	c = config(v, init, vz_live_profile(v), e);
	if (!c)
		return -1;
	json = xmust(cJSON_Print(c));
	cJSON_Delete(c);
	return write_text(v, "config.json", json, e);
}
