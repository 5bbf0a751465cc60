// SPDX-License-Identifier: MIT
/*
 * How fast the container's memory changes, for the prediction of --dry-run: its pages are
 * armed, some time passes, those that were written are counted.  Nothing is sent, and
 * nothing of it stays when the tracking is closed.
 */
#include "base/clock.h"
#include "base/own.h"
#include "move/online/priv.h"

int online_watch_begin(struct source *s, struct online_watch *w, struct err *e)
{
	own_ct_parts struct ct_parts parts = CT_PARTS_INIT;

	*w = (struct online_watch){ .track = NULL };
	if (s->ops->parts(&s->ct, &parts, e) < 0 || online_track(&parts, &w->track, e) < 0)
		return -1;
	if (track_arm(w->track, e) < 0) {
		online_watch_end(w);
		return -1;
	}
	w->armed_ns = clock_ns();
	return 0;
}

int online_watch_read(struct online_watch *w, uint64_t *bytes, double *bps, struct err *e)
{
	uint64_t dirty, present, now = clock_ns();

	if (track_count(w->track, &dirty, &present, e) < 0)
		return -1;
	*bytes = present * MEM_PAGE;
	*bps = (double)(dirty * MEM_PAGE) * 1e9 / (double)(now - w->armed_ns + 1);
	return 0;
}

void online_watch_end(struct online_watch *w)
{
	track_close(w->track);
	w->track = NULL;
}
