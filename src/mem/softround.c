// SPDX-License-Identifier: MIT
/*
 * mem/softround.c - rounds by soft-dirty bits: the part of track.h for kernels without
 * PAGEMAP_SCAN.
 *
 *	look, views		running
 *	private pages, bits	stopped, about 50 ms a GiB: pagemap looks at each page struct
 *	reading and sending	running
 */
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/own.h"
#include "mem/soft.h"
#include "mem/track_priv.h"

/* One that ended or executed something since the look is only noted. */
static int look_and_clear(struct track *t, struct space *s, struct err *e)
{
	struct err own = ERR_INIT;

	pageset_clear(&s->dirty);
	if (!space_is_same(s)) {
		s->gone = true;
		return 0;
	}
	soft_begin(s->scan.soft, s->pid, &s->maps);
	scan_space(t, s);
	if (soft_clear(s->scan.soft, s->pid, &own) == 0)
		return 0;
	if (own.sys == ESRCH || own.sys == ENOENT) {
		s->gone = true;
		return 0;
	}
	if (e)
		*e = own;
	return -1;
}

static int all_of_them(struct track *t, struct err *e)
{
	for (size_t i = 0; i < t->nr_spaces; i++)
		if (look_and_clear(t, t->spaces[i], e) < 0)
			return -1;
	return 0;
}

static void forget_loose(struct track *t)
{
	for (size_t i = 0; t->loose && i < t->nr_spaces; i++)
		soft_forget(t->spaces[i]->scan.soft, NULL);
	t->loose = false;
}

int soft_round(struct track *t, struct track_round *r, struct err *e)
{
	uint64_t began = clock_ns(), stopped;
	int ret;

	if (!t->o.stop)
		return err_set(e, ERR_UNSUPPORTED, "rounds by soft-dirty pages must stop the container");
	forget_loose(t);
	for (size_t i = 0; i < t->nr_spaces; i++)
		scan_views(t, t->spaces[i], true);
	stopped = clock_ns();
	if (t->o.stop(t->o.arg, e) < 0)
		return -1;
	ret = all_of_them(t, e);
	if (t->o.go(t->o.arg, ret < 0 ? NULL : e) < 0)
		ret = -1;
	r->scan_ns = clock_ns() - began;
	stopped = clock_ns() - stopped;
	t->attach_max_ns = stopped > t->attach_max_ns ? stopped : t->attach_max_ns;
	log_debug("soft-dirty: stopped for %.1f ms", (double)stopped / 1e6);
	return ret;
}

int soft_arm(struct track *t, struct err *e)
{
	t->loose = true;
	return all_of_them(t, e);
}

void soft_prepare(struct track *t)
{
	forget_loose(t);
	for (size_t i = 0; i < t->nr_spaces; i++)
		soft_begin(t->spaces[i]->scan.soft, t->spaces[i]->pid, &t->spaces[i]->maps);
}
