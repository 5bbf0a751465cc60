/* SPDX-License-Identifier: MIT */
/*
 * zoo.h - one of everything that a process can have, each kept by a process of its own that
 * verifies it when asked, as often as asked: before and after every move.
 *
 * A keeper's `make` is called once; `check` afterwards, any number of times, and leaves
 * everything such that it can be checked again.  State is in static variables of the
 * animal's file: keepers are processes and share nothing.
 */
#ifndef ZOO_H
#define ZOO_H

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

struct animal {
	const char *name;
	int (*make)(void);  /* 0, or what bad() returns */
	int (*check)(void); /* the same */
};

/* Lists end with a name of NULL. */
extern const struct animal zoo_time[], zoo_events[], zoo_pipes[], zoo_unix[], zoo_flight[], zoo_inet[],
	zoo_files[], zoo_tty[], zoo_tasks[], zoo_memory[], zoo_ipc[];
/* What cannot be moved; only made when named. */
extern const struct animal zoo_refused[];

/* Says what is wrong, with errno when it is not 0; returns -1. */
int bad(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#define NEED(condition, ...)                      \
	do {                                      \
		if (!(condition))                 \
			return bad(__VA_ARGS__);  \
	} while (0)

/* Waits up to ms for input; true when there is some. */
bool readable(int fd, int ms);
/* Writes all of text to fd and reads it from there: 0, or bad(). */
int through(int write_to, int read_from, const char *text, const char *what);
/* Reads until it has n bytes, or bad(). */
int expect_text(int fd, const char *text, const char *what);
int64_t now_ns(clockid_t clock);
/* Runs f in a child; its return value (0…255), -1 when it died. */
int in_child(int (*f)(void));
/* A file of the zoo with this content, opened read-write: the path is below the zoo's folder. */
int file_with(const char *name, const char *text);

#endif
