/* SPDX-License-Identifier: MIT */
/*
 * mem/track/space.h - one address space of the container at the source.
 *
 * Everything is asked through descriptors that are bound to the address space, not
 * to the pid (/proc/PID/{maps,pagemap,mem} opened once, the userfaultfd): after an exec
 * they go empty instead of answering for the new program.  An exec whose old memory
 * lives on in a vfork child is noticed by AT_RANDOM, 16 bytes new with each exec.
 */
#ifndef MEM_TRACK_SPACE_H
#define MEM_TRACK_SPACE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "mem/inject/callnote.h"
#include "mem/maps.h"
#include "mem/pageset.h"
#include "mem/track/scan.h"

/* One shared mapping of a shared object. */
struct view {
	uint64_t start, end, offset, dev, ino;
	struct pageset tables; /* see scan_shared */
};

/* A private mapping of a file: what is known of its written pages.  They are few, so they are not tracked but compared
 * in every round, and when frozen (mem/track/scan.h tells why). */
struct copies {
	uint64_t start, end, offset, dev, ino;
	uint64_t *hash; /* of each page as it was sent; 0: never.  NULL (terabytes of a sparse file): all go each time */
};

struct doubt {
	uint64_t found_ns;
	struct pageset pages;
};

struct space {
	uint32_t nr;	/* on the wire; never reused */
	pid_t pid, vpid;
	bool announced;
	bool gone;
	bool tracked;	/* has a userfaultfd, or is looked at by soft-dirty bits */
	struct call_note call;	/* of the thread that was stopped to make it tracked */
	struct scan_space scan;
	atomic_bool guarded;	/* scan.guarded */
	int mem, maps_fd;
	uint64_t random_at;
	uint8_t random[16];
	struct maps maps;	/* at the last look */
	struct maps smaps;	/* with VmFlags, from while it ran */
	struct view *views;
	size_t nr_views;
	struct copies *copies; /* not with soft-dirty bits */
	size_t nr_copies;
	struct pageset dirty, present;
	/* Mapped since the look before, and not scanned since then: they go whole.  The kernel would tell that of a new mapping; not
	 * of one that a torn text (maps_read) lacked, whose pages have been dropped there. */
	struct pageset fresh;
	/* It has files open with O_DIRECT or an aio ring: a device may still have been writing into
	 * pages when they were armed.  So what one scan found is sent again with the next, and at the freeze, for as long
	 * as such a transfer may be on its way (mem/track/direct.h). */
	bool direct;
	struct doubt *doubts; /* found by the last scans, the oldest first; of direct ones only */
	size_t nr_doubts;
	struct pageset doubt; /* at the freeze: all of them */
	struct pageset shared;	/* at the freeze, if it shall be kept: see family.h */
	pid_t *sharers;		/* vpids of other processes with the same memory */
	size_t nr_sharers;
};

/* How written pages are found. */
enum space_how {
	SPACE_NOT_YET, /* see space_track; until then all are */
	SPACE_UFFD,    /* mem/track/scan.h */
	SPACE_SOFT,    /* mem/track/soft.h */
};

/*
 * Opens it and makes it tracked.  ERR_ABSENT: it ended meanwhile.  A process that cannot be
 * stopped just now is left untracked (tracked = false, no error): try space_track again.
 */
int space_open(struct space **out, pid_t pid, pid_t vpid, enum space_how how,
	       uint64_t *stopped_ns, struct err *e);
int space_track(struct space *s, uint64_t *stopped_ns, struct err *e);
void space_close(struct space *s); /* NULL is fine */

/* Is the pid's memory still this one? */
bool space_is_same(const struct space *s);
/* Does pid share this memory (CLONE_VM)? */
bool space_shared_with(const struct space *s, pid_t pid);

/* Reads the mappings again; the old ones go to *was (the caller's).  Empty: it ended. */
int space_look(struct space *s, struct maps *was, struct err *e);

/* After space_look: what is known of written copies of files' pages goes on where the mapping is the same. */
void space_renew_copies(struct space *s);
/* All of them are sent again. */
void space_forget_copies(struct space *s);
const struct copies *space_find_copies(const struct space *s, const struct map *m);

/* scan_private; what is fresh is dirty, too. */
enum scan_result space_scan(const struct space *s, const struct map *m, struct pageset *present,
			    struct pageset *dirty);

/* After a scan of a direct one: what it found is in doubt, and what was in doubt is added to s->dirty. `flying`: before the scan
 * a transfer may have been under way. */
void space_doubt(struct space *s, bool flying);
/* Adds all that is in doubt. */
void space_add_doubts(const struct space *s, struct pageset *to);

/* Is the content of this mapping ours? */
bool space_covers(const struct map *m);

#endif
