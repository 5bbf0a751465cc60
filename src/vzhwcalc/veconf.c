// SPDX-License-Identifier: MIT
#include "vzhwcalc/veconf.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/own.h"

enum {
	PAGE_KIB = 4,
	CPUUNITS_OF_ONE = 1000, /* the default weight: what one busy CPU gets */
	CPUUNITS_MAX = 500000,
	/* What a Container needs to start at all, whatever was measured. */
	MIN_MEM_KIB = 128 * 1024,
	MIN_THREADS = 200,
	MIN_DISK_KIB = 1024 * 1024,
	MIN_INODES = 100000,
};

void hw_fini(struct hw *hw)
{
	free(hw->hostname);
	free(hw->machine);
	free(hw->kernel);
	free(hw->distribution);
	mounts_fini(&hw->mounts);
	excludes_fini(&hw->excludes);
	strv_fini(&hw->addresses);
	strv_fini(&hw->nameservers);
	strv_fini(&hw->searchdomains);
	memset(hw, 0, sizeof(*hw));
}

static void __attribute__((format(printf, 2, 3))) put(struct buf *b, const char *fmt, ...)
{
	own_free char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = xmust(NULL);
	va_end(ap);
	buf_put(b, text, strlen(text));
}

/* One value of a file that shells read, too: nothing in it may end the quotes. */
static void put_text(struct buf *b, const char *key, const char *value)
{
	own_free char *clean = xstrdup(value);

	for (char *p = clean; *p; p++) {
		if ((unsigned char)*p < ' ' || strchr("\"`$\\", *p))
			*p = '?';
	}
	put(b, "%s=\"%s\"\n", key, clean);
}

static void put_list(struct buf *b, const char *key, const struct strv *list)
{
	own_free char *text = list->n ? strv_join(list, " ") : NULL;

	if (text)
		put_text(b, key, text);
}

static uint64_t scaled(double v, double scale, uint64_t least)
{
	double r = ceil(v * scale);

	return r < (double)least ? least : r > 9e18 ? (uint64_t)9e18 : (uint64_t)r;
}

static void put_measured(struct buf *b, const struct hw *hw)
{
	const struct usage *u = &hw->usage;

	put(b, "# measured %u time%s; average and peak:\n", u->samples,
	    u->samples == 1 ? "" : "s");
	put(b, "#   CPUs in use  %.2f  %.2f of %u\n", gauge_average(&u->cpu), u->cpu.peak,
	    u->last.cpu.cpus);
	put(b, "#   memory       %.0f  %.0f of %" PRIu64 " KiB\n", gauge_average(&u->mem_kib),
	    u->mem_kib.peak, u->last.mem.total_kib);
	put(b, "#   swap         %.0f  %.0f of %" PRIu64 " KiB\n",
	    gauge_average(&u->swap_kib), u->swap_kib.peak, u->last.mem.swap_total_kib);
	put(b, "#   threads      %.0f  %.0f\n", gauge_average(&u->threads), u->threads.peak);
	put(b, "#   disk         %" PRIu64 " KiB, %" PRIu64 " inodes to copy\n", hw->disk_kib,
	    hw->inodes);
}

static void put_limits(struct buf *b, const struct hw *hw, const struct hw_scale *scale)
{
	const struct usage *u = &hw->usage;
	uint64_t units = scaled(u->cpu.peak, CPUUNITS_OF_ONE, CPUUNITS_OF_ONE);
	uint64_t mem = scaled(u->mem_kib.peak / PAGE_KIB, scale->mem, MIN_MEM_KIB / PAGE_KIB);
	uint64_t swap = scaled(u->swap_kib.peak / PAGE_KIB, scale->mem, 0);
	uint64_t threads = scaled(u->threads.peak, scale->mem, MIN_THREADS);
	uint64_t disk = scaled((double)hw->disk_kib, scale->disk, MIN_DISK_KIB);
	uint64_t inodes = scaled((double)hw->inodes, scale->disk, MIN_INODES);

	put(b, "CPUUNITS=\"%" PRIu64 "\"\n", units > CPUUNITS_MAX ? CPUUNITS_MAX : units);
	put(b, "CPULIMIT=\"%u\"\nCPUS=\"%u\"\n", u->last.cpu.cpus * 100, u->last.cpu.cpus);
	put(b, "PHYSPAGES=\"0:%" PRIu64 "\"\nSWAPPAGES=\"0:%" PRIu64 "\"\n", mem, swap);
	put(b, "NUMPROC=\"%" PRIu64 ":%" PRIu64 "\"\n", threads, threads);
	/* The hard limit leaves a tenth for what runs during the grace time. */
	put(b, "DISKSPACE=\"%" PRIu64 ":%" PRIu64 "\"\n", disk, disk + disk / 10);
	put(b, "DISKINODES=\"%" PRIu64 ":%" PRIu64 "\"\n", inodes, inodes + inodes / 10);
}

static void put_quota(struct buf *b, const struct hw *hw)
{
	unsigned parts = 0;

	for (size_t i = 0; i < hw->mounts.n; i++) {
		const struct mount *m = &hw->mounts.item[i];

		if (!mount_has_quota(m))
			continue;
		put(b, "# quotas are on in %s: pmigrate -q %s carries them\n", m->dir, m->dir);
		parts++;
	}
	/* Room for as many users and groups again. */
	if (parts)
		put(b, "QUOTAUGIDLIMIT=\"%u\"\n", (hw->n_ids * 2 + 99) / 100 * 100);
}

static const char *technologies(const char *machine)
{
	if (!strcmp(machine, "x86_64"))
		return "x86_64 nptl";
	if (strlen(machine) == 4 && machine[0] == 'i' && !strcmp(machine + 2, "86"))
		return "x86 nptl";
	return strcmp(machine, "ia64") ? "nptl" : "ia64 nptl";
}

static void put_excludes(struct buf *b, const struct excludes *x)
{
	own_strv struct strv patterns = STRV_INIT;

	if (!x->n)
		return;
	put(b, "\n# These need not or must not be copied (--exclude takes them):\n");
	for (size_t i = 0; i < x->n; i++) {
		put(b, "#   %s  %s\n", x->item[i].pattern, x->item[i].reason);
		strv_add(&patterns, x->item[i].pattern);
	}
	put_list(b, "EXCLUDE", &patterns);
}

void veconf_write(struct buf *b, const struct hw *hw, const struct hw_scale *scale,
		  const char *when)
{
	put(b, "# The server %s (%s, kernel %s) as a Container, by vzhwcalc, %s\n",
	    hw->hostname, hw->machine, hw->kernel, when);
	put_measured(b, hw);
	put(b, "# memory is scaled by %g, disk by %g\n\n", scale->mem, scale->disk);
	put_text(b, "VERSION", "2");
	put_text(b, "ONBOOT", "no");
	put_limits(b, hw, scale);
	put_quota(b, hw);
	put_text(b, "HOSTNAME", hw->hostname);
	put_list(b, "IP_ADDRESS", &hw->addresses);
	put_list(b, "NAMESERVER", &hw->nameservers);
	put_list(b, "SEARCHDOMAIN", &hw->searchdomains);
	if (hw->distribution)
		put_text(b, "DISTRIBUTION", hw->distribution);
	else
		put(b, "# DISTRIBUTION is not known: give pmigrate -d NAME\n");
	put_text(b, "TECHNOLOGIES", technologies(hw->machine));
	put_excludes(b, &hw->excludes);
}
