// SPDX-License-Identifier: MIT
#include "net/sysctl.h"

#include <fcntl.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "base/own.h"

int sysctl_set(const char *path, const char *value, struct err *e)
{
	own_free char *file = xasprintf("/proc/sys/%s", path);
	own_free char *now = NULL;

	if (file_read(AT_FDCWD, file, 4096, &now, NULL, e) < 0)
		return -1;
	now[strcspn(now, "\n")] = '\0';
	return strcmp(now, value) == 0 ? 0 : file_poke(AT_FDCWD, file, value, e);
}

void sysctl_try(const char *path, const char *value)
{
	struct err e = ERR_INIT;

	if (sysctl_set(path, value, &e) < 0)
		log_debug("%s", e.msg);
}

long sysctl_number(const char *path, long absent)
{
	own_free char *file = xasprintf("/proc/sys/%s", path);
	own_free char *now = NULL;

	return file_read(AT_FDCWD, file, 64, &now, NULL, NULL) < 0 ? absent : strtol(now, NULL, 10);
}
