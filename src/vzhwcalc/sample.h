/* SPDX-License-Identifier: MIT */
/*
 * vzhwcalc/sample.h - what a server uses: CPU, memory, swap and processes, at
 * one moment, and the average and the peak of many moments.  The parsers are
 * pure: texts of /proc files of any kernel in, numbers out.
 */
#ifndef VZHWCALC_SAMPLE_H
#define VZHWCALC_SAMPLE_H

#include <stdbool.h>
#include <stdint.h>

/* Of /proc/stat: ticks since boot, over all CPUs. */
struct cpu_ticks {
	uint64_t busy, total;
	unsigned cpus;
};

/* Of /proc/meminfo, in KiB. */
struct memory {
	uint64_t total_kib, used_kib; /* used: what a cache cannot give back */
	uint64_t swap_total_kib, swap_used_kib;
};

struct sample {
	struct cpu_ticks cpu;
	struct memory mem;
	uint64_t threads; /* of programs; the kernel's own are left out */
};

bool cpu_parse(const char *stat_text, struct cpu_ticks *out);
bool memory_parse(const char *meminfo_text, struct memory *out);
/* The thread count of one /proc/PID/stat; 0 for a kernel thread or an unreadable line. */
uint64_t threads_parse(const char *pid_stat);

/* One measured thing. */
struct gauge {
	double sum, peak;
	unsigned n;
};

void gauge_add(struct gauge *g, double v);
double gauge_average(const struct gauge *g);

struct usage {
	struct gauge cpu;  /* CPUs in use: 1.5 = one and a half */
	struct gauge mem_kib, swap_kib, threads;
	struct sample last;
	unsigned samples;
};

/* Adds a moment; the CPU share is that since the one before (for the first one,
 * since boot). */
void usage_add(struct usage *u, const struct sample *s);

#endif
