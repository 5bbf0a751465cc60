/* SPDX-License-Identifier: MIT */
/*
 * mem/track/priv.h - what track.c, look.c and final.c share; nobody else's.
 */
#ifndef MEM_TRACK_PRIV_H
#define MEM_TRACK_PRIV_H

#include "mem/procs.h"
#include "mem/track/shm.h"
#include "mem/track/space.h"
#include "mem/track/track.h"

struct track {
	struct track_opts o;
	bool soft;  /* soft-dirty bits are the means */
	bool loose; /* soft: armed without a stop, only good for estimates */
	char *cgroup; /* copy */
	struct procs procs;
	struct space **spaces;
	size_t nr_spaces;
	struct shm **shms;
	size_t nr_shms;
	uint32_t next_nr; /* object number */
	unsigned rounds;
	uint64_t scanned_ns; /* when the scan before began */
	bool keep_shared;    /* see track_keep_shared */
	bool flying;	     /* see space_doubt; of the round under way */
	bool frozen;	     /* track_frozen was called since the last round */
	uint64_t early_pages; /* sent by it */

	/* of the round under way */
	unsigned attached;
	uint64_t attach_max_ns;
};

/* Bytes of a mapping that are looked at together, a power of two: some programs reserve terabytes that hold nothing. */
static inline uint64_t piece_of(const struct map *m, uint64_t least)
{
	enum { MOST_PIECES = 256 };

	while ((m->end - m->start) / least > MOST_PIECES)
		least *= 2;
	return least;
}

/* look.c: who is there, what do they map?  `running`: new ones are attached. */
int look_at_spaces(struct track *t, struct sender *s, bool running, struct err *e);
/* Sends DROP for mappings that went; finds shared objects; views.  *dropped: a barrier is
 * needed before pages. */
int look_at_mappings(struct track *t, struct sender *s, bool running, bool *dropped, struct err *e);
/* Whatever could map objects and was not watched: compare them. */
void suspect_all(struct track *t);

/* softround.c: what a round looks at with the container stopped: all private memory. */
int soft_round(struct track *t, struct track_round *r, struct err *e);
/* Without stopping it: for estimates. */
int soft_arm(struct track *t, struct err *e);
/* Before a look at frozen processes. */
void soft_prepare(struct track *t);

/* final.c: how many threads a frozen look is worth. */
unsigned track_threads(const struct track *t);

/* track.c */
int announce_space(struct track *t, struct space *s, struct sender *to, struct err *e);
/* Scans all shared views of a space into the objects' dirty sets. */
void scan_views(struct track *t, struct space *s, bool arm);
/* Sends what shared objects owe, after all views were scanned. */
int send_shms(struct track *t, struct sender *to, uint64_t *dirty_pages, struct err *e);
/* Lazy: pages of a space that the final pass left here. */
const struct pageset *track_owed(const struct track *t, size_t i);
struct batch_from space_from(const struct space *s);
/* Pages of a private mapping of a file (or a part of one), but for those that are as they were sent. */
int send_copies(const struct space *s, const struct map *m, const struct pageset *pages, struct sender *to,
		struct err *e);
struct shm *find_shm(const struct track *t, uint64_t dev, uint64_t ino);

#endif
