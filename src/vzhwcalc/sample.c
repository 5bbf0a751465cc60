// SPDX-License-Identifier: MIT
#include "vzhwcalc/sample.h"

#include <ctype.h>
#include <string.h>

#include "vzhwcalc/text.h"

bool cpu_parse(const char *text, struct cpu_ticks *out)
{
	/* user nice system idle iowait irq softirq steal; guest is part of user */
	enum { IDLE = 3, IOWAIT = 4, FIELDS = 8 };
	char line[1024], word[64];
	bool found = false;

	*out = (struct cpu_ticks){ 0 };
	while (text_line(&text, line, sizeof(line))) {
		const char *p = line, *digits;
		uint64_t v;

		if (strncmp(line, "cpu", 3) != 0)
			continue;
		if (isdigit((unsigned char)line[3])) {
			out->cpus++;
			continue;
		}
		text_field(&p, word, sizeof(word));
		for (int i = 0; i < FIELDS && text_field(&p, word, sizeof(word)); i++) {
			digits = word;
			if (!text_number(&digits, &v))
				break;
			out->total += v;
			out->busy += i == IDLE || i == IOWAIT ? 0 : v;
		}
		found = true;
	}
	if (!out->cpus)
		out->cpus = 1; /* a kernel without SMP has only the sum */
	return found;
}

bool memory_parse(const char *text, struct memory *out)
{
	enum { TOTAL, FREE, AVAILABLE, BUFFERS, CACHED, RECLAIMABLE, SHMEM, SWAP, SWAP_FREE, N };
	static const char *const keys[N] = { "MemTotal:", "MemFree:",	   "MemAvailable:",
					     "Buffers:",  "Cached:",	   "SReclaimable:",
					     "Shmem:",	  "SwapTotal:",	   "SwapFree:" };
	uint64_t v[N] = { 0 }, spare;
	bool has[N] = { false };
	char line[256], key[64], number[64];

	while (text_line(&text, line, sizeof(line))) {
		const char *p = line, *digits = number;

		if (!text_field(&p, key, sizeof(key)) ||
		    !text_field(&p, number, sizeof(number)))
			continue;
		for (int i = 0; i < N; i++) {
			if (!strcmp(key, keys[i]))
				has[i] = text_number(&digits, &v[i]);
		}
	}
	if (!has[TOTAL] || !has[FREE])
		return false;
	/* Kernels before 3.14 do not say what is available: files in the cache are, but
	 * not shared memory, which counts as cache, too. */
	spare = has[AVAILABLE] ? v[AVAILABLE] :
				 v[FREE] + v[BUFFERS] + v[CACHED] + v[RECLAIMABLE];
	if (!has[AVAILABLE])
		spare -= v[SHMEM] < spare ? v[SHMEM] : spare;
	out->total_kib = v[TOTAL];
	out->used_kib = v[TOTAL] > spare ? v[TOTAL] - spare : 0;
	out->swap_total_kib = v[SWAP];
	out->swap_used_kib = v[SWAP] > v[SWAP_FREE] ? v[SWAP] - v[SWAP_FREE] : 0;
	return true;
}

uint64_t threads_parse(const char *stat)
{
	/* Behind the name in brackets, which may hold anything: field 3 is the state,
	 * 20 the threads, 23 the size of the address space. */
	const char *p = strrchr(stat, ')'), *digits;
	uint64_t threads = 0, vsize = 0;
	char word[64];

	if (!p)
		return 0;
	p++;
	for (int field = 3; field <= 23 && text_field(&p, word, sizeof(word)); field++) {
		digits = word;
		if (field == 20)
			text_number(&digits, &threads);
		if (field == 23)
			text_number(&digits, &vsize);
	}
	return vsize ? threads : 0;
}

void gauge_add(struct gauge *g, double v)
{
	g->sum += v;
	if (!g->n || v > g->peak)
		g->peak = v;
	g->n++;
}

double gauge_average(const struct gauge *g)
{
	return g->n ? g->sum / g->n : 0;
}

void usage_add(struct usage *u, const struct sample *s)
{
	const struct cpu_ticks *was = &u->last.cpu; /* all zero at first */

	/* Ticks of an unplugged CPU disappear from the sum: that moment is left out. */
	if (s->cpu.total > was->total && s->cpu.busy >= was->busy)
		gauge_add(&u->cpu, (double)(s->cpu.busy - was->busy) /
					   (double)(s->cpu.total - was->total) * s->cpu.cpus);
	gauge_add(&u->mem_kib, (double)s->mem.used_kib);
	gauge_add(&u->swap_kib, (double)s->mem.swap_used_kib);
	gauge_add(&u->threads, (double)s->threads);
	u->last = *s;
	u->samples++;
}
