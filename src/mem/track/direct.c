// SPDX-License-Identifier: MIT
#include "mem/track/direct.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/file.h"
#include "base/own.h"

static bool pins_are_counted(void)
{
	struct utsname u;
	int major = 0, minor = 0;

	return uname(&u) == 0 && sscanf(u.release, "%d.%d", &major, &minor) == 2 &&
	       (major > 6 || (major == 6 && minor >= 3));
}

static bool number_of(const char *text, const char *key, unsigned long long *n)
{
	const char *at = strstr(text, key);

	if (at)
		*n = strtoull(at + strlen(key), NULL, 10);
	return at;
}

bool direct_under_way(void)
{
	own_free char *text = NULL, *nothing = NULL;
	unsigned long long taken, given;

	/* Each CPU counts for itself until this is read (Documentation/admin-guide/sysctl/vm.rst, stat_refresh). */
	if (!pins_are_counted() || file_read(AT_FDCWD, "/proc/sys/vm/stat_refresh", 64, &nothing, NULL, NULL) < 0 ||
	    file_read(AT_FDCWD, "/proc/vmstat", 1 << 20, &text, NULL, NULL) < 0)
		return true;
	return !number_of(text, "\nnr_foll_pin_acquired ", &taken) || !number_of(text, "\nnr_foll_pin_released ", &given) ||
	       taken != given;
}
