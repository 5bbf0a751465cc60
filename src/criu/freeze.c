// SPDX-License-Identifier: MIT
#include "criu/freeze.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/own.h"
#include "criu/cgroups.h"

enum { PIDS_MAX = 4 << 20, STATUS_MAX = 64 << 10 };

/* Thaws at the end of its input, unless it was told "done" and said so. */
static const char guard_script[] =
	"trap '' HUP INT TERM PIPE; read -r word; "
	"[ \"$word\" = done ] && { echo ok; exit 0; }; echo \"$1\" >\"$0\"";

char *freezer_find(pid_t pid, const char *name, struct err *e)
{
	own_free char *v1 = cgroups_mount("freezer");
	own_free char *root = v1 ? xstrdup(v1) : cgroups_mount(NULL);
	own_free char *dir = NULL;

	if (!root) {
		err_set(e, ERR_UNSUPPORTED, "this server has no cgroup freezer");
		err_hint(e, "mount cgroup2 at /sys/fs/cgroup");
		return NULL;
	}
	if (name)
		return xasprintf("%s%s%s", root, name[0] == '/' ? "" : "/", name);
	dir = cgroups_dir(pid, v1 ? "freezer" : NULL, e);
	if (dir && strcmp(dir, root) == 0) {
		err_set(e, ERR_UNSUPPORTED, "process %d is in no cgroup of its own", (int)pid);
		return NULL;
	}
	return take_ptr(&dir);
}

static int guard_start(struct freezer *f, struct err *e)
{
	own_free char *file = xasprintf("%s/%s", f->dir, f->v2 ? "cgroup.freeze" : "freezer.state");
	struct spawn s = SPAWN_INIT(
		spawn_argv("sh", "-c", guard_script, file, f->v2 ? "0" : "THAWED"));

	s.in = s.out = SPAWN_PIPE;
	s.err = SPAWN_NULL;
	s.new_session = s.outlive = true;
	return child_start(&f->guard, &s, e);
}

int freezer_open(struct freezer *f, const char *dir, bool guarded, struct err *e)
{
	own_fd int fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);

	*f = (struct freezer)FREEZER_INIT;
	if (fd < 0)
		return err_sys(e, "cannot open the cgroup %s", dir);
	f->dir = xstrdup(dir);
	f->control = openat(fd, "freezer.state", O_RDWR | O_CLOEXEC);
	if (f->control < 0) {
		f->v2 = true;
		f->control = openat(fd, "cgroup.freeze", O_RDWR | O_CLOEXEC);
		f->events = openat(fd, "cgroup.events", O_RDONLY | O_CLOEXEC);
	}
	if (f->control < 0 || (f->v2 && f->events < 0)) {
		err_sys(e, "cannot freeze the cgroup %s", dir);
		freezer_close(f);
		return -1;
	}
	if (guarded && guard_start(f, e) < 0) {
		freezer_close(f);
		return -1;
	}
	return 0;
}

static int put(struct freezer *f, const char *word, struct err *e)
{
	if (pwrite(f->control, word, strlen(word), 0) < 0)
		return err_sys(e, "cannot %s the cgroup %s", word[0] == 'T' || word[0] == '0' ?
			       "thaw" : "freeze", f->dir);
	return 0;
}

int freezer_order(struct freezer *f, struct err *e)
{
	return put(f, f->v2 ? "1" : "FROZEN", e);
}

int freezer_thaw(struct freezer *f, struct err *e)
{
	return put(f, f->v2 ? "0" : "THAWED", e);
}

int freezer_is_frozen(struct freezer *f, struct err *e)
{
	char text[256];
	ssize_t n = pread(f->v2 ? f->events : f->control, text, sizeof(text) - 1, 0);

	if (n < 0)
		return err_sys(e, "cannot read the state of the cgroup %s", f->dir);
	text[n] = '\0';
	return strstr(text, f->v2 ? "frozen 1" : "FROZEN") != NULL;
}

/* v1 has no event for it: ask again, after naps that grow to a millisecond.  Reading the
 * state is what makes the kernel look. */
static void nap(struct freezer *f, unsigned nr)
{
	struct pollfd pfd = { .fd = f->events, .events = POLLPRI };
	const struct timespec short_while = { .tv_nsec = nr < 20 ? 50000 : 1000000 };

	if (f->v2)
		poll(&pfd, 1, 10);
	else
		nanosleep(&short_while, NULL);
}

