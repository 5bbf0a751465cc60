// SPDX-License-Identifier: MIT
/* pctl/report.c - how pctl and the small programs tell what happened. */
#include <stdio.h>

#include "base/exit.h"
#include "base/log.h"
#include "engine/vz/run/grants.h"
#include "pctl/pctl.h"

static void to_stderr(void *arg, enum log_level level, const char *line)
{
	(void)level;
	fprintf(stderr, "%s: %s\n", (const char *)arg, line);
}

/* NULL: the same program as before, but everything. */
void pctl_log_to_stderr(const char *program)
{
	static const char *name = "pctl";

	if (program)
		name = program;
	log_init(program ? LOG_LVL_INFO : LOG_LVL_DEBUG, to_stderr, (void *)(uintptr_t)name);
}

int pctl_fail(const char *program, const struct err *e)
{
	fprintf(stderr, "%s: %s\n", program, e->msg);
	if (e->hint[0])
		fprintf(stderr, "%s: %s\n", program, e->hint);
	return (int)exit_code_of(e->code);
}

void pctl_tell_left_out(const struct conf *c)
{
	own_strv struct strv lines = STRV_INIT;

	vz_left_out(c, &lines);
	for (size_t i = 0; i < lines.n; i++)
		log_info("%s", lines.item[i]);
}

int pctl_find(const struct pctl_args *a, struct ct *out, struct err *e)
{
	if (vz_find(a->words.item[0], out, e) == 0)
		return 0;
	return err_hint(e, "`pctl list -a` shows the containers of this server");
}
