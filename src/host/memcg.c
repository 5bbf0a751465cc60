// SPDX-License-Identifier: MIT
#include "host/memcg.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/own.h"
#include "base/parse.h"
#include "base/strv.h"

enum { SMALL_FILE = 64 << 10 };

/* The directory of its memory controller; NULL: none. */
static char *group_of(pid_t pid, bool *v2)
{
	own_free char *path = xasprintf("/proc/%d/cgroup", (int)pid), *text = NULL;
	own_strv struct strv lines = STRV_INIT;

	if (file_read(AT_FDCWD, path, SMALL_FILE, &text, NULL, NULL) < 0)
		return NULL;
	strv_split(&lines, text, "\n");
	for (size_t i = 0; i < lines.n; i++) {
		const char *group = strchr(lines.item[i], ':');

		*v2 = !strncmp(lines.item[i], "0::", 3);
		if (!group || (!*v2 && strncmp(group, ":memory:", 8)))
			continue;
		group = strchr(group + 1, ':') + 1;
		return xasprintf("/sys/fs/cgroup%s%s", *v2 ? "" : "/memory", group);
	}
	return NULL;
}

static uint64_t number_in(const char *dir, const char *file)
{
	own_free char *path = xasprintf("%s/%s", dir, file), *text = NULL;
	uint64_t n = 0;

	if (file_read(AT_FDCWD, path, SMALL_FILE, &text, NULL, NULL) < 0)
		return 0;
	text[strcspn(text, "\n")] = '\0';
	return parse_u64(text, "", 0, UINT64_MAX, &n, NULL) == 0 ? n : 0;
}

/* "word 123" of a file of such lines. */
static uint64_t line_in(const char *dir, const char *file, const char *word)
{
	own_free char *path = xasprintf("%s/%s", dir, file), *text = NULL;
	size_t len = strlen(word);

	if (file_read(AT_FDCWD, path, SMALL_FILE, &text, NULL, NULL) < 0)
		return 0;
	for (char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!strncmp(line, word, len) && line[len] == ' ')
			return strtoull(line + len + 1, NULL, 10);
	}
	return 0;
}

void memcg_read(struct memcg *m, pid_t pid)
{
	bool v2 = false;
	own_free char *dir = group_of(pid, &v2);

	*m = (struct memcg){ 0 };
	if (!dir)
		return;
	/* Documentation/admin-guide/cgroup-v1/memory.rst: the total_ ones are of the groups below it, too, as all of v2's. */
	m->used = number_in(dir, v2 ? "memory.current" : "memory.usage_in_bytes");
	m->anon = line_in(dir, "memory.stat", v2 ? "anon" : "total_rss");
	m->shmem = line_in(dir, "memory.stat", v2 ? "shmem" : "total_shmem");
	m->swap = v2 ? number_in(dir, "memory.swap.current") : line_in(dir, "memory.stat", "total_swap");
	m->kernel = v2 ? line_in(dir, "memory.stat", "kernel") : number_in(dir, "memory.kmem.usage_in_bytes");
	m->oom_kills = line_in(dir, v2 ? "memory.events" : "memory.oom_control", "oom_kill");
}
