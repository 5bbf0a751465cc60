// SPDX-License-Identifier: MIT
/*
 * Who has which session, for criu/check/obstacles.h.
 *
 * A session is inherited only, so CRIU 4.2 restores a process in that of one above it, or in a new one.  Children of the first
 * process may have any: each is begun below a helper that ends.  With others, whose parent ended and who came below
 * another process (PR_SET_CHILD_SUBREAPER, such as systemd --user), it fails at the destination ("Can't find a session
 * leader").
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/own.h"
#include "criu/check/priv.h"
#include "mem/procs.h"

/* All numbers are this server's. */
struct task {
	pid_t pid, parent, session;
};

struct tree {
	struct task *v; /* sorted by pid */
	size_t n;
	pid_t init;
};

static int by_pid(const void *a, const void *b)
{
	const struct task *x = a, *y = b;

	return (x->pid > y->pid) - (x->pid < y->pid);
}

static const struct task *find(const struct tree *t, pid_t pid)
{
	const struct task key = { .pid = pid };

	return t->n ? bsearch(&key, t->v, t->n, sizeof(*t->v), by_pid) : NULL;
}

static void read_tree(struct tree *t, const struct look *l)
{
	t->n = 0;
	for (size_t i = 0; i < l->n; i++) {
		own_free char *status = obstacles_proc_text(l->pids[i], "status", OBSTACLES_TEXT_MAX);
		const char *sessions = status ? strstr(status, "\nNSsid:") : NULL;

		if (sessions)
			t->v[t->n++] = (struct task){ l->pids[i], (pid_t)proc_status_last(status, "\nPPid:"), atoi(sessions + 7) };
	}
	qsort(t->v, t->n, sizeof(*t->v), by_pid);
}

/* Is it begun below a helper? */
static bool gets_helper(const struct tree *t, const struct task *p)
{
	const struct task *first = find(t, t->init);

	return p->parent == t->init && p->session != p->pid && first && p->session != first->session;
}

/* Has it ended, and been waited for?  Its number is not used again while it has a session. */
static bool is_gone(pid_t leader)
{
	own_free char *status = obstacles_proc_text(leader, "status", OBSTACLES_TEXT_MAX);

	return !status;
}

/*
 * Does it come into its session?  Where the leader of a helper's session is gone, CRIU does not look who below was begun before
 * its parent's setsid() ("Requested sid 9 doesn't match inherited 11").  What has just ended is no finding.
 */
static bool has_founder(const struct tree *t, const struct task *p)
{
	const struct task *above = find(t, p->parent);
	bool met = false;

	if (p->pid == t->init || p->parent == t->init || p->session == p->pid || !above || above->session == p->session)
		return true;
	for (size_t i = 0; above && i <= t->n; i++) {
		met = met || above->pid == p->session;
		if (above->pid == t->init)
			return met;
		if (!gets_helper(t, above)) {
			above = find(t, above->parent);
			continue;
		}
		if (is_gone(above->session))
			return false;
		above = find(t, above->session);
	}
	return true;
}

void obstacles_look_at_sessions(struct look *l)
{
	static const struct obstacle_rule lost = {
		"it is in another session than the process that it is below, and cannot come into it after a move",
		"restart what it belongs to, or stop it", true
	};
	own_free struct task *tasks = xcalloc(l->n, sizeof(*tasks));
	struct tree t = { .v = tasks, .init = l->init };
	bool again = true;

	/* Whoever goes into the background is such a one for a moment. */
	for (int i = 0; again && i <= OBSTACLES_LOOKS; i++) {
		if (i)
			clock_sleep_ms(OBSTACLES_LOOK_MS);
		read_tree(&t, l);
		again = false;
		for (size_t k = 0; k < t.n; k++) {
			if (has_founder(&t, &t.v[k]))
				continue;
			again = true;
			if (i == OBSTACLES_LOOKS)
				obstacles_found(l, t.v[k].pid, &lost, "process");
		}
	}
}
