// SPDX-License-Identifier: MIT
#include "mem/converge.h"

#include <stdbool.h>
#include <stdio.h>

enum {
	MAX_ROUNDS = 30,
	/* Rounds without getting nearer to the goal before it counts as never. */
	PATIENCE = 4,
};

#define FIXED_S	    0.025
#define GOAL_S	    0.005
/* A freeze with so much of pages left is no live migration any more. */
#define TOO_LONG_S  0.5
/* A round that takes less is not worth having another: freezing costs more. */
#define LEAST_GAIN  0.8
#define MAX_PAUSE_S 20.0
/* Looking costs the server too. */
#define MIN_INTERVAL_S 0.02
/* Pages may always arise between two looks; so few are not worth a round. */
#define FEW_PAGES   256

static double or_default(double v, double otherwise)
{
	return v > 0 ? v : otherwise;
}

/* Pages a second that the rounds moved; the best one: slow ones were small or disturbed. */
static double link_speed(const struct converge_round *r, size_t n, double limit)
{
	double best = 0;

	for (size_t i = 0; i < n; i++) {
		double s = (double)r[i].dirty_pages / or_default(r[i].send_s + r[i].scan_s, 1e-6);

		/* Small rounds measure latency. */
		if ((r[i].dirty_pages >= FEW_PAGES || n == 1) && s > best)
			best = s;
	}
	if (best <= 0)
		best = (double)r[0].dirty_pages / or_default(r[0].send_s, 1e-3);
	if (limit > 0 && best > limit)
		best = limit;
	return or_default(best, 1);
}

/* What the freeze would find: written since the last scan, never more than a round ever found
 * (but the first, which was everything). */
static double dirty_at_freeze(const struct converge_round *r, size_t n, double rate)
{
	const struct converge_round *last = &r[n - 1];
	double pages = n == 1 ? (double)last->dirty_pages : rate * (last->send_s + last->scan_s);

	return pages < (double)last->dirty_pages || n < 2 ? pages : (double)last->dirty_pages;
}

static double page_time(const struct converge *c, double pages)
{
	return pages / c->link_pages_s;
}

double converge_pause(uint64_t dirty_pages, uint64_t all_pages, double took_s)
{
	double want = 10 * CONVERGE_FAULT_S * (double)dirty_pages;

	if (dirty_pages > FEW_PAGES && dirty_pages / 3 >= all_pages / 4)
		want *= 2;
	want = want > MIN_INTERVAL_S ? want : MIN_INTERVAL_S;
	want -= took_s;
	return want <= 0 ? 0 : want < MAX_PAUSE_S ? want : MAX_PAUSE_S;
}

/* With --max-downtime: as soon as it fits and gets no better, never above it. */
static void for_wish(struct converge *c, double wish_s, const struct converge_round *last,
		     double pages, bool good, size_t since_best, bool out_of_rounds)
{
	bool fits = c->downtime_s <= wish_s;

	double least_s = c->downtime_s - page_time(c, pages);

	if (last->stop_s > wish_s) {
		c->what = CONVERGE_NEVER;
		snprintf(c->why, sizeof(c->why), "each round stops it for %.0f ms, not %.0f ms",
			 last->stop_s * 1e3, wish_s * 1e3);
	} else if (fits && (since_best || good || out_of_rounds || last->dirty_pages <= FEW_PAGES)) {
		c->what = CONVERGE_FREEZE;
		snprintf(c->why, sizeof(c->why), "%.0f ms fit into the %.0f ms asked for",
			 c->downtime_s * 1e3, wish_s * 1e3);
	} else if (least_s > wish_s && (since_best || out_of_rounds)) {
		c->what = CONVERGE_NEVER;
		snprintf(c->why, sizeof(c->why), "the freeze alone takes about %.0f ms, not %.0f ms", least_s * 1e3,
			 wish_s * 1e3);
	} else if (since_best >= PATIENCE || out_of_rounds) {
		c->what = CONVERGE_NEVER;
		snprintf(c->why, sizeof(c->why),
			 "its memory changes too fast (%.0f pages/s, the link takes %.0f): %.0f ms, not %.0f ms",
			 c->dirty_pages_s, c->link_pages_s, c->downtime_s * 1e3, wish_s * 1e3);
	}
}

