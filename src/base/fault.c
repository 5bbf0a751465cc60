// SPDX-License-Identifier: MIT
#include "base/fault.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/own.h"
#include "base/strv.h"

static int act(const char *place, const char *action, struct err *e)
{
	log_debug("fault at %s: %s", place, action);
	if (!strcmp(action, "kill"))
		kill(getpid(), SIGKILL);
	else if (!strcmp(action, "exit"))
		_exit(99);
	else if (!strcmp(action, "stop"))
		kill(getpid(), SIGSTOP);
	else if (!strcmp(action, "typed"))
		kill(0, SIGINT);
	else if (!strcmp(action, "nospc"))
		return errno = ENOSPC, err_sys(e, "fault injected at %s", place);
	else
		return err_set(e, ERR_SYS, "fault injected at %s", place);
	return 0;
}

int fault_point(const char *end, const char *place, const char *suffix, struct err *e)
{
	const char *spec = getenv("PMIGRATE_FAULT");
	own_strv struct strv faults = STRV_INIT;
	own_free char *here = NULL;
	size_t len;

	if (!spec)
		return 0;
	here = xasprintf("%s.%s%s", end, place, suffix);
	len = strlen(here);
	strv_split(&faults, spec, ",");
	for (size_t i = 0; i < faults.n; i++) {
		if (!strncmp(faults.item[i], here, len) && faults.item[i][len] == ':')
			return act(here, faults.item[i] + len + 1, e);
	}
	return 0;
}
