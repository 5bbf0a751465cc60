/* SPDX-License-Identifier: MIT */
/*
 * pmigrate/bar.h - one line of progress.  Pure but for the time it is given.
 */
#ifndef PMIGRATE_BAR_H
#define PMIGRATE_BAR_H

#include <stddef.h>
#include <stdint.h>

struct bar {
	uint64_t begun_ns, last_ns;
	uint64_t last_bytes;
	double bps; /* smoothed; < 0: not known yet */
};

void bar_begin(struct bar *b, uint64_t now_ns);
/* Takes a look at the counter. */
void bar_look(struct bar *b, uint64_t bytes, uint64_t now_ns);
/*
 * "[=====>    ]  42%  1.2 GiB of 2.9 GiB  210 MiB/s  ETA 8 s", at most `columns`
 * (and at most 180) wide; the bar takes what the text leaves.  A total of 0, or one that was passed, shows no bar and no ETA.
 */
void bar_text(const struct bar *b, uint64_t bytes, uint64_t total, size_t columns, char *out,
	      size_t size);

#endif
