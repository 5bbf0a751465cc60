/* SPDX-License-Identifier: MIT */
/*
 * base/err.h - one error, told once.
 *
 * The caller owns the storage and passes it last; a function sets it once
 * when it fails and leaves it untouched when it succeeds.  Code below pmigrate/
 * and move/ detects, those two print.
 *
 * Four number spaces never mix: errno (sys), what the caller can do
 * (enum err_code, here), the wire's codes (wire/proto.h) and exit codes
 * (base/exit.h); each pair has one mapping function.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stdarg.h>

/* What went wrong, as far as somebody decides by it. */
enum err_code {
	ERR_NONE = 0,
	ERR_SYS,	 /* the system refused; see .sys */
	ERR_USAGE,	 /* the command line, or a value in a file the user wrote */
	ERR_LOCKED,	 /* somebody else works on this container */
	ERR_CONNECT,	 /* no link to the other server could be opened */
	ERR_LINK,	 /* the link broke */
	ERR_TIMEOUT,	 /* the other end, or a child, gave no sign of life */
	ERR_PROTO,	 /* the other end said something it must not say */
	ERR_BROKEN,	 /* this container cannot be used */
	ERR_COPY,	 /* the private area could not be copied */
	ERR_START,	 /* the container does not start there */
	ERR_STOP,	 /* the container does not stop here */
	ERR_EXISTS,	 /* the destination has one already */
	ERR_ABSENT,	 /* no such container, template, file */
	ERR_TEMPLATES,	 /* templates the container needs are missing */
	ERR_IP_USED,	 /* an address of it is in use */
	ERR_MOUNT_SCRIPT,/* a mount script would run unseen */
	ERR_LICENSE,	 /* the licence does not allow one more */
	ERR_DISK,	 /* not enough blocks or inodes */
	ERR_TECH,	 /* a technology is missing */
	ERR_RATE,	 /* the rate cannot be shaped there */
	ERR_SAME,	 /* source and destination are the same */
	ERR_BINDMOUNT,	 /* it uses a directory of this host */
	ERR_NAME_USED,	 /* another container has that name */
	ERR_CPU,	 /* a CPU feature is missing */
	ERR_UNSUPPORTED, /* kernel, CRIU or format cannot do it */
	ERR_CHILD,	 /* a program we ran failed */
	ERR_CANCELLED,	 /* a signal, or the other end's ABORT by a signal */
	ERR_RECOVER,	 /* not decided here: `pmigrate recover` must look */
	ERR_LAYOUT,	 /* its engine or layout is not set up there */
	ERR_CPT_VERSION, /* the CRIU versions of the two ends do not fit */
	ERR_CODE_MAX
};

struct err {
	enum err_code code;
	int sys;	/* errno of the failing call, or 0 */
	char msg[768];	/* one phrase naming the object; no newline, no full stop */
	char hint[384]; /* what to do next, or "" */
};

#define ERR_INIT { .code = ERR_NONE }

/* All of these return -1, so that a caller can write `return err_sys(e, …)`.
 * A NULL `e` is allowed: the caller does not want to know. */
int err_set(struct err *e, enum err_code code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Takes errno, appends its text; the code is ERR_SYS, or ERR_DISK for a full
 * disk or quota. */
int err_sys(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Puts "<fmt>: " before what `e` says; code, errno and hint stay. */
int err_wrap(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Sets the hint of an error that was set before. */
int err_hint(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The same calls, said so that a compiler or analyzer sees the -1. */
static inline int err_failed(int result)
{
	(void)result;
	return -1;
}

#define err_set(...)  err_failed((err_set)(__VA_ARGS__))
#define err_sys(...)  err_failed((err_sys)(__VA_ARGS__))
#define err_wrap(...) err_failed((err_wrap)(__VA_ARGS__))
#define err_hint(...) err_failed((err_hint)(__VA_ARGS__))

/* A short stable word for a code ("disk", "link", …), for logs, journals and --batch. */
const char *err_code_word(enum err_code code);

#endif
