// SPDX-License-Identifier: MIT
/* engine/vz/run/mount.c - VE_PRIVATE on VE_ROOT, and the scripts that go with it. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/log.h"
#include "base/own.h"
#include "base/spawn.h"
#include "engine/vz/run/run.h"
#include "engine/vz/run/runc.h"
#include "host/mount.h"

enum { SCRIPT_TIMEOUT_MS = 300000, SCRIPT_INSIDE_MAX = 60 << 10 };

bool vz_root_is_mounted(const struct ct *ct)
{
	return mount_is_point(ct->root);
}

int vz_script_on_host(const struct vz *v, const char *file, struct err *e)
{
	own_free char *id = xasprintf("VEID=%s", v->ct.id);
	own_free char *conf = xasprintf("VE_CONFFILE=%s", v->conf_file);
	const char *env[] = { id, conf, NULL };
	struct spawn s = SPAWN_INIT(spawn_argv(file));
	own_child struct child c = CHILD_INIT;
	int status;

	if (access(file, X_OK) < 0)
		return 0;
	s.env = env;
	if (child_start(&c, &s, e) < 0 || child_wait(&c, SCRIPT_TIMEOUT_MS, &status, e) < 0)
		return -1;
	return status ? child_err(&c, status, e) : 0;
}

/* The shell that a script's first line asks for; "/bin/sh" when it asks for none, NULL
 * when it is no shell. */
static char *shell_of(const char *text)
{
	const char *line = text + 2 + strspn(text[0] == '#' ? text + 2 : "", " \t");
	size_t n = strcspn(line, " \t\r\n");

	if (strncmp(text, "#!", 2) != 0)
		return xstrdup("/bin/sh");
	if (n < 2 || strncmp(line + n - 2, "sh", 2) != 0)
		return NULL;
	return xstrndup(line, n);
}

int vz_script_inside(const struct vz *v, const char *what, struct err *e)
{
	own_free char *file = vz_conf_file(v->ct.id, what);
	own_free char *text = NULL, *shell = NULL, *out = NULL;
	own_strv struct strv argv = STRV_INIT;

	if (access(file, F_OK) < 0)
		return 0;
	if (file_read(AT_FDCWD, file, SCRIPT_INSIDE_MAX, &text, NULL, e) < 0)
		return -1;
	shell = shell_of(text);
	if (!shell)
		return err_set(e, ERR_UNSUPPORTED, "%s is no shell script", file);
	runc_exec_argv(&argv, v->ct.id, NULL);
	strv_add(&argv, shell);
	strv_add(&argv, "-s");
	return spawn_read((const char *const *)argv.item, text, 1 << 20, SCRIPT_TIMEOUT_MS, &out, NULL,
			  e);
}

static int run_pair(const struct vz *v, const char *what, struct err *e)
{
	own_free char *common = xasprintf(VZ_CONF_DIR "/vps.%s", what);
	own_free char *own = vz_conf_file(v->ct.id, what);

	return vz_script_on_host(v, common, e) < 0 ? -1 : vz_script_on_host(v, own, e);
}

void vz_shut_dirs(void)
{
	static const char *const dirs[] = { "/vz/private", "/vz/root" };

	for (size_t i = 0; i < array_len(dirs); i++) {
		if (chmod(dirs[i], 0700) < 0)
			log_debug("%s cannot be closed to users", dirs[i]);
	}
}

int vz_mount(const struct vz *v, struct err *e)
{
	if (vz_root_is_mounted(&v->ct))
		return 0;
	if (access(v->ct.private_area, F_OK) < 0)
		return err_set(e, ERR_BROKEN, "container %s has no private area %s", v->ct.id,
			       v->ct.private_area);
	if (mount_bind(v->ct.private_area, v->ct.root, e) < 0)
		return -1;
	vz_shut_dirs();
	if (run_pair(v, "mount", e) < 0) {
		mount_remove(v->ct.root, NULL);
		return err_wrap(e, "the mount script of container %s", v->ct.id);
	}
	return 0;
}

int vz_umount(const struct vz *v, struct err *e)
{
	struct err why = ERR_INIT;

	if (!vz_root_is_mounted(&v->ct))
		return 0;
	if (run_pair(v, "umount", &why) < 0)
		log_warn("the umount script of container %s: %s", v->ct.id, why.msg);
	return mount_remove(v->ct.root, e);
}
