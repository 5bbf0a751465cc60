// SPDX-License-Identifier: MIT
/* pctl/exec.c - exec, enter: we become runc, so that signals, terminal and exit code are its. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/own.h"
#include "base/path.h"
#include "base/spawn.h"
#include "engine/vz/run/run.h"
#include "engine/vz/run/runc.h"
#include "pctl/pctl.h"

static int running(const struct pctl_args *a, struct ct *ct, struct err *e)
{
	enum ct_state state;

	if (pctl_find(a, ct, e) < 0)
		return -1;
	if (vz_state(ct, &state, e) == 0 && state == CT_RUNNING)
		return 0;
	err_set(e, ERR_START, "container %s is %s", ct->id, ct_state_word(state));
	return err_hint(e, "pctl start %s", ct->id);
}

/* The options every command inside gets. */
static void exec_argv(struct strv *argv, const char *id, bool terminal)
{
	const char *term = getenv("TERM");
	own_free char *env = xasprintf("TERM=%s", term ? term : "dumb");
	const char *options[] = { "-e", env, "-e", "HOME=/root", terminal ? "-t" : NULL, NULL };

	runc_exec_argv(argv, id, options);
}

static int become(struct strv *argv, struct err *e)
{
	fflush(NULL);
	return spawn_become((const char *const *)argv->item, e);
}

/* As a shell says it; runc has only a line of its log. */
enum { EXIT_NO_COMMAND = 127 };

/* Is there such a program, where the PATH of vz_bundle.c looks? */
static bool has_program(const char *id, const char *name)
{
	own_strv struct strv dirs = STRV_INIT;
	struct runc_state s;

	if (runc_state(id, &s, NULL) < 0 || !s.pid)
		return true; /* runc will say */
	own_free char *path = xasprintf("/proc/%d/root", (int)s.pid);
	own_fd int root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	strv_split(&dirs, strchr(name, '/') ? "" : "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", ":");
	if (!dirs.n)
		strv_add(&dirs, "");
	for (size_t i = 0; root >= 0 && i < dirs.n; i++) {
		own_free char *file = xasprintf("%s%s%s", dirs.item[i], *dirs.item[i] ? "/" : "", name);
		own_fd int fd = path_open_in_root(root, file, O_PATH, 0);

		if (fd >= 0)
			return true;
	}
	return root < 0;
}

int pctl_exec(const struct pctl_args *a, struct err *e)
{
	bool terminal = pctl_arg(a, "tty") || (isatty(STDIN_FILENO) && isatty(STDOUT_FILENO));
	own_strv struct strv argv = STRV_INIT;
	struct ct ct = CT_INIT;
	int ret = -1;

	if (running(a, &ct, e) == 0) {
		exec_argv(&argv, ct.id, terminal);
		strv_addv(&argv, (const char *const *)a->words.item + 1);
		if (has_program(ct.id, a->words.item[1])) {
			ret = become(&argv, e);
		} else {
			fprintf(stderr, "pctl: there is no command '%s' in container %s\n", a->words.item[1], ct.id);
			ret = EXIT_NO_COMMAND;
		}
	}
	ct_fini(&ct);
	return ret;
}

int pctl_enter(const struct pctl_args *a, struct err *e)
{
	/* bash where there is one, as a login shell */
	static const char shell[] = "cd; if [ -x /bin/bash ]; then exec /bin/bash -l; else exec /bin/sh -l; fi";
	own_strv struct strv argv = STRV_INIT;
	struct ct ct = CT_INIT;
	int ret = -1;

	if (running(a, &ct, e) == 0) {
		exec_argv(&argv, ct.id, isatty(STDIN_FILENO) && isatty(STDOUT_FILENO));
		strv_addv(&argv, (const char *const[]){ "/bin/sh", "-c", shell, NULL });
		ret = become(&argv, e);
	}
	ct_fini(&ct);
	return ret;
}
