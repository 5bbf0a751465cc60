// SPDX-License-Identifier: MIT
/* cli/pctl_exec.c - exec, enter: we become runc, so that signals, terminal and exit code are its. */
#include <string.h>
#include <unistd.h>

#include "base/own.h"
#include "base/spawn.h"
#include "cli/pctl.h"
#include "engine/runc.h"
#include "engine/vz_run.h"

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

int pctl_exec(const struct pctl_args *a, struct err *e)
{
	own_strv struct strv argv = STRV_INIT;
	struct ct ct = CT_INIT;
	int ret = -1;

	if (running(a, &ct, e) == 0) {
		exec_argv(&argv, ct.id, false);
		strv_addv(&argv, (const char *const *)a->words.item + 1);
		ret = become(&argv, e);
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
