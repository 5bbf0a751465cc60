// SPDX-License-Identifier: MIT
#include "mem/track/direct.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/own.h"

#define AIO_QUIET_NS (UINT64_C(200) * 1000000)
#define AIO_MOST_NS  (UINT64_C(5) * 1000000000)

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

bool direct_is_ring(const struct map *m)
{
	return strncmp(m->name, "/[aio]", 6) == 0;
}

/* Events that all rings have been given so far. */
static uint64_t direct_events(const struct direct_ring *rings, size_t n)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < n; i++) {
		struct {
			uint32_t id, nr, head, tail; /* struct aio_ring of fs/aio.c */
		} ring;

		if (pread(rings[i].mem, &ring, sizeof(ring), (off_t)rings[i].at) == sizeof(ring))
			sum += ring.tail;
	}
	return sum;
}

/* Nobody tells how many there are; over they are when nothing is pinned any more, or when for a while no event has come (what
 * is pinned is somebody else's). */
int direct_wait(const struct direct_ring *rings, size_t n, struct err *e)
{
	uint64_t began = clock_ns(), quiet = began, events, now;

	if (!n)
		return 0;
	events = direct_events(rings, n);
	while (direct_under_way() && clock_ns() - quiet <= AIO_QUIET_NS) {
		if (clock_ns() - began > AIO_MOST_NS) {
			err_set(e, ERR_TIMEOUT, "requests of native AIO (io_submit) do not end");
			return err_hint(e, "its disk is slow or busy; try again");
		}
		clock_sleep_ms(1);
		now = direct_events(rings, n);
		quiet = now == events ? quiet : clock_ns();
		events = now;
	}
	log_debug("frozen: waited %.1f ms for native AIO", (double)(clock_ns() - began) / 1e6);
	return 0;
}

static int direct_open_mem(pid_t pid, struct err *e)
{
	own_free char *path = xasprintf("/proc/%d/mem", (int)pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? err_sys(e, "cannot open %s", path) : fd;
}

int direct_wait_processes(const struct procs *p, struct err *e)
{
	own_free struct direct_ring *rings = NULL;
	size_t n = 0;
	int ret = 0;

	for (size_t i = 0; i < p->n && ret == 0; i++) {
		own_maps struct maps maps = MAPS_INIT;
		int mem = -1;

		if (p->v[i].zombie)
			continue;
		ret = maps_read_pid(&maps, p->v[i].pid, false, e);
		for (size_t k = 0; ret == 0 && k < maps.n; k++) {
			if (!direct_is_ring(&maps.v[k]))
				continue;
			if (mem < 0 && (mem = direct_open_mem(p->v[i].pid, e)) < 0)
				ret = -1;
			rings = xrealloc(rings, (n + 1) * sizeof(*rings));
			rings[n++] = (struct direct_ring){ mem, maps.v[k].start };
		}
	}
	if (ret == 0)
		ret = direct_wait(rings, n, e);
	for (size_t i = 0; i < n; i++) {
		if (i + 1 == n || rings[i].mem != rings[i + 1].mem)
			close_fd(&rings[i].mem);
	}
	return ret;
}
