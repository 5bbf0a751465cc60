/* SPDX-License-Identifier: MIT */
/*
 * plan/event.h - what a migration tells whoever watches it.
 *
 * move/ tells, pmigrate/ shows; so the contract lies below both.  The teller owns
 * everything it passes, the watcher copies what it wants to keep.  Calls come
 * from one thread at a time.  Progress is no event: the counters are atomic
 * and the watcher looks at them when it likes.
 *
 *	phase_begin(copy) progress… phase_end(copy) … decision… finding… round…
 *	… account, state, and last either finish(NULL) or finish(error)
 */
#ifndef PLAN_EVENT_H
#define PLAN_EVENT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "plan/check.h"
#include "plan/predict.h"

/* In the order of a migration; not every one has all.  The words are stable
 * (--batch, --report): phase_word. */
enum phase {
	PHASE_CHECK = 0, /* "check"    local and joint checks */
	PHASE_COPY,	 /* "copy"     first pass over the tree, the container runs on */
	PHASE_RECOPY,	 /* "recopy"   what changed meanwhile, it still runs */
	PHASE_MEMORY,	 /* "memory"   pre-copy rounds */
	PHASE_STOP,	 /* "stop"     cold: the container stops; downtime begins */
	PHASE_FREEZE,	 /* "freeze"   online: it is frozen; downtime begins */
	PHASE_LAST,	 /* "last"     the last changes: files, pages, state */
	PHASE_HOLD,	 /* "hold"     made ready there */
	PHASE_START,	 /* "start"    commit and let run; downtime ends */
	PHASE_LAZY,	 /* "lazy"     pages that were left behind follow */
	PHASE_RETIRE,	 /* "retire"   the source's copy is renamed or removed */
	PHASE_UNDO,	 /* "undo"     put back */
	PHASE_MAX
};

const char *phase_word(enum phase p);
/* "Copying files", "Stopping the Container": what a person reads. */
const char *phase_text(enum phase p);

/* Written by any thread of the migration, read by the watcher's.  A total of 0 is
 * not known.  phase_begin sets all to 0. */
struct progress {
	_Atomic uint64_t bytes, bytes_total;   /* of content, as it will lie there */
	_Atomic uint64_t wire_bytes;	       /* as sent */
	_Atomic uint64_t items, items_total;   /* files, or pages */
};

/* One pre-copy round, or one pass over the tree. */
struct event_round {
	enum phase phase;	/* PHASE_MEMORY, PHASE_COPY or PHASE_RECOPY */
	unsigned number;	/* from 1 */
	double ms;
	uint64_t bytes;		/* sent in it */
	uint64_t items;
	double dirty_bps;	/* bytes that became dirty per second during it */
	uint64_t left_bytes;	/* what it left to do */
};

enum { EVENT_PARTS_MAX = 16 };

/* The account at the end.  What does not apply is 0. */
struct account {
	uint64_t wire_bytes;	/* on the link, both ways */
	uint64_t file_bytes, files, files_last; /* files_last: in the frozen window */
	uint64_t memory_bytes;	/* pages sent, before compression */
	uint64_t lazy_pages;	/* fetched on demand */
	unsigned rounds;	/* of memory pre-copy */
	double dirty_bps;	/* of the last round */
	double stop_ms;		/* the longest that one of these rounds had to stop it, or 0 */
	double total_ms;
	bool has_downtime;	/* it ran, and runs there */
	double downtime_ms;
	struct account_part {
		char name[24];	/* "freeze", "dump", "files", "restore", … */
		double ms;
	} part[EVENT_PARTS_MAX]; /* of the downtime, in order of time */
	size_t n_parts;
	const char *mode;	/* "cold", "iterative", "simple", "lazy", "lazy+iterative", "local" */
	const char *note;	/* "moved as simple: …", or NULL */
};

/* Where the container is now.  States are ct_state_word()s, "absent", or
 * "unknown" when a server could not be asked. */
struct final_state {
	const char *id, *name;	   /* as on the source; name may be NULL */
	const char *source, *source_state;
	const char *destination, *destination_state;
	const char *destination_id;
	bool undecided;		   /* `pmigrate recover` must be run */
	const char *migration_id;  /* of the journal, or NULL */
	const char *kept;	   /* what stays at the source, a path there; NULL: nothing */
	const char *kept_id;	   /* by which pctl knows it */
	uint64_t kept_bytes;
};

struct event_ops {
	/* Once, first: what will be done. */
	void (*begin)(void *arg, const struct job *job, const char *container,
		      const char *source, const char *destination);
	/* `detail` is more about it ("10 changed files") or NULL. */
	void (*phase_begin)(void *arg, enum phase p, const char *detail);
	/* ok: it did its work; else finish() tells why. */
	void (*phase_end)(void *arg, enum phase p, bool ok);
	void (*round)(void *arg, const struct event_round *r);
	/* A decision with its numbers, one line: "freeze now: 312 KiB dirty, 4 ms predicted". */
	void (*decision)(void *arg, const char *text);
	/* Something the user must know although it goes on. */
	void (*warning)(void *arg, const char *text);
	/* One of the preflight's findings, passed or failed or bypassed. */
	void (*finding)(void *arg, const struct finding *f);
	/* --dry-run */
	void (*prediction)(void *arg, const struct prediction *p);
	void (*account)(void *arg, const struct account *a);
	void (*state)(void *arg, const struct final_state *s);
	/* Last.  why NULL: success.  `server`: where it failed, or NULL. */
	void (*finish)(void *arg, const struct err *why, const char *server);
};

/* The watcher, as move/ holds it.  All event_* accept NULL and a NULL member. */
struct events {
	const struct event_ops *ops;
	void *arg;
	struct progress progress;
};

void event_begin(struct events *ev, const struct job *job, const char *container,
		 const char *source, const char *destination);
void event_phase_begin(struct events *ev, enum phase p, const char *fmt, ...)
	__attribute__((format(printf, 3, 4))); /* fmt NULL: no detail */
void event_phase_end(struct events *ev, enum phase p, bool ok);
void event_round(struct events *ev, const struct event_round *r);
void event_decision(struct events *ev, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void event_warning(struct events *ev, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void event_finding(struct events *ev, const struct finding *f);
void event_prediction(struct events *ev, const struct prediction *p);
void event_account(struct events *ev, const struct account *a);
void event_state(struct events *ev, const struct final_state *s);
void event_finish(struct events *ev, const struct err *why, const char *server);

/* Adds a part of the downtime; the last slot collects what does not fit. */
void account_add_part(struct account *a, const char *name, double ms);

#endif
