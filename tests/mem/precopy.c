// SPDX-License-Identifier: MIT
/*
 * tests/mem/precopy.c - is a page ever stale?  Real processes that change memory in
 * every way (churn.c) are copied in rounds, stopped, and compared byte by byte.
 *
 *	precopy CHURN KIND... [-m MIB] [-r ROUNDS] [-f FREEZES] [-s STREAMS] [-z] [-c] [-l] [-p] [-v]
 *
 * -p: and the container's memory does not grow by it.
 * -c: the container has a cgroup and is frozen by it (else by SIGSTOP).
 * The container is frozen, compared and thawed FREEZES times; rounds go on in between.  Fails
 * as well when a second round does not prove that less than everything was sent; not with -l: a machine so
 * slow that everything is written again meanwhile.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/own.h"
#include "bed.h"

static void to_stderr(void *arg, enum log_level level, const char *line)
{
	(void)arg;
	(void)level;
	fprintf(stderr, "%s\n", line);
}

struct options {
	int rounds, freezes;
	unsigned streams;
	bool zstd, cgroup, slow, frugal;
	char **argv; /* of churn */
};

static void parse(struct options *o, int argc, char **argv)
{
	int n = 0;

	*o = (struct options){ .rounds = 4, .freezes = 3, .streams = 1 };
	o->argv = xcalloc((size_t)argc + 1, sizeof(*o->argv));
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "-r") && argv[i + 1])
			o->rounds = atoi(argv[++i]);
		else if (!strcmp(argv[i], "-f") && argv[i + 1])
			o->freezes = atoi(argv[++i]);
		else if (!strcmp(argv[i], "-s") && argv[i + 1])
			o->streams = (unsigned)atoi(argv[++i]);
		else if (!strcmp(argv[i], "-z"))
			o->zstd = true;
		else if (!strcmp(argv[i], "-c"))
			o->cgroup = true;
		else if (!strcmp(argv[i], "-l"))
			o->slow = true;
		else if (!strcmp(argv[i], "-p"))
			o->frugal = true;
		else if (!strcmp(argv[i], "-v"))
			log_init(LOG_LVL_DEBUG, to_stderr, NULL);
		else
			o->argv[n++] = argv[i];
	}
}

static int stop(void *arg, struct err *e)
{
	const struct bed *b = arg;

	(void)e;
	bed_freeze(b->init, b->cgroup);
	return 0;
}

static int go(void *arg, struct err *e)
{
	const struct bed *b = arg;

	(void)e;
	bed_thaw(b->init, b->cgroup);
	return 0;
}

int main(int argc, char **argv)
{
	struct bed b = { 0 };
	struct options o;
	struct err e = ERR_INIT;
	struct track *t = NULL;
	struct track_round r;
	struct track_opts to = { 0 };
	uint64_t most = 0, least = UINT64_MAX;
	unsigned long bad = 0, pages, before, after;
	char *cgroup;

	parse(&o, argc, argv);
	if (track_usable(&e) < 0) {
		fprintf(stderr, "skipped: %s\n", e.msg);
		return 77;
	}
	b.cgroup = cgroup = o.cgroup ? bed_cgroup() : NULL;
	if (o.cgroup && !cgroup) {
		fprintf(stderr, "skipped: no cgroup freezer\n");
		return 77;
	}
	b.init = bed_container(o.argv, cgroup);
	clock_sleep_ms(300);
	before = bed_memory_kib(b.init);
	bed_link(&b, o.streams, o.zstd);
	to.init = b.init;
	to.cgroup = cgroup;
	to.stop = stop;
	to.go = go;
	to.arg = &b;
	if (track_open(&t, &to, &e) < 0)
		bed_die("track: %s", e.msg);
	for (int f = 0; f < o.freezes && !bad; f++) {
		for (int i = 0; i < o.rounds; i++) {
			if (track_round(t, b.sender, &r, &e) < 0)
				bed_die("round: %s", e.msg);
			most = r.dirty_pages > most ? r.dirty_pages : most;
			if (r.nr > 1 && r.dirty_pages < least)
				least = r.dirty_pages;
			clock_sleep_ms(20 + (unsigned)rand() % 60);
		}
		bed_freeze(b.init, cgroup);
		if (track_frozen(t, b.sender, &e) < 0 || track_final(t, b.sender, false, &r, &e) < 0)
			bed_die("final: %s", e.msg);
		bad += r.missing_pages + bed_compare(t, b.store, &pages);
		printf("freeze %d: %u spaces, %u shared, %lu pages compared, %" PRIu64 " of %" PRIu64
		       " dirty, %" PRIu64 " missing, %lu bad; scan %.1f ms, send %.1f ms\n",
		       f + 1, r.nr_spaces, r.nr_shms, pages, r.dirty_pages, r.present_pages,
		       r.missing_pages, bad, (double)r.scan_ns / 1e6, (double)r.send_ns / 1e6);
		bed_thaw(b.init, cgroup);
	}
	printf("largest round %" PRIu64 " pages, smallest later one %" PRIu64 "\n", most, least);
	after = bed_memory_kib(b.init);
	printf("memory of the container %lu KiB before, %lu KiB after\n", before, after);
	track_close(t);
	bed_unlink(&b);
	bed_end(b.init);
	bed_cgroup_end(cgroup);
	if (o.frugal && after > before + before / 4) {
		fprintf(stderr, "its memory has grown\n");
		return 1;
	}
	if (!bad && !o.slow && least >= most) { /* an exec in the first round makes that one small */
		fprintf(stderr, "no round sent less than another\n");
		return 1;
	}
	return bad ? 1 : 0;
}
