// SPDX-License-Identifier: MIT
#include "engine/inside.h"

#include <cjson/cJSON.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/file.h"
#include "base/own.h"
#include "base/path.h"
#include "base/spawn.h"
#include "base/strv.h"

#define INSIDE_RUN_DIR "/run/pmigrate"

enum { SCRIPT_MAX = 63 << 10, OUTPUT_MAX = 1 << 20, CLEAN_MS = 20000, PROCESSES = 512 };

static cJSON *strings(const char *const *list)
{
	cJSON *a = cJSON_CreateArray();

	for (; list && *list; list++)
		cJSON_AddItemToArray(a, cJSON_CreateString(*list));
	return a;
}

#define STRINGS(...) strings((const char *const[]){ __VA_ARGS__, NULL })

/* What a root needs who edits files of all owners, and nothing more. */
static cJSON *capabilities(void)
{
	static const char *const sets[] = { "bounding", "effective", "permitted" };
	cJSON *caps = cJSON_CreateObject();

	for (size_t i = 0; i < array_len(sets); i++)
		cJSON_AddItemToObject(caps, sets[i],
				      STRINGS("CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER",
					      "CAP_FSETID", "CAP_SETGID", "CAP_SETUID",
					      "CAP_KILL"));
	return caps;
}

static cJSON *process(const char *const *env)
{
	cJSON *p = cJSON_CreateObject();
	cJSON *vars = STRINGS("PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C");
	cJSON *user = cJSON_AddObjectToObject(p, "user");

	for (; env && *env; env++)
		cJSON_AddItemToArray(vars, cJSON_CreateString(*env));
	cJSON_AddNumberToObject(user, "uid", 0);
	cJSON_AddNumberToObject(user, "gid", 0);
	cJSON_AddBoolToObject(p, "terminal", false);
	cJSON_AddItemToObject(p, "args", STRINGS("/bin/sh", "-s"));
	cJSON_AddItemToObject(p, "env", vars);
	cJSON_AddStringToObject(p, "cwd", "/");
	cJSON_AddItemToObject(p, "capabilities", capabilities());
	cJSON_AddBoolToObject(p, "noNewPrivileges", true);
	return p;
}

static void add_mount(cJSON *mounts, const char *type, const char *at, cJSON *options)
{
	cJSON *m = cJSON_CreateObject();

	cJSON_AddStringToObject(m, "type", type);
	cJSON_AddStringToObject(m, "source", type);
	cJSON_AddStringToObject(m, "destination", at);
	cJSON_AddItemToObject(m, "options", options);
	cJSON_AddItemToArray(mounts, m);
}

static cJSON *linux_part(const char *id)
{
	static const char *const spaces[] = { "pid", "network", "ipc", "uts", "mount" };
	cJSON *l = cJSON_CreateObject(), *ns = cJSON_AddArrayToObject(l, "namespaces");
	own_free char *cgroup = xasprintf("/%s", id);
	cJSON *pids;

	for (size_t i = 0; i < array_len(spaces); i++) {
		cJSON *n = cJSON_CreateObject();

		cJSON_AddStringToObject(n, "type", spaces[i]);
		cJSON_AddItemToArray(ns, n);
	}
	cJSON_AddStringToObject(l, "cgroupsPath", cgroup);
	pids = cJSON_AddObjectToObject(cJSON_AddObjectToObject(l, "resources"), "pids");
	cJSON_AddNumberToObject(pids, "limit", PROCESSES);
	cJSON_AddItemToObject(l, "maskedPaths",
			      STRINGS("/proc/kcore", "/proc/keys", "/proc/timer_list",
				      "/proc/sched_debug", "/proc/scsi", "/proc/acpi"));
	cJSON_AddItemToObject(l, "readonlyPaths",
			      STRINGS("/proc/sys", "/proc/sysrq-trigger", "/proc/irq",
				      "/proc/bus", "/proc/fs"));
	return l;
}

char *inside_spec(const char *tree, const char *id, const char *const *env)
{
	cJSON *spec = cJSON_CreateObject(), *root, *mounts;
	char *text;

	cJSON_AddStringToObject(spec, "ociVersion", "1.0.2");
	cJSON_AddItemToObject(spec, "process", process(env));
	root = cJSON_AddObjectToObject(spec, "root");
	cJSON_AddStringToObject(root, "path", tree);
	cJSON_AddBoolToObject(root, "readonly", false);
	cJSON_AddStringToObject(spec, "hostname", "inside");
	mounts = cJSON_AddArrayToObject(spec, "mounts");
	add_mount(mounts, "proc", "/proc", STRINGS("nosuid", "noexec", "nodev"));
	add_mount(mounts, "tmpfs", "/dev", STRINGS("nosuid", "mode=755", "size=65536k"));
	add_mount(mounts, "tmpfs", "/tmp", STRINGS("nosuid", "nodev", "mode=1777"));
	cJSON_AddItemToObject(spec, "linux", linux_part(id));
	text = xmust(cJSON_PrintUnformatted(spec));
	cJSON_Delete(spec);
	return text;
}

