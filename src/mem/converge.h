/* SPDX-License-Identifier: MIT */
/*
 * mem/converge.h - after each pre-copy round: another one, freeze now, or
 * give up?  Pure: numbers in, a decision and its reason out.
 *
 * The downtime is predicted as
 *	fixed + final scan + (dirty pages at the freeze) / (link speed)
 * where the pages dirty at the freeze are the dirty rate times the time
 * between the last scan and the freeze, never more than the dirty set was.
 */
#ifndef MEM_CONVERGE_H
#define MEM_CONVERGE_H

#include <stddef.h>
#include <stdint.h>

struct converge_round {
	uint64_t dirty_pages; /* sent in it */
	double interval_s;    /* since the scan before; 0 in the first round */
	double scan_s;
	double send_s;	      /* until applied there */
	double stop_s;	      /* it was stopped for so long; 0 where rounds need no stop */
};

struct converge_opts {
	double fixed_s;	       /* what freezing costs without pages; 0: 25 ms */
	double max_downtime_s; /* --max-downtime; 0: none asked for */
	double goal_s;	       /* good enough to stop early; 0: 5 ms of page transfer */
	unsigned max_rounds;   /* 0: 30 */
	double limit_pages_s;  /* the link's known bound (--limit), or 0 */
};

enum converge_what { CONVERGE_AGAIN, CONVERGE_FREEZE, CONVERGE_NEVER };

struct converge {
	enum converge_what what;
	double downtime_s;    /* predicted, if frozen now */
	double dirty_pages_s; /* dirty rate of the last interval */
	double link_pages_s;  /* what the rounds achieved */
	double pause_s;	      /* AGAIN: wait so long before it, see converge_pause */
	char why[160];	      /* one phrase with the numbers */
};

/* rounds[n-1] is the last one. n >= 1. */
void converge_decide(struct converge *c, const struct converge_round *rounds, size_t n,
		     const struct converge_opts *o);

/*
 * How long to let the container run before the next round.  The first write to a page
 * after a scan costs it CONVERGE_FAULT_S (measured: 0.8 to 3 us, the most in a virtual machine that writes
 * everywhere); so that this stays below a tenth of its time, a round that found many pages is not followed at
 * once.  took_s: since that scan began.  all_pages: what the first round sent; a program that has written nearly all of them
 * gains nothing by another round soon, and has its most faults then: it gets twice the time.
 */
#define CONVERGE_FAULT_S 3e-6
double converge_pause(uint64_t dirty_pages, uint64_t all_pages, double took_s);

/*
 * For --dry-run: how it would go, from a measured dirty rate (with the pages that ever
 * change, 0: unknown), the present pages and the link.
 */
struct converge_forecast {
	enum converge_what what; /* FREEZE: it converges; NEVER: it does not */
	unsigned rounds;
	double total_s;	   /* until the freeze */
	double bytes;	   /* over the link in all */
	double downtime_s;
};

void converge_forecast(struct converge_forecast *f, uint64_t present_pages,
		       double dirty_pages_s, double working_set_pages, double link_pages_s,
		       double scan_s, const struct converge_opts *o);

#endif
