// SPDX-License-Identifier: MIT
/*
 * Does the memory suffice there?  Processes that share pages since a fork have them once here, and each its own there,
 * unless the freeze takes its time to share them again (mem/track/family.h).
 */
#include "base/own.h"
#include "base/parse.h"
#include "host/memcg.h"
#include "mem/track/family.h"
#include "move/online/priv.h"
#include "plan/check.h"

struct wants {
	struct family family;
	uint64_t here;	/* bytes that it is charged with, but for page cache */
	uint64_t split; /* that it would be, sharing nothing */
};

/* Less is not worth a word, and page counts are not exact. */
#define SLACK	     (UINT64_C(4) << 20)
#define WORTH_A_WORD (UINT64_C(64) << 20)

static int measure(const struct ct_parts *parts, struct wants *w, struct err *e)
{
	struct memcg cg;

	if (family_measure(&w->family, parts->init, parts->freezer, e) < 0)
		return -1;
	memcg_read(&cg, parts->init);
	w->here = cg.anon + cg.swap + cg.shmem + cg.kernel;
	w->split = w->family.bytes + cg.shmem + cg.kernel;
	return 0;
}

/* Its limit is what its configuration says, at both ends. */
static bool too_much(const struct source *s, const struct wants *w)
{
	return s->need.memory_limit && w->split > w->here + SLACK && w->split + SLACK > s->need.memory_limit;
}

static char *sentence(const struct source *s, const struct wants *w)
{
	char split[24], here[24], limit[24];

	text_bytes(split, w->split);
	text_bytes(here, w->here);
	text_bytes(limit, s->need.memory_limit);
	return xasprintf("%zu processes (most: %s, %d) share memory since a fork: %s, each with its own %s, and the limit is %s",
			 w->family.n, w->family.name, (int)w->family.pid, here, split, limit);
}

void online_check_memory(struct source *s, const struct ct_parts *parts, struct findings *found)
{
	uint64_t free_there = s->opened.facts.memory_free;
	char wants[24], has[24];
	struct wants w;

	if (measure(parts, &w, NULL) < 0)
		return; /* it ends just now; then there is nothing to move */
	/* The destination holds all pages at once, were they one here. */
	if (free_there && w.split > free_there) {
		text_bytes(wants, w.split);
		text_bytes(has, free_there);
		findings_fail(found, s->job, 0, false, "memory", ERR_UNSUPPORTED,
			      "free some there, or move it without --online",
			      "the move needs %s of memory there for %zu processes (most: %s, %d), %s has %s free", wants,
			      w.family.n, w.family.name, (int)w.family.pid, s->remote.hello.host, has);
	}
	if (s->job->noiter && !s->job->lazy)
		return; /* CRIU's own dump and restore */
	if (too_much(s, &w)) {
		own_free char *text = sentence(s, &w);

		findings_note(found, FINDING_NOTE, "memory",
			      "%s; it stays shared, which makes the freeze longer (a higher limit, --ram, would not)", text);
	} else if (w.split > w.here + w.here / 4 && w.split > w.here + WORTH_A_WORD) {
		text_bytes(wants, w.split);
		text_bytes(has, w.here);
		findings_note(found, FINDING_NOTE, "memory",
			      "its %zu processes share memory since a fork, and will no longer: it needs %s there, %s here",
			      w.family.n, wants, has);
	}
}

int online_keep_sharing(struct source *s, struct err *e)
{
	struct online *o = &s->online;
	struct wants w;

	if (!o->track)
		return 0; /* CRIU's own dump and restore */
	if (measure(&o->parts, &w, e) < 0)
		return -1;
	if (too_much(s, &w)) {
		own_free char *text = sentence(s, &w);

		event_warning(s->ev, "%s: it stays shared, and is frozen longer for that", text);
		track_keep_shared(o->track);
	}
	return 0;
}
