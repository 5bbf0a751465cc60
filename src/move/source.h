/* SPDX-License-Identifier: MIT */
/*
 * move/source.h - c -> c as seen from the source: its context and its steps.
 *
 * The cold move's steps stand in source.c as one list.  What happens before a
 * byte moves (looking, connecting, checking, predicting) is in source_check.c.
 */
#ifndef MOVE_SOURCE_H
#define MOVE_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

#include "commit/guard.h"
#include "commit/origin.h"
#include "engine/engine.h"
#include "move/online/state.h"
#include "move/remote.h"
#include "move/streams.h"
#include "plan/event.h"
#include "plan/facts.h"
#include "plan/need.h"
#include "tree/send/send.h"

struct vm_live;

struct source {
	/* given */
	const struct job *job;
	struct events *ev;

	/* found out before anything is changed */
	const struct engine_ops *ops;
	struct ct ct;
	enum ct_state was;	/* before we did anything */
	struct ct_desc desc;	/* with the job's wishes put in */
	struct need need;
	struct facts here;
	struct msg_opened opened;
	bool run_there;		/* it shall run at the destination */
	char id[JOURNAL_ID_MAX];

	/* open while it goes on */
	struct guard guard;
	struct origin origin;
	struct remote remote;
	struct streams streams;
	unsigned n_tree; /* of them are for the tree */
	struct online online;
	pid_t *pids;	/* the container's processes when last listed; in the freeze: all of them */
	size_t n_pids;
	struct held held; /* their files */
	struct vm_live *vm; /* a running virtual machine's way */
	struct bucket *limit;
	struct tree_source *tree;
	struct tree_progress tree_progress;
	struct live *live;
	bool area_begun;	/* the agent has something to undo */

	/* told */
	uint64_t phase_ns; /* when it began */
	int phase;		/* enum phase that is shown, or -1 */
	uint64_t begun_ns, down_ns, up_ns;
	struct account account;
};

/* What moves is a virtual machine: its area is made of mounted files, and no journal
 * can watch them. */
static inline bool source_is_vm(const struct source *s)
{
	return s->job->src_kind == KIND_VM;
}

/* Looks at the container and connects; checks everything; tells all findings.
 * Fills `ops` to `run_there`.  Changes nothing anywhere. */
int source_find(struct source *s, struct err *e);
int source_connect(struct source *s, struct err *e);
int source_check(struct source *s, struct err *e);
/* Lists the container's processes: fills `pids`, and p, which the caller owns. */
int source_list_processes(struct source *s, const struct ct_parts *parts, struct procs *p,
			  struct err *e);
/* While the container is stopped or frozen, a silent link counts as dead after seconds, so that it can run again. */
void source_is_down(struct source *s, bool down);
/* The last pass over the tree; nothing changes any more. */
int source_pass_last(struct source *s, struct err *e);
/* What CRIU would refuse, as findings (move/online/source.c). */
int online_check(struct source *s, struct findings *found, struct err *e);
/* --dry-run, after the check. */
int source_predict(struct source *s, struct err *e);

#endif
