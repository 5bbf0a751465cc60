// SPDX-License-Identifier: MIT
#include "criu/alarms.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "base/own.h"
#include "criu/cores.h"

enum { STATUS_MAX = 64 << 10 };

bool alarms_mend_process(Img__Core *core, alarms_lost *lost, void *arg)
{
	Img__TaskTimers *t = core->tc ? core->tc->timers : NULL;
	bool changed = false;

	if (!t)
		return false;
	if (!t->real->vsec && !t->real->vusec && lost(arg, 0, SIGALRM)) {
		t->real->vusec = 1;
		changed = true;
	}
	for (size_t i = 0; i < t->n_posix; i++) {
		Img__PosixTimer *p = t->posix[i];
		const bool to_thread = p->it_sigev_notify == SIGEV_THREAD_ID && p->has_notify_thread_id;

		if (p->vsec || p->vnsec || (p->it_sigev_notify != SIGEV_SIGNAL && !to_thread))
			continue;
		if (lost(arg, to_thread ? p->notify_thread_id : 0, p->si_signo)) {
			p->vnsec = 1;
			changed = true;
		}
	}
	return changed;
}

/* ---- what waits now, and what was saved ---- */

struct look {
	int images;
	pid_t pid;	       /* here */
	const Img__Core *core; /* of the process */
};

/* A line of a status text that ends in a number of the container's: the last one. */
static uint32_t last_number(const char *text, const char *field)
{
	const char *p = strstr(text, field), *end = p ? strchr(p + 1, '\n') : NULL;

	while (end && end > p && end[-1] != '\t')
		end--;
	return end ? (uint32_t)strtoul(end, NULL, 10) : 0;
}

static bool waits(const char *status, const char *field, uint32_t signal)
{
	const char *p = strstr(status, field);

	return p && signal >= 1 && signal <= 64 && strtoull(p + strlen(field), NULL, 16) >> (signal - 1) & 1;
}

static char *status_of(int dirfd, const char *path)
{
	char *text = NULL;

	return file_read(dirfd, path, STATUS_MAX, &text, NULL, NULL) == 0 ? text : NULL;
}

/* The status of a thread that has this number inside; the caller's, or NULL. */
static char *status_inside(pid_t pid, uint32_t thread)
{
	own_free char *path = xasprintf("/proc/%d/task", (int)pid);
	own_dir DIR *d = opendir(path);
	struct dirent *de;

	while (d && (de = readdir(d))) {
		own_free char *file = xasprintf("%s/status", de->d_name), *text = NULL;

		if (de->d_name[0] == '.')
			continue;
		text = status_of(dirfd(d), file);
		if (text && last_number(text, "\nNSpid:") == thread)
			return take_ptr(&text);
	}
	return NULL;
}

static bool saved(const Img__SignalQueue *q, uint32_t signal)
{
	for (size_t i = 0; q && i < q->n_signals; i++) {
		const ProtobufCBinaryData *info = &q->signals[i]->siginfo;
		int number;

		if (info->len < sizeof(number))
			continue;
		memcpy(&number, info->data, sizeof(number));
		if ((uint32_t)number == signal)
			return true;
	}
	return false;
}

static bool is_lost(void *arg, uint32_t thread, uint32_t signal)
{
	const struct look *l = arg;
	own_free char *path = xasprintf("/proc/%d/status", (int)l->pid);
	own_free char *status = thread ? status_inside(l->pid, thread) : status_of(AT_FDCWD, path);
	own_core Img__Core *core = NULL;

	if (!status || !waits(status, thread ? "\nSigPnd:" : "\nShdPnd:", signal))
		return false;
	if (!thread)
		return !saved(l->core->tc->signals_s, signal);
	core = core_load(l->images, thread, NULL);
	return core && core->thread && !saved(core->thread->signals_p, signal);
}

int alarms_mend(int images, const struct proc *p, size_t n, struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		const uint32_t tid = (uint32_t)p[i].vpid;
		struct err own = ERR_INIT;
		own_core Img__Core *core = core_load(images, tid, &own);
		struct look l = { images, p[i].pid, core };

		if (!core && own.sys == ENOENT) /* none that CRIU saves */
			continue;
		if (!core) {
			if (e)
				*e = own;
			return -1;
		}
		if (!alarms_mend_process(core, is_lost, &l))
			continue;
		log_debug("a timer of process %u went off while CRIU looked: it is set again", tid);
		if (core_store(images, tid, core, e) < 0)
			return -1;
	}
	return 0;
}
