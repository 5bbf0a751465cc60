/* SPDX-License-Identifier: MIT */
/*
 * criu/shimdir.h - the agent's side of the preload library: what it may answer
 * from, and what it hid.  The files are described in shim_text.h.
 *
 *	shimdir_open ── criu_start(preload, env) ── per round: shimdir_put, shimdir_put_shm
 *	── freeze ── criu_dump ── shimdir_hidden
 */
#ifndef CRIU_SHIMDIR_H
#define CRIU_SHIMDIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/strv.h"
#include "criu/shim/text.h"
#include "mem/maps.h"
#include "mem/pageset.h"

/* The installed library, or the one that PMIGRATE_SHIM_LIB names (tests). */
const char *shim_library(void);

/* Is it there? */
int shim_find(struct err *e);

/* A directory in memory; the caller's.  `env` gets what the CRIU process needs. */
int shimdir_open(struct strv *env, struct err *e);

/*
 * This process is tracked: its mappings of now with their VmFlags (mappings without known
 * flags are left out: the library then reads the real smaps).  `guards`: looks for guard regions (all page tables: 2 ms
 * a GiB); else what was found before holds.
 */
int shimdir_put(int dir, pid_t pid, const struct maps *maps, bool guards, struct err *e);

/* Was one found then?  Otherwise CRIU is told that there is none. */
bool shimdir_guards(int dir, pid_t pid);

/* It is no longer, or never was. */
void shimdir_drop(int dir, pid_t pid);

struct shim_object {
	uint64_t dev, ino; /* as st_dev, st_ino */
	uint32_t nr;	   /* mem/'s number of it; not for the library, as what follows */
	bool sysv;
};

/* All shared objects that travel by themselves; replaces the list. */
int shimdir_put_shm(int dir, const struct shim_object *objects, size_t n, struct err *e);

/*
 * The dump's gate: made when the dump is asked for, opened when it may begin; opened it stays while the descriptor lives.  CRIU has to
 * wait there, or come: one that did not stop (`ended`) has looked at a running container.
 */
typedef bool shim_ended_fn(void *arg);
int shimdir_make_gate(int dir, struct err *e);
int shimdir_open_gate(int dir, shim_ended_fn *ended, void *arg, struct err *e);

/* After the dump: which private mappings CRIU was shown without pages.  Empty when none.  `locked`: of these, which it
 * took for locked: it will not restore them through userfaultfd. */
int shimdir_hidden(int dir, pid_t pid, struct pageset *out, struct pageset *locked, struct err *e);

/* After the dump: which mappings CRIU was told not to be executable. */
int shimdir_noexec(int dir, pid_t pid, struct pageset *out, struct err *e);

/* CRIU before 4.2 loses MADV_WIPEONFORK and MAP_DROPPABLE, by which a child has no random numbers of its parent's: the library
 * shall tell of them.  Before the dump. */
int shimdir_want_wiped(int dir, struct err *e);
/* After the dump: which mappings a child of that process finds empty.  Fails when it has not told. */
int shimdir_wiped(int dir, pid_t pid, struct pageset *out, struct err *e);

/* After the dump: the signals that waited at its end; the caller's. */
int shimdir_signals(int dir, struct shim_signal **out, size_t *n, struct err *e);

/* Pure: the text of smaps-PID, and the reading of hidden-PID. */
struct buf;
void shim_cache_text(struct buf *out, const struct maps *maps);
int shim_hidden_parse(const char *text, struct pageset *out, struct pageset *locked, struct err *e);

#endif
