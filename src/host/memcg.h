/* SPDX-License-Identifier: MIT */
/*
 * host/memcg.h - what the memory controller, of v1 or v2, says about a process's group and those below it.
 */
#ifndef HOST_MEMCG_H
#define HOST_MEMCG_H

#include <stdint.h>
#include <sys/types.h>

/* Bytes; 0 for what this kernel does not tell. */
struct memcg {
	uint64_t used;	 /* all that is charged, page cache too */
	uint64_t anon;	 /* of processes' own memory, what several share once */
	uint64_t swap;
	uint64_t shmem;
	uint64_t kernel;
	uint64_t oom_kills; /* processes, so far */
};

/* All zeros when the group cannot be found. */
void memcg_read(struct memcg *m, pid_t pid);

#endif