/* Without: until it is good, or gets no better. */
static void for_good(struct converge *c, const struct converge_round *last, double pages,
		     double goal_s, size_t since_best, bool out_of_rounds)
{
	double left_s = page_time(c, pages);

	if (left_s <= goal_s || last->dirty_pages <= FEW_PAGES) {
		c->what = CONVERGE_FREEZE;
		snprintf(c->why, sizeof(c->why), "the last %.0f pages take %.1f ms", pages, left_s * 1e3);
	} else if (left_s > TOO_LONG_S && (since_best >= PATIENCE || out_of_rounds)) {
		c->what = CONVERGE_NEVER;
		snprintf(c->why, sizeof(c->why), "its memory changes too fast (%.0f pages/s, the link takes %.0f)",
			 c->dirty_pages_s, c->link_pages_s);
	} else if ((left_s <= TOO_LONG_S && since_best >= 2) || out_of_rounds) {
		c->what = CONVERGE_FREEZE;
		snprintf(c->why, sizeof(c->why), "rounds get no smaller than %.0f pages (%.0f ms)", pages,
			 left_s * 1e3);
	}
}

void converge_decide(struct converge *c, const struct converge_round *r, size_t n,
		     const struct converge_opts *o)
{
	const struct converge_round *last = &r[n - 1];
	double fixed = or_default(o->fixed_s, FIXED_S), goal = or_default(o->goal_s, GOAL_S);
	unsigned max = o->max_rounds ? o->max_rounds : MAX_ROUNDS;
	double pages, best = 1e300;
	size_t since_best = 0;

	*c = (struct converge){ .what = CONVERGE_AGAIN };
	c->link_pages_s = link_speed(r, n, o->limit_pages_s);
	c->dirty_pages_s = last->interval_s > 0 ? (double)last->dirty_pages / last->interval_s : 0;
	pages = dirty_at_freeze(r, n, c->dirty_pages_s);
	c->downtime_s = fixed + last->scan_s + page_time(c, pages);
	/* How long since a round was clearly smaller than all before? */
	for (size_t i = 1; i < n; i++) {
		since_best++;
		if ((double)r[i].dirty_pages < best * LEAST_GAIN) {
			best = (double)r[i].dirty_pages;
			since_best = 0;
		}
	}
	if (n == 1) {
		snprintf(c->why, sizeof(c->why), "everything was sent once, %.0f pages/s",
			 c->link_pages_s);
		return;
	}
	if (o->max_downtime_s > 0)
		for_wish(c, o->max_downtime_s, last, pages, page_time(c, pages) <= goal, since_best, n >= max);
	else
		for_good(c, last, pages, goal, since_best, n >= max);
	if (c->what == CONVERGE_AGAIN)
		c->pause_s = converge_pause(last->dirty_pages, r[0].dirty_pages, last->scan_s + last->send_s);
	if (!c->why[0])
		snprintf(c->why, sizeof(c->why), "%.0f ms of pages would be left",
			 page_time(c, pages) * 1e3);
}

/* Plays the rounds with constant rates. */
void converge_forecast(struct converge_forecast *f, uint64_t present_pages, double dirty_pages_s,
		       double working_set_pages, double link_pages_s, double scan_s,
		       const struct converge_opts *o)
{
	struct converge_round r[MAX_ROUNDS + 1];
	struct converge c = { .what = CONVERGE_AGAIN };
	double pages = (double)present_pages, speed = or_default(link_pages_s, 1);
	double bound = working_set_pages > 0 && working_set_pages < pages ? working_set_pages : pages;

	if (o->limit_pages_s > 0 && speed > o->limit_pages_s)
		speed = o->limit_pages_s;
	*f = (struct converge_forecast){ .what = CONVERGE_AGAIN };
	while (c.what == CONVERGE_AGAIN && f->rounds < MAX_ROUNDS) {
		struct converge_round *one = &r[f->rounds];

		*one = (struct converge_round){
			.dirty_pages = (uint64_t)pages,
			.interval_s = f->rounds ? r[f->rounds - 1].send_s + r[f->rounds - 1].scan_s : 0,
			.scan_s = scan_s,
			.send_s = pages / speed,
		};
		f->rounds++;
		f->bytes += pages * 4096;
		f->total_s += one->scan_s + one->send_s;
		converge_decide(&c, r, f->rounds, o);
		pages = dirty_pages_s * (one->scan_s + one->send_s);
		pages = pages < bound ? pages : bound;
	}
	f->what = c.what == CONVERGE_NEVER ? CONVERGE_NEVER : CONVERGE_FREEZE;
	f->downtime_s = c.downtime_s;
	f->bytes += pages * 4096;
}
