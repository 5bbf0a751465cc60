/* SPDX-License-Identifier: MIT */
/*
 * host/machine.h - what this server is: CPU, kernel, memory, cgroups.  Reads
 * /proc and uname, changes nothing.  What cannot be read is left empty or 0.
 */
#ifndef HOST_MACHINE_H
#define HOST_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/strv.h"

struct machine {
	char *hostname;	     /* owned, all of them */
	char *id;	     /* boot, network and process namespace, name: equal = the same server */
	char *arch;	     /* "x86_64" */
	char *kernel;	     /* release */
	struct strv cpu_flags;
	struct strv filesystems; /* /proc/filesystems, and those whose module is installed */
	uint32_t cpus;	     /* online */
	uint64_t memory, memory_free; /* bytes */
	unsigned cgroup;     /* 0 none, 1 v1, 2 hybrid, 3 v2 (as plan's enum) */
};

void machine_look(struct machine *m);
void machine_fini(struct machine *m);

/* Is this kernel module loaded, built in, or installed? */
bool machine_has_module(const char *name);

/* "flags : a b c" (x86) or "Features : a b c" (arm) of the first CPU.  Pure. */
void machine_cpu_flags(const char *cpuinfo, struct strv *out);
/* "\text4" and "nodev\tproc" lines.  Pure. */
void machine_filesystems(const char *text, struct strv *out);

#endif