/*
 * A v1 freezer freezes a process that a signal has stopped (Ctrl-Z) where it stands, and then
 * PTRACE_SEIZE waits until the thaw for it to take notice: CRIU would hang.  Continued and
 * told to stop again, it is an ordinary frozen process with a SIGSTOP that waits; CRIU takes
 * that for a stopped one, and a thaw lets it stop before it runs.  Its parent is told twice.
 */
static void let_stopped_be_seized(const struct freezer *f)
{
	own_free char *file = xasprintf("%s/cgroup.procs", f->dir);
	own_free char *pids = NULL;
	char *save = NULL;

	if (file_read(AT_FDCWD, file, PIDS_MAX, &pids, NULL, NULL) < 0)
		return;
	for (char *p = strtok_r(pids, "\n", &save); p; p = strtok_r(NULL, "\n", &save)) {
		own_free char *wchan = xasprintf("/proc/%s/wchan", p), *where = NULL;
		pid_t pid = (pid_t)strtol(p, NULL, 10);

		if (pid > 0 && file_read(AT_FDCWD, wchan, 256, &where, NULL, NULL) == 0 &&
		    strncmp(where, "do_signal_stop", 14) == 0 && kill(pid, SIGCONT) == 0)
			kill(pid, SIGSTOP);
	}
}

int freezer_freeze(struct freezer *f, int timeout_ms, struct err *e)
{
	uint64_t deadline = clock_deadline(timeout_ms);

	if (freezer_order(f, e) < 0)
		return -1;
	for (unsigned nr = 0;; nr++) {
		int frozen = freezer_is_frozen(f, e);

		if (frozen > 0) {
			if (!f->v2)
				let_stopped_be_seized(f);
			return 0;
		}
		if (frozen < 0 || clock_left_ms(deadline) == 0) {
			freezer_thaw(f, NULL);
			if (frozen < 0)
				return -1;
			err_set(e, ERR_TIMEOUT, "the container did not stop within %d ms",
				timeout_ms);
			return err_hint(e, "a process waits in the kernel, for a disk or a "
					   "network file system: look for state D in ps");
		}
		/* v1 may miss a fork that raced with it: say it again. */
		if (!f->v2 && nr % 50 == 49)
			freezer_order(f, NULL);
		nap(f, nr);
	}
}

int freezer_control_fd(const struct freezer *f)
{
	return f->control;
}

int freezer_guard_fd(const struct freezer *f)
{
	return f->guard.pid > 0 ? f->guard.in : -1;
}

/* Who traces this process; 0: nobody. */
static int tracer_of(pid_t pid)
{
	own_free char *path = xasprintf("/proc/%d/status", (int)pid), *text = NULL;
	const char *at;
	int tracer = 0;

	if (file_read(AT_FDCWD, path, STATUS_MAX, &text, NULL, NULL) < 0)
		return 0;
	at = strstr(text, "\nTracerPid:");
	return at && sscanf(at, "\nTracerPid: %d", &tracer) == 1 ? tracer : 0;
}

static bool is_criu(pid_t pid)
{
	own_free char *path = xasprintf("/proc/%d/comm", (int)pid), *name = NULL;

	return file_read(AT_FDCWD, path, STATUS_MAX, &name, NULL, NULL) == 0 && !strcmp(name, "criu\n");
}

void freezer_wait_for_criu(pid_t pid, int timeout_ms)
{
	uint64_t deadline = clock_deadline(timeout_ms);
	int tracer;

	while ((tracer = tracer_of(pid)) > 0 && is_criu(tracer)) {
		if (clock_left_ms(deadline) == 0) {
			log_warn("CRIU (process %d) does not let go of process %d", tracer, (int)pid);
			return;
		}
		clock_sleep_ms(5);
	}
}

int freezer_disarm(struct freezer *f, struct err *e)
{
	char answer[3];

	if (f->guard.pid <= 0)
		return 0;
	if (write_all(f->guard.in, "done\n", 5) < 0 ||
	    read_all(f->guard.out, answer, sizeof(answer)) < 0)
		return err_sys(e, "the guard of the freeze does not answer");
	return child_wait(&f->guard, 5000, &(int){ 0 }, e);
}

void freezer_close(struct freezer *f)
{
	int saved = errno;

	if (f->guard.pid > 0) {
		close_fd(&f->guard.in); /* it thaws */
		child_wait(&f->guard, 5000, &(int){ 0 }, NULL);
		log_debug("the guard thawed %s", f->dir);
	}
	child_fini(&f->guard);
	close_fd(&f->control);
	close_fd(&f->events);
	free(f->dir);
	*f = (struct freezer)FREEZER_INIT;
	errno = saved;
}
