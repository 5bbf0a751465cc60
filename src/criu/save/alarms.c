// SPDX-License-Identifier: MIT
#include "criu/save/alarms.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "base/own.h"
#include "criu/image/cores.h"

enum { STATUS_MAX = 64 << 10 };

/* ---- one queue ---- */

/*
 * Had it gone off when CRIU looked at it?  With no time left it had.  A periodic one has nearly its whole interval left then;
 * one with a short interval may have gone off later as well, and ticks on by itself.
 */
static bool had_gone_off(uint64_t interval_ns, uint64_t left_ns, uint64_t dump_ns)
{
	return interval_ns ? interval_ns / 2 > dump_ns && left_ns + dump_ns >= interval_ns : !left_ns;
}

static bool is_lost(const Img__TaskTimers *t, const siginfo_t *info, uint64_t dump_ns)
{
	/* Begins anew only when its signal is taken, so it has no time left until then, periodic or not. */
	if (info->si_signo == SIGALRM && info->si_code == SI_KERNEL)
		return !t->real->vsec && !t->real->vusec;
	for (size_t i = 0; info->si_code == SI_TIMER && i < t->n_posix; i++) {
		const Img__PosixTimer *p = t->posix[i];

		if (p->it_id == (uint32_t)info->si_timerid)
			return had_gone_off(p->isec * 1000000000 + p->insec, p->vsec * 1000000000 + p->vnsec,
					    dump_ns);
	}
	return false;
}

/* protobuf-c frees with free(). */
static void add(Img__SignalQueue **queue, const struct shim_signal *s)
{
	Img__SignalQueue *q = *queue;
	Img__Signal *one = xmalloc(sizeof(*one));

	if (!q) {
		*queue = q = xmalloc(sizeof(*q));
		img__signal_queue__init(q);
	}
	img__signal__init(one);
	one->siginfo.len = sizeof(s->info);
	one->siginfo.data = xmalloc(sizeof(s->info));
	memcpy(one->siginfo.data, s->info, sizeof(s->info));
	q->signals = xrealloc(q->signals, (q->n_signals + 1) * sizeof(Img__Signal *));
	q->signals[q->n_signals++] = one;
}

bool alarms_add(Img__SignalQueue **queue, const Img__TaskTimers *timers, const struct shim_signal *now, size_t n,
		uint64_t dump_ns)
{
	bool added = false;

	/* Nobody took any: those that CRIU saw come first. */
	for (size_t i = *queue ? (*queue)->n_signals : 0; timers && i < n; i++) {
		siginfo_t info;

		memcpy(&info, now[i].info, sizeof(info));
		if (is_lost(timers, &info, dump_ns)) {
			add(queue, &now[i]);
			added = true;
		}
	}
	return added;
}

/* ---- all ---- */

static const struct proc *process_of(const struct proc *p, size_t n, uint32_t pid)
{
	for (size_t i = 0; i < n; i++) {
		if ((uint32_t)p[i].pid == pid)
			return &p[i];
	}
	return NULL;
}

/* The n signals of one queue.  A process without images is none that CRIU saves. */
static int mend_queue(int images, const struct shim_signal *s, size_t n, const struct proc *p, size_t n_procs,
		      uint64_t dump_ns, struct err *e)
{
	own_free char *path = xasprintf("/proc/%u/status", s->tid), *status = NULL;
	own_core Img__Core *process = NULL, *thread = NULL;
	struct err why = ERR_INIT;
	const struct proc *of;
	uint32_t pid, tid;

	if (file_read(AT_FDCWD, path, STATUS_MAX, &status, NULL, NULL) < 0)
		return 0;
	pid = (uint32_t)proc_status_last(status, "\nTgid:");
	tid = (uint32_t)proc_status_last(status, "\nNSpid:");
	of = process_of(p, n_procs, pid);
	if (!of)
		return 0;
	process = core_load(images, (uint32_t)of->vpid, &why);
	if (!process && why.sys != ENOENT) {
		if (e)
			*e = why;
		return -1;
	}
	if (!process || !process->tc || !process->tc->timers)
		return 0;
	if (s->of_process) {
		if (!alarms_add(&process->tc->signals_s, process->tc->timers, s, n, dump_ns))
			return 0;
		log_debug("a timer of process %u went off while CRIU looked", tid);
		return core_store(images, tid, process, e);
	}
	thread = core_load(images, tid, e);
	if (!thread)
		return -1;
	if (!thread->thread || !alarms_add(&thread->thread->signals_p, process->tc->timers, s, n, dump_ns))
		return 0;
	log_debug("a timer of thread %u went off while CRIU looked", tid);
	return core_store(images, tid, thread, e);
}

int alarms_mend(int images, const struct shim_signal *signals, size_t n_signals, const struct proc *p, size_t n,
		uint64_t dump_ns, struct err *e)
{
	for (size_t i = 0, k; i < n_signals; i = k) {
		for (k = i + 1; k < n_signals && signals[k].tid == signals[i].tid &&
				signals[k].of_process == signals[i].of_process;)
			k++;
		if (mend_queue(images, signals + i, k - i, p, n, dump_ns, e) < 0)
			return -1;
	}
	return 0;
}
