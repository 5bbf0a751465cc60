// SPDX-License-Identifier: MIT
/* Unit tests of mem/converge: a table of round histories and what must follow. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/own.h"
#include "mem/converge.h"

/* dirty pages, interval, scan, send; 100,000 pages/s is about 3.3 Gbit/s. */
static const struct {
	const char *name;
	struct converge_opts o;
	struct converge_round r[8];
	size_t n;
	enum converge_what what;
	double min_ms, max_ms; /* predicted downtime */
} table[] = {
	{ "after the first round always another", { 0 },
	  { { 100000, 0, 0.02, 1.0 } }, 1, CONVERGE_AGAIN, 500, 2000 },
	{ "idle: freeze after the second", { 0 },
	  { { 100000, 0, 0.02, 1.0 }, { 40, 1.02, 0.002, 0.001 } }, 2, CONVERGE_FREEZE, 25, 40 },
	{ "getting smaller: another", { 0 },
	  { { 100000, 0, 0.02, 1.0 }, { 20000, 1.02, 0.002, 0.2 } }, 2, CONVERGE_AGAIN, 30, 120 },
	{ "small enough", { 0 },
	  { { 100000, 0, 0.02, 1.0 }, { 20000, 1.02, 0.002, 0.2 }, { 4000, 0.2, 0.002, 0.04 },
	    { 800, 0.04, 0.002, 0.008 } }, 4, CONVERGE_FREEZE, 25, 40 },
	{ "plateau: freeze, more rounds gain nothing", { 0 },
	  { { 100000, 0, 0.02, 1.0 }, { 3000, 1.02, 0.002, 0.03 }, { 2900, 0.05, 0.002, 0.03 },
	    { 2950, 0.05, 0.002, 0.03 } }, 4, CONVERGE_FREEZE, 25, 60 },
	{ "dirtier than the link for long: never", { 0 },
	  { { 100000, 0, 0.02, 1.0 }, { 90000, 0.5, 0.02, 0.9 }, { 91000, 0.5, 0.02, 0.9 },
	    { 90500, 0.5, 0.02, 0.9 }, { 92000, 0.5, 0.02, 0.9 }, { 90000, 0.5, 0.02, 0.9 } },
	  6, CONVERGE_NEVER, 500, 2000 },
	{ "dirtier than the link, but only now", { 0 },
	  { { 100000, 0, 0.02, 1.0 }, { 90000, 0.5, 0.02, 0.9 } }, 2, CONVERGE_AGAIN, 500, 2000 },
	{ "does not fit into what was asked for: go on", { .max_downtime_s = 0.030 },
	  { { 100000, 0, 0.02, 1.0 }, { 5000, 1.0, 0.002, 0.05 }, { 4900, 0.05, 0.002, 0.05 } },
	  3, CONVERGE_AGAIN, 31, 100 },
	{ "and after patience: never", { .max_downtime_s = 0.030 },
	  { { 100000, 0, 0.02, 1.0 }, { 5000, 1.0, 0.002, 0.05 }, { 4900, 0.05, 0.002, 0.05 },
	    { 4900, 0.05, 0.002, 0.05 }, { 4900, 0.05, 0.002, 0.05 }, { 4900, 0.05, 0.002, 0.05 } },
	  6, CONVERGE_NEVER, 31, 100 },
	{ "fits into what was asked for", { .max_downtime_s = 0.100 },
	  { { 100000, 0, 0.02, 1.0 }, { 5000, 1.0, 0.002, 0.05 }, { 4900, 0.05, 0.002, 0.05 } },
	  3, CONVERGE_FREEZE, 31, 100 },
	{ "less than any freeze takes: never, and soon", { .max_downtime_s = 0.001 },
	  { { 100000, 0, 0.02, 1.0 }, { 500, 1.0, 0.002, 0.005 }, { 500, 0.05, 0.002, 0.005 } },
	  3, CONVERGE_NEVER, 25, 40 },
	{ "rounds that stop it for longer than asked for", { .max_downtime_s = 0.100 },
	  { { 100000, 0, 0.02, 1.0, 0.120 }, { 5000, 1.0, 0.002, 0.05, 0.120 } }, 2, CONVERGE_NEVER, 20, 100 },
	{ "rounds that stop it, but not for so long", { .max_downtime_s = 0.100 },
	  { { 100000, 0, 0.02, 1.0, 0.020 }, { 200, 1.0, 0.002, 0.005, 0.020 } }, 2, CONVERGE_FREEZE, 20, 100 },
	{ "--limit is the link's bound", { .limit_pages_s = 1000 },
	  { { 100000, 0, 0.02, 1.0 }, { 2000, 1.0, 0.002, 0.02 } }, 2, CONVERGE_AGAIN, 60, 5000 },
};

