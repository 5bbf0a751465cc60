/* SPDX-License-Identifier: MIT */
/* net/sysctl.h - kernel settings, by their path below /proc/sys, of the calling thread's
 * network namespace. */
#ifndef NET_SYSCTL_H
#define NET_SYSCTL_H

#include "base/err.h"

/* Writes it unless it has that value already. */
int sysctl_set(const char *path, const char *value, struct err *e);
/* The same where it is no harm when the kernel has no such setting. */
void sysctl_try(const char *path, const char *value);
/* Its value as a number; `absent` when there is none. */
long sysctl_number(const char *path, long absent);

#endif
