/* SPDX-License-Identifier: MIT */
/*
 * criu/save/save.h - the source's side of a live move: everything ready while the
 * container runs, then frozen and saved.
 *
 *	running   save_prepare ── (mem round ── save_look)* ── [save_arm] ── [save_begin]
 *	frozen    save_freeze ── save_frozen ── [save_let_run_on, and again] ── save_dump ── save_hidden
 *	          save_disarm ── COMMIT, or save_free (thaws)
 *
 * How the memory is kept out of the dump, best first; the caller goes down one
 * step after a failure:
 *
 *	SAVE_SHIM	mem/ has it, the preload library hides it from CRIU (tried first: shimtest.h)
 *	SAVE_WHOLE	CRIU dumps it all, in the freeze
 */
#ifndef CRIU_SAVE_SAVE_H
#define CRIU_SAVE_SAVE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"
#include "criu/mounts.h"
#include "mem/pageset.h"
#include "mem/procs.h"
#include "mem/track/track.h"

enum save_memory { SAVE_SHIM, SAVE_WHOLE };

/* File systems of containers that CRIU does not know; what is in them is lost (obstacles.h
 * tells so): systemd mounts it, empty. */
extern const char *const criu_trusted_fs[];

struct save;

/* A running container, as an engine describes it; all borrowed during save_prepare. */
struct save_opts {
	pid_t init;
	const char *rootfs;
	const char *netns;	   /* file */
	const char *freezer_dir;   /* freezer_find */
	enum save_memory memory;
	uint64_t ghost_max;	   /* obstacles.h */
	bool cgroups; /* dump.h */
	const char *const *enable_fs;
};

/* Starts CRIU and the freeze's guard.  The container runs on. */
int save_prepare(struct save **out, const struct save_opts *o, struct err *e);

/* Ends CRIU; thaws a container that is frozen and not disarmed.  NULL is fine. */
void save_free(struct save *s);

const struct ext_mounts *save_mounts(const struct save *s);

/* Reads them anew: the list of before is invalid then.  Not behind LIVE_ARM, for both ends need the same. */
int save_read_mounts(struct save *s, struct err *e);

/* The largest deleted file has grown to this since; before save_begin. */
void save_ghosts(struct save *s, uint64_t ghost_max);

/* The process of CRIU. */
pid_t save_criu(const struct save *s);

/* imgdir.h; borrowed. */
int save_images(const struct save *s);

/* After a round or track_learn, running: what the library may answer from. SAVE_WHOLE: nothing.  `quick`: the freeze is so near that only
 * processes which were not there at the last look are looked at whole. */
int save_look(struct save *s, const struct track *t, bool quick, struct err *e);

/*
 * The shared objects whose content CRIU shall not dump, because the restore will be given
 * memory that has it: anonymous shared memory, memfds and System V segments known to mem/, the largest first.  `nrs`
 * gets their object numbers (the caller's).  Call it once, after a round, before the destination is
 * prepared; later ones are CRIU's.
 */
int save_arm(struct save *s, const struct track *t, uint32_t **nrs, size_t *n,
	     struct err *e);

/*
 * Still running: CRIU gets its request and does what it can before it looks at the container; save_dump lets it go on.
 * Nothing happens where CRIU cannot be made to wait (no preload library).
 */
int save_begin(struct save *s, struct err *e);

int save_freeze(struct save *s, int timeout_ms, struct err *e);
int save_thaw(struct save *s, struct err *e);

/* Frozen: which processes the container has.  Without it their calls and timers are not mended. */
void save_frozen(struct save *s, const struct procs *p);

/* Frozen: lets go of watched files that are removed now (criu/save/watches.h); returns how many: their watchers are told when they run on. */
int save_forget(struct save *s);

/* Thaws, to freeze again in a moment. */
int save_let_run_on(struct save *s, struct err *e);

/* Frozen.  May run beside track_final. */
int save_dump(struct save *s, struct err *e);

/*
 * Frozen, after save_dump and track_final: appends, for the destination, which mappings of each process
 * were hidden from CRIU.  Fails when one of them, or a shared object, is not in mem/'s hands: its
 * content would be lost.
 */
int save_hidden(struct save *s, const struct track *t, struct buf *out, struct err *e);

/* Before COMMIT: a death of ours no longer thaws. */
int save_disarm(struct save *s, struct err *e);

/* ---- for both ends: what save_hidden tells, pure ---- */

struct hidden_space {
	uint32_t vpid;
	/* Whole mappings: those that come back through userfaultfd, and those that the images must have (map_is_eager). */
	struct pageset lazy, eager;
};

struct hidden_spaces {
	struct hidden_space *v;
	size_t n;
};

#define HIDDEN_SPACES_INIT { NULL, 0 }
#define own_hidden_spaces __attribute__((cleanup(hidden_spaces_fini)))

void hidden_spaces_fini(struct hidden_spaces *h);
void hidden_spaces_put(struct buf *b, const struct hidden_spaces *h);
int hidden_spaces_get(struct reader *r, struct hidden_spaces *h, struct err *e);

#endif
