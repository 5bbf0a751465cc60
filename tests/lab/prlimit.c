// SPDX-License-Identifier: MIT
/*
 * prlimit.so: preloaded into CRIU, in test servers only.
 *
 * Machines that hand out containers or small VMs for tests may lack CAP_SYS_RESOURCE. There the kernel refuses
 * CRIU's question for the limits of a process of another uid (EPERM), and no container with a non-root process
 * could be dumped. This answers the question from /proc/PID/limits. Setting limits is never changed. A real
 * server has the capability and no need of this; the product knows nothing of it.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/types.h>

typedef long (*syscall_fn)(long nr, ...);

static rlim_t limit_parse(const char *word)
{
	return word[0] == 'u' ? RLIM_INFINITY : strtoull(word, NULL, 10);
}

/* The lines of /proc/PID/limits are in the order of the RLIMIT_ numbers, below one line of headings. */
static int limit_read(pid_t pid, int resource, struct rlimit *out)
{
	char path[64], line[256], soft[32], hard[32];
	int ret = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/limits", (int)pid);
	f = fopen(path, "re");
	if (!f)
		return -1;
	for (int i = -1; fgets(line, sizeof(line), f); i++) {
		if (i != resource || strlen(line) < 26)
			continue;
		if (sscanf(line + 26, "%31s %31s", soft, hard) == 2) {
			out->rlim_cur = limit_parse(soft);
			out->rlim_max = limit_parse(hard);
			ret = 0;
		}
		break;
	}
	fclose(f);
	return ret;
}

/* CRIU asks by the bare system call. */
long syscall(long nr, ...)
{
	static syscall_fn real;
	long a[6], ret;
	va_list ap;

	va_start(ap, nr);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);

	if (!real)
		real = (syscall_fn)dlsym(RTLD_NEXT, "syscall");
	ret = real(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
	if (ret == -1 && errno == EPERM && nr == SYS_prlimit64 && !a[2] && a[3] &&
	    !limit_read((pid_t)a[0], (int)a[1], (struct rlimit *)a[3]))
		return 0;
	return ret;
}
