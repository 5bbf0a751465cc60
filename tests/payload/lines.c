// SPDX-License-Identifier: MIT
/* lines PROCESSES RATE: they log, together RATE lines a second by syslog(3), for ever. */
#include <stdlib.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	long n = argc == 3 ? atol(argv[1]) : 0, rate = argc == 3 ? atol(argv[2]) : 0;
	struct timespec next;

	if (n < 1 || rate < n)
		return 2;
	for (long i = 1; i < n; i++) {
		if (fork() == 0)
			break;
	}
	clock_gettime(CLOCK_MONOTONIC, &next);
	for (long i = 0;; i++) {
		syslog(LOG_INFO, "line %ld of process %d", i, (int)getpid());
		next.tv_nsec += 1000000000 / rate * n;
		next.tv_sec += next.tv_nsec / 1000000000;
		next.tv_nsec %= 1000000000;
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
	}
}
