/* SPDX-License-Identifier: MIT */
/*
 * plan/predict.h - how long will it take, from measured numbers (--dry-run).
 *
 * Pure.  Rates are bytes a second, of content.  A rate that was not measured
 * is 0; then what depends on it is not predicted.
 */
#ifndef PLAN_PREDICT_H
#define PLAN_PREDICT_H

#include <stdbool.h>
#include <stdint.h>

struct predict_in {
	bool running;		/* it runs now and shall run there */
	bool online, lazy, noiter;
	uint64_t tree_bytes, tree_files;
	double change_bps;	/* files: bytes that changed per second */
	double change_files_ps; /* files that changed per second */
	double link_bps;	/* measured, or --limit when that is less */
	double rtt_ms;
	double files_ps;	/* small files a second the mover does; 0: a cautious guess */
	uint64_t memory_bytes;	/* resident pages */
	double dirty_bps;	/* memory that becomes dirty per second */
	double stop_ms, start_ms;  /* cold; measured or the engine's usual */
	double freeze_ms;	/* online: what a freeze, dump and restore cost without data;
				 * 0: what they cost for a small container */
	double max_downtime_ms; /* wanted; 0: none */
};

struct prediction {
	uint64_t bytes;		/* over the link */
	double total_ms;
	bool has_downtime;
	double downtime_ms;
	unsigned rounds;	/* memory pre-copy */
	bool converges;		/* pre-copy gets below the link's speed */
	bool fits;		/* the wanted downtime is met */
	bool link_known;	/* else times are 0 */
	double link_bps, change_bps, dirty_bps; /* what it was predicted from */
};

void predict(const struct predict_in *in, struct prediction *out);

#endif