static int run_it(const char *bundle, const char *id, const char *script, int timeout_ms,
		  char **out, struct err *e)
{
	struct err why = ERR_INIT;
	int ret = spawn_read(spawn_argv("runc", "run", "--bundle", bundle,
					id),
			     script, OUTPUT_MAX, timeout_ms, out, NULL, &why);

	/* Also when runc itself was killed by the deadline: nothing may stay. */
	if (ret < 0) {
		spawn_run(spawn_argv("runc", "delete", "--force", id), CLEAN_MS, NULL);
		if (e)
			*e = why;
	}
	return ret;
}

int inside_shell(const char *tree, const char *script, const char *const *env, int timeout_ms,
		 char **out, struct err *e)
{
	char bundle[] = INSIDE_RUN_DIR "/inside-XXXXXX";
	own_free char *spec = NULL, *file = NULL;
	int ret;

	if (strlen(script) > SCRIPT_MAX)
		return err_set(e, ERR_USAGE, "a script of %zu bytes is too long",
			       strlen(script));
	if (path_mkdirs(INSIDE_RUN_DIR, 0755, e) < 0)
		return -1;
	if (!mkdtemp(bundle))
		return err_sys(e, "cannot make a directory in %s", INSIDE_RUN_DIR);
	spec = inside_spec(tree, strrchr(bundle, '/') + 1, env);
	file = xasprintf("%s/config.json", bundle);
	ret = file_replace(AT_FDCWD, file, spec, strlen(spec), 0600, e);
	if (ret == 0)
		ret = run_it(bundle, strrchr(bundle, '/') + 1, script, timeout_ms, out, e);
	unlink(file);
	rmdir(bundle);
	return ret;
}

/* A wrong thing under the name (an old regular file, say) makes way. */
static int make_node(int dev, const char *name, mode_t mode, unsigned maj, unsigned min,
		     struct err *e)
{
	struct stat st;

	if (fstatat(dev, name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		if (S_ISCHR(st.st_mode) && st.st_rdev == makedev(maj, min))
			return 0;
		if (S_ISDIR(st.st_mode))
			return 0;
		unlinkat(dev, name, 0);
	}
	if (mknodat(dev, name, S_IFCHR | mode, makedev(maj, min)) < 0 ||
	    fchmodat(dev, name, mode, 0) < 0)
		return err_sys(e, "cannot make the device node /dev/%s", name);
	return 0;
}

int inside_make_nodes(const char *tree, struct err *e)
{
	static const struct {
		const char *name;
		mode_t mode;
		unsigned major, minor;
	} nodes[] = {
		{ "null", 0666, 1, 3 },	   { "zero", 0666, 1, 5 },    { "full", 0666, 1, 7 },
		{ "random", 0666, 1, 8 },  { "urandom", 0666, 1, 9 }, { "tty", 0666, 5, 0 },
		{ "console", 0600, 5, 1 }, { "ptmx", 0666, 5, 2 },
	};
	static const char *const links[][2] = {
		{ "fd", "/proc/self/fd" },
		{ "stdin", "fd/0" },
		{ "stdout", "fd/1" },
		{ "stderr", "fd/2" },
	};
	own_fd int top = open(tree, O_PATH | O_DIRECTORY | O_CLOEXEC), dev = -1;

	if (top < 0)
		return err_sys(e, "cannot open %s", tree);
	if (mkdirat(top, "dev", 0755) < 0 && errno != EEXIST)
		return err_sys(e, "cannot make /dev in %s", tree);
	dev = path_open_beneath(top, "dev", O_RDONLY | O_DIRECTORY, 0);
	if (dev < 0)
		return err_sys(e, "cannot open /dev in %s", tree);
	for (size_t i = 0; i < array_len(nodes); i++) {
		if (make_node(dev, nodes[i].name, nodes[i].mode, nodes[i].major,
			      nodes[i].minor, e) < 0)
			return -1;
	}
	for (size_t i = 0; i < array_len(links); i++) {
		if (symlinkat(links[i][1], dev, links[i][0]) < 0 && errno != EEXIST)
			return err_sys(e, "cannot make the link /dev/%s", links[i][0]);
	}
	return 0;
}
