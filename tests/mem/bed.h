/* SPDX-License-Identifier: MIT */
/*
 * tests/mem/bed.h - what the tests on real processes share: a container (a pid
 * namespace with one program), a link with a receiving thread, freezing by
 * SIGSTOP, and the comparison of a store with the memory of stopped processes.
 */
#ifndef TESTS_MEM_BED_H
#define TESTS_MEM_BED_H

#include <pthread.h>
#include <stdbool.h>
#include <sys/types.h>

#include "mem/send.h"
#include "mem/store/store.h"
#include "mem/track/track.h"
#include "wire/peer.h"

enum { BED_STREAMS = 4 };

struct bed {
	pid_t init; /* of the container, here */
	char *cgroup; /* its freezer, or NULL: for who needs it */
	struct store *store;
	unsigned nr_streams;
	struct peer *source[BED_STREAMS], *dest[BED_STREAMS];
	pthread_t threads[BED_STREAMS];
	struct bed_arg {
		struct bed *bed;
		unsigned i;
	} args[BED_STREAMS];
	struct sender *sender;
};

/* Says what and ends the test. */
void bed_die(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

/* Starts argv as process 1 of a pid namespace of its own; it dies with us.  In `cgroup` (a
 * directory; NULL: ours). */
pid_t bed_container(char *const *argv, const char *cgroup);
void bed_end(pid_t init);

/* A cgroup that can be frozen, of v1 or v2, for this process, or NULL where there is none; and its end. */
char *bed_cgroup(void);
void bed_cgroup_end(char *cgroup);

/* The container's memory in KiB, shared pages counted once (the sum of Pss). */
unsigned long bed_memory_kib(pid_t init);

void bed_link(struct bed *b, unsigned streams, bool zstd);
void bed_unlink(struct bed *b);

/* Stops every process of the container, however fast it forks, by its freezer or (NULL) by
 * SIGSTOP; and lets it go on. */
void bed_freeze(pid_t init, const char *cgroup);
void bed_thaw(pid_t init, const char *cgroup);

/*
 * Everything of the stopped container against the store, by other means than mem/ uses:
 * every listed page, that no page is missing in the lists, every byte of every shared
 * object.  Returns the number of differences, telling the first ones.
 */
unsigned long bed_compare(const struct track *t, struct store *s, unsigned long *pages);

#endif
