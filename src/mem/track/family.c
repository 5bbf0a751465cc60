// SPDX-License-Identifier: MIT
#include "mem/track/family.h"

#include <fcntl.h>
#include <linux/kcmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"
#include "base/own.h"
#include "mem/procs.h"

enum { STATUS_MOST = 64 << 10 };

/* Documentation/admin-guide/mm/pagemap.rst */
#define ENTRY_PRESENT	(UINT64_C(1) << 63)
#define ENTRY_SWAPPED	(UINT64_C(1) << 62)
#define ENTRY_FILE	(UINT64_C(1) << 61)
#define ENTRY_EXCLUSIVE (UINT64_C(1) << 56)

static uint64_t kib_of(const char *status, const char *key)
{
	const char *line = strstr(status, key);

	return line ? strtoull(line + strlen(key), NULL, 10) << 10 : 0;
}

struct one {
	pid_t pid;
	uint64_t bytes, size;
};

/* With CLONE_VM the figures are the same ones. */
static bool is_known(const struct one *v, size_t n, const struct one *now)
{
	for (size_t i = 0; i < n; i++)
		if (v[i].bytes == now->bytes && v[i].size == now->size &&
		    syscall(SYS_kcmp, v[i].pid, now->pid, KCMP_VM, 0, 0) == 0)
			return true;
	return false;
}

static void name_of(const char *status, char name[static 64])
{
	const char *line = strstr(status, "Name:\t");

	snprintf(name, 64, "%.*s", line ? (int)strcspn(line + 6, "\n") : 0, line ? line + 6 : "");
}

int family_measure(struct family *f, pid_t init, const char *cgroup, struct err *e)
{
	own_procs struct procs p = PROCS_INIT;
	own_free struct one *v = NULL;

	*f = (struct family){ .n = 0 };
	if (procs_init(&p, init, cgroup, e) < 0 || procs_refresh(&p, e) < 0)
		return -1;
	v = xcalloc(p.n + 1, sizeof(*v));
	for (size_t i = 0; i < p.n; i++) {
		own_free char *path = xasprintf("/proc/%d/status", (int)p.v[i].pid), *status = NULL;
		struct one now = { .pid = p.v[i].pid };

		if (file_read(AT_FDCWD, path, STATUS_MOST, &status, NULL, NULL) < 0)
			continue; /* it ended */
		now.bytes = kib_of(status, "\nRssAnon:") + kib_of(status, "\nVmSwap:");
		now.size = kib_of(status, "\nVmSize:");
		if (!now.size || is_known(v, f->n, &now))
			continue;
		v[f->n++] = now;
		f->bytes += now.bytes;
		if (now.bytes <= f->most)
			continue;
		f->pid = now.pid;
		f->most = now.bytes;
		name_of(status, f->name);
	}
	return 0;
}

int family_pages(int pagemap, const struct map *m, struct pageset *shared)
{
	uint64_t entries[512];

	for (uint64_t at = m->start; at < m->end;) {
		uint64_t n = (m->end - at) >> MEM_PAGE_SHIFT;
		ssize_t got;

		n = n < array_len(entries) ? n : array_len(entries);
		got = pread(pagemap, entries, n * sizeof(*entries), (off_t)(at >> MEM_PAGE_SHIFT) * 8);
		if (got < 8)
			return -1;
		for (ssize_t i = 0; i < got / 8; i++, at += MEM_PAGE) {
			bool alone = entries[i] & (ENTRY_EXCLUSIVE | ENTRY_FILE);

			if (entries[i] & ENTRY_SWAPPED || (entries[i] & ENTRY_PRESENT && !alone))
				pageset_add(shared, at, 1);
		}
	}
	return 0;
}
