/* SPDX-License-Identifier: MIT */
/*
 * engine/engine.h - containers as things, whoever runs them.
 *
 * An engine is one const table of functions.  Both ends of a migration use the
 * same engine; the functions are grouped by the end that calls them.  The
 * move folder never asks which engine it has.
 *
 * A container's life as the migrator sees it:
 *
 *   source       STOPPED or RUNNING ──stop/freeze──> … ──retire──> gone
 *   destination  nothing ──adopt──> STOPPED ──hold──> HELD ──let_run──> RUNNING
 *                   <──disown──        <──unhold──
 *
 * HELD is everything short of running: namespaces, mounts, cgroups and limits
 * are made, the first process waits, no address of it answers on the network.
 */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/strv.h"

enum ct_state {
	CT_STOPPED = 0,
	CT_MOUNTED, /* its root is mounted, nothing runs */
	CT_RUNNING,
	CT_FROZEN,
	CT_HELD,
};

/* "stopped", "mounted", "running", "frozen", "held" */
const char *ct_state_word(enum ct_state s);

/* A container of this server: plain data, all texts owned (ct_fini). */
struct ct {
	char *engine;	/* "vz" */
	char *id;	/* "101" */
	char *name;	/* or NULL */
	char *private_area; /* absolute: the tree that migrates */
	char *root;	/* absolute: where it is mounted when it runs */
};

#define CT_INIT { .engine = NULL }
void ct_fini(struct ct *ct);

/* A small file that travels with the container (mount scripts and such). */
struct ct_script {
	char *name; /* "mount", "start": no slash */
	mode_t mode;
	char *text;
};

/*
 * What the destination is told about a container: everything but the tree.
 * Owned; encoded for the wire by ct_desc_put/ct_desc_get (pure, capped).
 */
struct ct_desc {
	char *engine;
	char *id;	    /* the id it shall have there */
	char *name;	    /* the name it shall have there, or NULL */
	char *private_area; /* NULL: the destination's own default for that id */
	char *root;	    /* NULL: the same */
	char *config;	    /* the engine's own text, as it was read */
	struct ct_script *script;
	size_t n_scripts;
	struct strv addresses; /* of its network, as text, without prefix length */
};

void ct_desc_fini(struct ct_desc *d);
void ct_desc_put(struct buf *b, const struct ct_desc *d);
/* Leaves *d empty on failure. */
int ct_desc_get(struct reader *r, struct ct_desc *d, struct err *e);

/* What CRIU must be told about a container that has processes.  All texts owned. */
struct ct_parts {
	pid_t init;	   /* first process, as this server counts */
	char *root;	   /* where its root is mounted here */
	char *netns;	   /* file of its network namespace */
	char *freezer;	   /* directory of its cgroup in the hierarchy that freezes */
	struct strv ifs;   /* interfaces that the engine makes in it */
	bool routed;	   /* all its addresses are, by a route of this server each */
	bool has_cgroups;  /* it made cgroups of its own below it (systemd) */
};

#define CT_PARTS_INIT { .init = 0 }
#define own_ct_parts __attribute__((cleanup(ct_parts_fini)))
void ct_parts_fini(struct ct_parts *p);

struct engine_ops {
	const char *name;

	/* Is this engine set up on this server?  Cheap, changes nothing. */
	bool (*present)(void);

	/* By id or name; ERR_ABSENT when there is none.  *out is the caller's. */
	int (*find)(const char *id_or_name, struct ct *out, struct err *e);

	/* Every container; *out is an array of *n, the caller's (ct_fini each, free). */
	int (*list)(struct ct **out, size_t *n, struct err *e);

	int (*state)(const struct ct *ct, enum ct_state *out, struct err *e);

	/*
	 * Takes the container for us: nobody else starts, stops, destroys or moves it
	 * until unlock.  ERR_LOCKED tells who has it and why.  `why` is one line for
	 * them.  Works for an id that does not exist yet, too.
	 *
	 * With a ticket (the id of a migration; else NULL) the lock is sticky: it
	 * outlives this process and a reboot, and only a lock with the same ticket
	 * gets past it.  That is how a copy that must not run, because a crashed
	 * migration may have given it away, stays stopped until `pmigrate recover`.
	 */
	int (*lock)(const char *id, const char *why, const char *ticket, int *lock_fd,
		    struct err *e);
	/* The ticket on it, or NULL; the caller's. */
	char *(*ticket)(const char *id);
	/* Gives it back, ticket and all, durably; closes *lock_fd (-1 is fine). */
	void (*unlock)(const char *id, int *lock_fd);

