/* SPDX-License-Identifier: MIT */
/*
 * mem/track/track.h - which pages of a running container changed: the source's
 * side of pre-copy.
 *
 * Every address space gets a userfaultfd in write-protect-async mode, made
 * inside one of its tasks (mem/inject/inject.h: stopped < 1 ms) and held here;
 * PAGEMAP_SCAN then tells and re-arms, without stopping anybody (Linux >= 6.7;
 * Documentation/admin-guide/mm/{pagemap,userfaultfd}.rst).  On older kernels soft-dirty bits tell it,
 * and the container is stopped for about 50 ms a GiB in every round (mem/track/soft.h).
 *
 * The rule everywhere: what is not known clean is dirty.  A mapping that is not
 * registered (new, mremap'ed, remapped) is sent whole; an address space that was
 * replaced by exec is a new object; a process sharing another's memory is none.  Written
 * copies of a file's pages are compared by hash in every round (by bits where those are soft-dirty).
 *
 *	track_open   -> running    attaches to what is there
 *	track_round  -> running    one pre-copy round; again as converge.h says
 *	(freeze)
 *	track_frozen -> frozen     processes, mappings; before CRIU touches anything
 *	track_final  -> frozen     the rest, beside CRIU's dump; now lists are exact
 *	track_close                the userfaultfds go: 25 ms a GiB; after COMMIT or thaw
 *
 * If this process dies the kernel closes the userfaultfds; the container runs on
 * with nothing left behind but split huge pages.
 */
#ifndef MEM_TRACK_TRACK_H
#define MEM_TRACK_TRACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "mem/inject/callnote.h"
#include "mem/maps.h"
#include "mem/pageset.h"
#include "mem/send.h"
#include "mem/track/shm.h"

struct track;

struct track_opts {
	pid_t init;	    /* the container's first process, as seen here */
	const char *cgroup; /* absolute directory holding all its processes, or NULL */
	unsigned threads;   /* of the final scan; 0: the CPUs, at most 4 */
	bool no_rounds;	    /* there will be none: nothing is tracked (Linux >= 6.7 still, see track.c) */
	/* Stop all of its processes, and let them go on: for rounds with soft-dirty bits, and only then;
	 * after a failure of `stop` they run.  NULL: rounds need the other means. */
	int (*stop)(void *arg, struct err *e);
	int (*go)(void *arg, struct err *e);
	void *arg;
};

/* What one round did; durations in ns. */
struct track_round {
	unsigned nr;		 /* 1 = the first, everything */
	uint64_t dirty_pages;	 /* found to be sent, of spaces and shared objects */
	uint64_t present_pages;	 /* final only: exist in all lists */
	uint64_t missing_pages;	 /* final only: the other end lacks them; 0 unless lazy */
	uint64_t scan_ns;	 /* looking */
	uint64_t send_ns;	 /* until the other end had applied it all */
	uint64_t interval_ns;	 /* since the scan of the round before: dirty_pages arose in it */
	unsigned nr_spaces, nr_shms;
	unsigned attached;	 /* address spaces newly tracked */
	uint64_t attach_max_ns;	 /* longest stop of a task for that */
	uint64_t stop_ns;	 /* all of it was stopped for so long (soft-dirty), or 0 */
};

/*
 * Can this kernel and this process track at all?  Else ERR_UNSUPPORTED or ERR_SYS with
 * the reason and the remedy; nothing is touched.  The environment's PMIGRATE_TRACK (tests) allows
 * only one means: "uffd", "soft-dirty" or "none".
 */
int track_usable(struct err *e);

/* Finds the container's processes and attaches.  A process that cannot be tracked is
 * an error naming it, with nothing left behind. */
int track_open(struct track **out, const struct track_opts *o, struct err *e);
void track_close(struct track *t); /* NULL is fine */

/* One round while the container runs.  Looks for new processes first. */
int track_round(struct track *t, struct sender *s, struct track_round *r, struct err *e);

/* Pages that the freeze has to send again because a device may still be writing into them; after a round.  They become
 * fewer by further ones: at once when nothing is under way, else within some seconds. */
uint64_t track_doubted(const struct track *t);

/* How many pages would a round send now?  Nothing is armed or sent (--dry-run asks twice
 * around a pause, after track_arm).  With soft-dirty bits an estimate: nobody is stopped for it. */
int track_arm(struct track *t, struct err *e);
int track_count(struct track *t, uint64_t *dirty_pages, uint64_t *present_pages,
		struct err *e);

/*
 * Before the freeze: memory that processes share since a fork shall be shared there, too (mem/track/family.h).  track_final then tells
 * these pages (track_space.shared), and sends them also with `lazy`.
 */
void track_keep_shared(struct track *t);

/*
 * The container is frozen and CRIU has not begun: looks at processes, mappings and executable
 * memory (into which CRIU's parasite pokes).  1 ms and less for a few processes.
 */
int track_frozen(struct track *t, struct sender *s, struct err *e);

/*
 * Then, beside CRIU's dump: sends what is left (with `lazy` of private memory only the
 * lists), the exact lists of present pages, and syncs.  On the way sender_urgent is on.  After
 * a thaw the container may have further rounds and another track_frozen.
 */
int track_final(struct track *t, struct sender *s, bool lazy, struct track_round *r,
		struct err *e);

/* ---- after track_final: for the image writer (criu/) ---- */

struct track_space {
	uint32_t nr;		   /* object number */
	pid_t pid, vpid;	   /* here; in the container: pagemap-<vpid>.img */
	const struct maps *maps;   /* at the freeze, with VmFlags where they were known */
	/* Pages that exist: all of ANON mappings, of FILE mappings only those that differ from the
	 * file.  Only of mappings that are tracked (track_covers): the rest is CRIU's. */
	const struct pageset *present;
	const struct pageset *shared; /* since a fork; empty unless that is kept */
	/* Other vpids with the same memory (CLONE_VM): CRIU writes no pagemap for them. */
	const pid_t *sharers;
	size_t nr_sharers;
	bool guarded; /* has guard regions */
	struct call_note call; /* that tracking met one of its threads in */
};

/* All processes of the last look. */
const struct procs *track_procs(const struct track *t);

size_t track_nr_spaces(const struct track *t);
void track_get_space(const struct track *t, size_t i, struct track_space *out);

/* Is this mapping's content ours (so that the shim hides its pages from CRIU)? */
bool track_covers(const struct map *m);

/* Shared objects whose content is ours: the shim answers SEEK_DATA with ENXIO for exactly
 * these (dev, ino), for all others truthfully. */
size_t track_nr_shms(const struct track *t);
const struct shm *track_get_shm(const struct track *t, size_t i);

/* Without rounds, running: the VmFlags of all mappings, which a round learns by itself. */
void track_learn(struct track *t);

/* The maps of a process as of the last round with VmFlags from smaps (taken while
 * running): what the shim answers from.  NULL: unknown, let CRIU read smaps. */
const struct maps *track_smaps(const struct track *t, pid_t vpid);

#endif
