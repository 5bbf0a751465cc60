/* SPDX-License-Identifier: MIT */
/*
 * into/into.h - h -> c and v -> c: a server or a disk image becomes a Container of
 * this server.
 *
 *	look      open the way there, measure it, name what it will lose, check
 *	begin     take the id, make the area (a kept one of an earlier try goes on)
 *	copy      everything, while the services run		(h; v: once, from the disks)
 *	stop      the services of -S				(h)
 *	last      what changed since				(h)
 *	restart   the services of the source			(h)
 *	settle    nodes, POST_MIGRATE, name, resolver, quotas
 *	register  the config: from here on the Container exists (COMMIT)
 *	take      --take-addresses: it is made ready, the server gives its addresses
 *	          up, it runs; the services there stay stopped
 *	boot      what its init says of the start is told
 *
 * The source is only read, but for the services.  They are stopped by a small shell
 * there that starts them again when its connection ends, however it ends, or is silent:
 * also when this program is killed or the link is cut.  A failed copy leaves the area and a note of whose it is
 * in INTO_DIR/CTID; the next try of the same source sends the rest.  Without "take"
 * the Container is not started: the source still has the addresses.
 */
#ifndef INTO_INTO_H
#define INTO_INTO_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/spawn.h"
#include "engine/dist.h"
#include "engine/engine.h"
#include "into/ssh.h"
#include "plan/event.h"
#include "plan/into.h"
#include "plan/job.h"

#define INTO_DIR "/var/lib/pmigrate/into"

struct into {
	/* given */
	const struct job *job;
	struct events *ev;

	/* found out before anything is changed */
	char *source;	 /* what to call it: "old", "disk.qcow2" */
	struct into_ssh ssh;
	char *scan;	 /* of vzhwcalc, or "" */
	char *machine;	 /* uname -m of it */
	struct into_plan plan;
	struct dist dist;
	struct strv services;
	uint64_t need_kib, need_inodes;
	bool xattrs, xattr_filter;
	struct strv lost; /* names of extended attributes that cannot be kept here */
	const struct engine_ops *ops;
	struct ct_desc desc;
	struct ct ct;
	bool kept;	 /* an earlier try's area is there */
	bool mounted;	 /* the area is a file system of its own, empty or kept */
	struct into_image *image; /* of a machine that is shut off; NULL: a server */
	const struct where *where; /* how to reach the source: job's, or vm_where */
	struct where vm_where;	   /* a running virtual machine's own */

	/* open while it goes on */
	int lock_fd;
	struct child keeper;	   /* on the source: has the stopped services */
	uint64_t beat_ns;	   /* when it heard of us last */
	struct err services_err;   /* of those that do not start again */
	char *quotas;		   /* of -q: lines "u|g id bsoft bhard isoft ihard" */
	struct dist_changes changes;

	/* told */
	int phase;
	uint64_t begun_ns, done_ns; /* done: all but waiting for its init, or 0 */
	struct account account;
	bool registered;
	bool given;	 /* the source has no addresses any more */
	bool started;
};

/* The whole; as move_run. */
int into_run(const struct job *job, struct events *ev, struct err *e);

/* Tells something that the user should know, as a finding that stops nothing. */
void into_note(struct into *n, const char *word, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* --- the parts, each in a file of its own ------------------------------------------- */

/* into_look.c: fills the second group for a server.  Changes nothing. */
int into_look(struct into *n, struct err *e);
/* Says all findings; -1 when one of them stops it. */
int into_check(struct into *n, struct err *e);

/* into_area.c: the template of -z; the lock, the area and the note of whose it is. */
int into_template_check(struct into *n, struct err *e);
int into_plan_home(struct into *n, struct err *e);
int into_area_begin(struct into *n, struct err *e);
int into_area_register(struct into *n, struct err *e);

/* into_copy.c: one rsync pass. */
int into_copy(struct into *n, bool last, struct err *e);

/* into_services.c: are all of -S services there? */
int into_services_check(struct into *n, struct err *e);
int into_services_stop(struct into *n, struct err *e);
/* "We are still here": to be called at least once a second while they are stopped. */
void into_services_beat(struct into *n);
/* Also after a failure, and twice.  Names of those that do not go to `failed`.  -1: nobody
 * knows whether all of them were stopped all the time. */
int into_services_start(struct into *n, struct strv *failed, struct err *e);
/* Instead: they stay stopped, and the source's addresses are taken away from it in a
 * second.  -1: nothing was. */
int into_services_give(struct into *n, struct err *e);

/* into_image.c: what into_look is for a server; a running machine becomes one.  Then
 * all files of its disks. */
int into_image_look(struct into *n, struct err *e);
int into_image_copy(struct into *n, struct err *e);
/* Nobody has used or changed its disks since into_image_look? */
int into_image_idle(struct into *n, struct err *e);
/* Does libvirt start it with its server? */
bool into_image_autostart(const struct into *n);
void into_image_free(struct into_image *i); /* NULL is fine */

/* into_traits.c: which extended attributes can a file in `dir` not have?  Fills n->lost.  And
 * chattr's flags, after everything else. */
void into_traits_try(struct into *n, const char *dir);
int into_traits_flags(struct into *n, struct err *e);

/* into_take.c: the Container runs, in place of its source.  Before anything is copied: is it
 * certain that nobody else has its addresses?  Only of a machine that is shut off. */
void into_take_check(struct into *n, struct findings *f);
int into_take(struct into *n, struct err *e);
/* Waits for the end of its start, and names what failed in it. */
void into_boot(struct into *n);

/* into_settle.c */
int into_settle(struct into *n, struct err *e);

#endif