static void test_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < array_len(table); i++) {
		struct converge c;

		converge_decide(&c, table[i].r, table[i].n, &table[i].o);
		if (c.what != table[i].what || c.downtime_s * 1e3 < table[i].min_ms ||
		    c.downtime_s * 1e3 > table[i].max_ms)
			fail_msg("%s: decided %d, %.1f ms (%s)", table[i].name, c.what,
				 c.downtime_s * 1e3, c.why);
		assert_true(strlen(c.why) > 0);
	}
}

static void test_always_ends(void **state)
{
	struct converge_round r[64];
	struct converge_opts o = { 0 };

	(void)state;
	/* Whatever comes, by round 31 it is decided, with and without a wish. */
	for (int wish = 0; wish < 2; wish++) {
		o.max_downtime_s = wish ? 0.026 : 0;
		for (unsigned seed = 0; seed < 200; seed++) {
			size_t n = 0;
			struct converge c = { .what = CONVERGE_AGAIN };

			srand(seed);
			while (c.what == CONVERGE_AGAIN) {
				assert_true(n < 31);
				r[n++] = (struct converge_round){ (uint64_t)rand() % 100000,
								  rand() % 1000 / 1e3, rand() % 10 / 1e3,
								  rand() % 1000 / 1e3 };
				converge_decide(&c, r, n, &o);
			}
		}
	}
}

static void test_forecast(void **state)
{
	struct converge_forecast f;
	struct converge_opts o = { 0 };

	(void)state;
	converge_forecast(&f, 262144, 5000, 0, 100000, 0.002, &o);
	assert_int_equal(f.what, CONVERGE_FREEZE);
	assert_true(f.rounds >= 2 && f.rounds <= 5);
	assert_true(f.downtime_s > 0.025 && f.downtime_s < 0.040);
	assert_true(f.bytes > 1 << 30 && f.bytes < 1.3 * (1 << 30));
	converge_forecast(&f, 262144, 500000, 0, 100000, 0.002, &o);
	assert_int_equal(f.what, CONVERGE_NEVER);
	/* A working set that fits between two looks is no trouble, however fast it changes. */
	converge_forecast(&f, 262144, 500000, 200, 100000, 0.002, &o);
	assert_int_equal(f.what, CONVERGE_FREEZE);
}

static void test_pause(void **state)
{
	const uint64_t all = 1000000;

	(void)state;
	/* 100,000 pages cost 300 ms of faults: not more often than each 3 s. */
	assert_true(converge_pause(100000, all, 0.2) > 2.79 && converge_pause(100000, all, 0.2) < 2.81);
	assert_true(converge_pause(100000, all, 3.1) == 0);
	assert_true(converge_pause(10, all, 0.005) > 0.014);
	assert_true(converge_pause(1000, all, 0.031) == 0);
	assert_true(converge_pause(UINT64_C(1) << 40, UINT64_C(1) << 40, 0) <= 20.0);
	/* nearly everything was written again */
	assert_true(converge_pause(100000, 133000, 0.2) > 5.79 && converge_pause(100000, 133000, 0.2) < 5.81);
	assert_true(converge_pause(100000, 135000, 0.2) < 2.81);
	assert_true(converge_pause(100, 100, 0) < 0.03); /* of a small program nobody waits long */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_always_ends),
		cmocka_unit_test(test_forecast),
		cmocka_unit_test(test_pause),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
