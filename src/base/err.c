// SPDX-License-Identifier: MIT
#include "base/err.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

__attribute__((format(printf, 2, 0))) static void set_msg(struct err *e, const char *fmt, va_list ap)
{
	vsnprintf(e->msg, sizeof(e->msg), fmt, ap);
	e->hint[0] = '\0';
}

int(err_set)(struct err *e, enum err_code code, const char *fmt, ...)
{
	va_list ap;

	if (!e)
		return -1;
	e->code = code;
	e->sys = 0;
	va_start(ap, fmt);
	set_msg(e, fmt, ap);
	va_end(ap);
	return -1;
}

int(err_sys)(struct err *e, const char *fmt, ...)
{
	int sys = errno;
	size_t used;
	va_list ap;

	if (!e)
		return -1;
	e->sys = sys;
	e->code = sys == ENOSPC || sys == EDQUOT ? ERR_DISK : ERR_SYS;
	va_start(ap, fmt);
	set_msg(e, fmt, ap);
	va_end(ap);
	used = strlen(e->msg);
	snprintf(e->msg + used, sizeof(e->msg) - used, ": %s", strerror(sys));
	errno = sys;
	return -1;
}

int(err_wrap)(struct err *e, const char *fmt, ...)
{
	char old[sizeof(e->msg)];
	size_t used;
	va_list ap;

	if (!e)
		return -1;
	memcpy(old, e->msg, sizeof(old));
	va_start(ap, fmt);
	vsnprintf(e->msg, sizeof(e->msg), fmt, ap);
	va_end(ap);
	used = strlen(e->msg);
	snprintf(e->msg + used, sizeof(e->msg) - used, ": %.*s",
		 (int)(sizeof(e->msg) - used), old);
	return -1;
}

int(err_hint)(struct err *e, const char *fmt, ...)
{
	va_list ap;

	if (!e)
		return -1;
	va_start(ap, fmt);
	vsnprintf(e->hint, sizeof(e->hint), fmt, ap);
	va_end(ap);
	return -1;
}

const char *err_code_word(enum err_code code)
{
	static const char *const words[ERR_CODE_MAX] = {
		[ERR_NONE] = "none",
		[ERR_SYS] = "system",
		[ERR_USAGE] = "usage",
		[ERR_LOCKED] = "locked",
		[ERR_CONNECT] = "connect",
		[ERR_LINK] = "link",
		[ERR_TIMEOUT] = "timeout",
		[ERR_PROTO] = "protocol",
		[ERR_BROKEN] = "broken",
		[ERR_COPY] = "copy",
		[ERR_START] = "start",
		[ERR_STOP] = "stop",
		[ERR_EXISTS] = "exists",
		[ERR_ABSENT] = "absent",
		[ERR_TEMPLATES] = "templates",
		[ERR_IP_USED] = "ip_used",
		[ERR_MOUNT_SCRIPT] = "mount_script",
		[ERR_LICENSE] = "license",
		[ERR_DISK] = "disk_space",
		[ERR_TECH] = "technologies",
		[ERR_RATE] = "rate",
		[ERR_SAME] = "same",
		[ERR_BINDMOUNT] = "bindmount",
		[ERR_NAME_USED] = "name_used",
		[ERR_CPU] = "cpu",
		[ERR_UNSUPPORTED] = "unsupported",
		[ERR_CHILD] = "child",
		[ERR_CANCELLED] = "cancelled",
		[ERR_RECOVER] = "recover",
		[ERR_LAYOUT] = "layout",
		[ERR_CPT_VERSION] = "cpt_version",
	};

	return code < ERR_CODE_MAX && words[code] ? words[code] : "unknown";
}
