// SPDX-License-Identifier: MIT
#include "base/clock.h"

#include <limits.h>
#include <time.h>

static uint64_t now(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

uint64_t clock_ns(void)
{
	return now(CLOCK_MONOTONIC);
}

uint64_t clock_real_ns(void)
{
	return now(CLOCK_REALTIME);
}

uint64_t clock_deadline(int ms)
{
	return ms < 0 ? 0 : clock_ns() + (uint64_t)ms * 1000000u;
}

int clock_left_ms(uint64_t deadline_ns)
{
	uint64_t t = clock_ns();
	uint64_t ms;

	if (!deadline_ns)
		return -1;
	if (t >= deadline_ns)
		return 0;
	ms = (deadline_ns - t + 999999u) / 1000000u;
	return ms > INT_MAX ? INT_MAX : (int)ms;
}

void clock_sleep_ms(unsigned ms)
{
	struct timespec ts = { ms / 1000, (long)(ms % 1000) * 1000000 };

	while (nanosleep(&ts, &ts) < 0)
		;
}

void clock_text(char out[static 32], uint64_t real_ns)
{
	time_t t = (time_t)(real_ns / 1000000000u);
	struct tm tm;

	gmtime_r(&t, &tm);
	strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &tm);
}