	/* Both wait until it is so.  stop asks the init first and kills at the end of
	 * timeout_ms.  Stopping a stopped one is fine.  The caller has the lock. */
	int (*start)(const struct ct *ct, struct err *e);
	int (*stop)(const struct ct *ct, int timeout_ms, struct err *e);

	/* Source.  What the destination must be told; the wishes (new id, name, …) are
	 * put in by the caller afterwards. */
	int (*describe)(const struct ct *ct, struct ct_desc *out, struct err *e);

	/* Source, after COMMIT.  remove: config, scripts and private area are deleted;
	 * else they get the suffix .migrated (an older .migrated is replaced).
	 * Idempotent: recover may call it again. */
	int (*retire)(const struct ct *ct, bool remove, struct err *e);

	/* Source, instead of retire: it stays as it is, stopped, and does not start by itself.
	 * NULL: the engine cannot. */
	int (*stay)(const struct ct *ct, struct err *e);

	/* Destination.  Where would it live?  Fills *out without changing anything;
	 * ERR_EXISTS when id, path or config is taken, ERR_NAME_USED for the name. */
	int (*plan_home)(const struct ct_desc *d, struct ct *out, struct err *e);

	/* Destination, while the container runs at the source.  Tries what adopt and (start) hold
	 * will need here, with a throw-away one that has nothing inside: its directories are
	 * written to, the runtime creates it with the limits and bridges of the config, and all
	 * is taken away again.  The error is what they would have said; ERR_LAYOUT when the
	 * runtime is missing.  NULL: there is nothing to try. */
	int (*rehearse)(const struct ct *home, const struct ct_desc *d, bool start, struct err *e);

	/* Destination.  Registers it: config (NAME, VE_PRIVATE, VE_ROOT fitted to this
	 * server), scripts, name, limits on the private area.  The private area
	 * exists.  Atomic: after a failure nothing is registered. */
	int (*adopt)(const struct ct *ct, const struct ct_desc *d, struct err *e);

	/* Undoes adopt; fine when it was not adopted.  The private area stays. */
	int (*disown)(const struct ct *ct, struct err *e);

	/* Destination.  STOPPED -> HELD, HELD -> RUNNING (address attached, announced),
	 * HELD -> STOPPED.  unhold is fine for one that is not held. */
	int (*hold)(const struct ct *ct, struct err *e);
	int (*let_run)(const struct ct *ct, struct err *e);
	int (*unhold)(const struct ct *ct, struct err *e);

	/* Destination, for an engine that moves running ones by its own means; else NULL.
	 * expect: all is ready for it, its ways end in the directory `sockets`.  arrived: 1
	 * when it has come, 0 when it has not and nobody brings it any more. */
	int (*expect)(const struct ct *ct, const struct ct_desc *d, const char *sockets,
		      struct err *e);
	int (*arrived)(const struct ct *ct, struct err *e);

	/* Local move.  The stopped container `from` goes by `to`'s id, name and paths from
	 * now on: config, scripts and names; the areas themselves are the caller's.
	 * Atomic, idempotent; undone by calling it the other way round.  ERR_EXISTS or
	 * ERR_NAME_USED when another container has what `to` wants. */
	int (*rename)(const struct ct *from, const struct ct *to, struct err *e);

	/* ---- live; all NULL: containers of this engine move cold only ---- */

	/* Either end: RUNNING, FROZEN, HELD.  *out is the caller's. */
	int (*parts)(const struct ct *ct, struct ct_parts *out, struct err *e);

	/* Source.  cut: nothing comes from or to its network any more.  uncut: the reverse, and
	 * thawed when it is frozen: it runs as before.  Both idempotent, a millisecond. */
	int (*cut)(const struct ct *ct, struct err *e);
	int (*uncut)(const struct ct *ct, struct err *e);

	/* Destination.  Its waiting first process was replaced by this one, which is frozen:
	 * HELD, too; let_run thaws it. */
	int (*swap)(const struct ct *ct, pid_t init, struct err *e);
};

/* Those of containers; NULL-terminated, in the order in which names are looked up. */
extern const struct engine_ops *const engines[];

/* "Container", or "Virtual machine" for the engine of those: how a message begins. */
const char *engine_noun(const char *engine);

/* Also that of virtual machines.  NULL when there is no such engine in this program. */
const struct engine_ops *engine_by_name(const char *name);

/* "NAME", or "engine:NAME", looked up in all engines that are present. */
int engine_find(const char *spec, const struct engine_ops **ops, struct ct *out,
		struct err *e);

#endif
