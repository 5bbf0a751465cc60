// SPDX-License-Identifier: MIT
/*
 * Newer kernels (4.6) list who has a quota.  Older ones must be asked for each id: those
 * of passwd and group are.
 */
#include "vzhwcalc/quota.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/quota.h>
#include <sys/types.h>

#include "base/file.h"
#include "base/own.h"
#include "vzhwcalc/text.h"

/* linux/quota.h: the numbers are the kernel's, struct members as it lays them out. */
enum { GETQUOTA = 0x800007, GETNEXTQUOTA = 0x800009, FILE_MAX = 8 << 20, IDS_MAX = 1 << 20 };

struct next_quota {
	uint64_t bhardlimit, bsoftlimit, curspace, ihardlimit, isoftlimit, curinodes, btime, itime;
	uint32_t valid, id;
};

unsigned *quota_ids(const char *text, size_t *n)
{
	unsigned *ids = xmalloc(sizeof(*ids));
	char line[4096];

	*n = 0;
	while (text_line(&text, line, sizeof(line)) && *n < IDS_MAX) {
		const char *p = strchr(line, ':');
		uint64_t id;

		p = p ? strchr(p + 1, ':') : NULL;
		if (!p)
			continue;
		p++;
		if (!text_number(&p, &id) || id > UINT32_MAX)
			continue;
		ids = xrealloc(ids, (*n + 2) * sizeof(*ids));
		ids[(*n)++] = (unsigned)id;
	}
	return ids;
}

static void add_limit(struct notices *f, bool group, uint32_t id, const struct next_quota *q)
{
	char line[160];

	if (!q->bhardlimit && !q->bsoftlimit && !q->ihardlimit && !q->isoftlimit)
		return;
	snprintf(line, sizeof(line),
		 "%c %" PRIu32 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64, group ? 'g' : 'u',
		 id, q->bsoftlimit, q->bhardlimit, q->isoftlimit, q->ihardlimit);
	notices_add(f, "limit", line, "a quota");
}

static int ask(const char *device, int what, bool group, uint32_t id, struct next_quota *q)
{
	memset(q, 0, sizeof(*q));
	return quotactl((int)QCMD((unsigned)what, group ? GRPQUOTA : USRQUOTA), device, (int)id,
			(caddr_t)q);
}

static bool list_all(struct notices *f, const char *device, bool group)
{
	struct next_quota q;
	uint32_t id = 0;

	if (ask(device, GETNEXTQUOTA, group, 0, &q) < 0)
		return errno == ENOENT;
	do {
		add_limit(f, group, q.id, &q);
		id = q.id + 1;
	} while (id && ask(device, GETNEXTQUOTA, group, id, &q) == 0);
	return true;
}

static void ask_each(struct notices *f, const char *device, bool group)
{
	own_free char *text = NULL;
	own_free unsigned *ids = NULL;
	struct next_quota q;
	size_t n;

	if (file_read(AT_FDCWD, group ? "/etc/group" : "/etc/passwd", FILE_MAX, &text, NULL,
		      NULL) < 0)
		return;
	ids = quota_ids(text, &n);
	for (size_t i = 0; i < n; i++) {
		if (ask(device, GETQUOTA, group, ids[i], &q) == 0)
			add_limit(f, group, ids[i], &q);
	}
}

void quota_scan(struct notices *f, const struct hw *hw, const char *dir)
{
	for (size_t i = 0; i < hw->mounts.n; i++) {
		const struct mount *m = &hw->mounts.item[i];

		if (strcmp(m->dir, dir) != 0 || !mount_has_quota(m))
			continue;
		for (int group = 0; group <= 1; group++) {
			if (!list_all(f, m->source, group))
				ask_each(f, m->source, group);
		}
	}
}
