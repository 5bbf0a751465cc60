/* SPDX-License-Identifier: MIT */
/*
 * base/spawn.h - the only place where programs are started.
 *
 * argv and environment are complete before the fork; the child calls only
 * async-signal-safe functions; every descriptor but the named ones is closed
 * in it; its signals are default; the last lines of its stderr are kept for
 * the error; it is always reaped.
 *
 * What is typed for us (^C, ^\, ^Z) and the end of our terminal reach no child: we decide
 * what becomes of them (base/cancel.h).  So each is in a process group of its own, but for
 * those that may ask on the terminal.
 */
#ifndef BASE_SPAWN_H
#define BASE_SPAWN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

enum { SPAWN_NULL = -1 /* /dev/null */, SPAWN_INHERIT = -2, SPAWN_PIPE = -3 };

struct spawn {
	const char *const *argv; /* argv[0] is looked up in PATH */
	const char *const *env;	 /* "K=V" added to ours; "K" alone removes; NULL-terminated or NULL */
	/* Each a descriptor, or one of the above.  stderr SPAWN_PIPE: the last
	 * lines are kept for the error text, see child_wait. */
	int in, out, err;
	int pass_fd;		 /* one more descriptor the child gets under its own number, or <= 0 */
	const int *pass_fds;	 /* and more of them: n_pass_fds numbers above 2, or NULL */
	size_t n_pass_fds;
	const char *chdir;	 /* or NULL */
	const char *netns;	 /* file of a network namespace to enter first, or NULL */
	bool asks;		 /* may ask on our terminal (ssh): in our process group, as only who is
				  * in the foreground may; ignores INT, QUIT, TSTP and HUP instead.  Only
				  * for programs that leave ignored signals ignored, as ssh does */
	bool new_session;	 /* setsid(): no terminal, no signals of ours */
	bool outlive;		 /* do not kill it when we die (default: SIGKILL) */
	/* The last thing in the child before the program, async-signal-safe; NULL: nothing.  -1 and errno: it is not started. */
	int (*in_child)(void);
};

#define SPAWN_INIT(args) { .argv = (args), .in = SPAWN_NULL, .out = SPAWN_NULL, .err = SPAWN_PIPE }

struct child {
	pid_t pid;	   /* 0 = none (never started, or reaped) */
	int in, out, err;  /* our ends where SPAWN_PIPE was asked for, else -1 */
	char name[32];	   /* argv[0]'s last part */
	char tail[1024];   /* last of stderr */
	size_t tail_len;
};

#define CHILD_INIT { .pid = 0, .in = -1, .out = -1, .err = -1 }
#define own_child __attribute__((cleanup(child_fini)))

/* Is there such a program? */
bool spawn_has(const char *name);

/* Sets e to what child_start says of one that is not there: ERR_CHILD with .sys ENOENT, and how
 * to install it; returns -1. */
int spawn_absent(const char *name, struct err *e);

/* Starts it; an exec failure is reported here, as spawn_absent does when there is no
 * such program. */
int child_start(struct child *c, const struct spawn *s, struct err *e);

/* Waits at most timeout_ms (-1: for ever; ERR_TIMEOUT leaves it running), reading
 * stderr meanwhile.  *status as of waitpid(2). */
int child_wait(struct child *c, int timeout_ms, int *status, struct err *e);

/* Sets e to "NAME failed (exit 3): last lines of its stderr"; returns -1. */
int child_err(const struct child *c, int status, struct err *e);

/* SIGTERM, half a second, SIGKILL; reaped and closed.  Fine for a CHILD_INIT one. */
void child_fini(struct child *c);

/* Runs argv to its end.  Not 0 as exit code is an error; SPAWN_NULL for all but stderr. */
int spawn_run(const char *const *argv, int timeout_ms, struct err *e);

/* The same, giving its output (at most max bytes, NUL-terminated, the caller's).
 * `input` (may be NULL) goes to its stdin: at most 64 KiB.  With `code` not NULL
 * any exit code is fine and stored there. */
int spawn_read(const char *const *argv, const char *input, size_t max, int timeout_ms,
	       char **out, int *code, struct err *e);

/* This process becomes the program, with its terminal, stdio and environment; other
 * descriptors are closed.  Returns only to say why not. */
int spawn_become(const char *const *argv, struct err *e);

/* `spawn_argv("ip", "link", "set", …)`: a NULL-terminated literal. */
#define spawn_argv(...) ((const char *const[]){ __VA_ARGS__, NULL })

#endif
