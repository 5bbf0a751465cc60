// SPDX-License-Identifier: MIT
/*
 * Who has which session, for criu/obstacles.h.
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
#include "criu/obstacles_priv.h"
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

/* Does it come into its session?  What has just ended is no finding. */
static bool has_founder(const struct tree *t, const struct task *p)
{
	const struct task *above = find(t, p->parent);

	if (p->pid == t->init || p->parent == t->init || p->session == p->pid || !above || above->session == p->session)
		return true;
	for (size_t i = 0; above && i <= t->n; i++) {
		if (above->pid == p->session || (gets_helper(t, above) && above->session == p->session))
			return true;
		if (above->pid == t->init)
			return false;
		above = find(t, gets_helper(t, above) && find(t, above->session) ? above->session : above->parent);
	}
	return true;
}

void obstacles_look_at_sessions(struct look *l)
{
	static const struct obstacle_rule lost = {
		"none of the processes above it has begun its session (setsid), and it cannot be moved so",
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
