/* SPDX-License-Identifier: MIT */
/*
 * criu/shim/text.h - what the preload library (shim.c) decides by: pure, no
 * library but libc, so that it can live inside CRIU and in unit tests.
 *
 * It meets the agent in a directory in memory:
 *
 *	agent writes   smaps-PID   header and VmFlags line of each mapping, as smaps had them
 *	                           in the last round; its presence means: tracked
 *	               guards-PID  empty: the process has guard regions, look for yourself
 *	               shm         "DEV INO" of shared memory that travels by itself
 *	               wipes       empty: this CRIU does not know of MADV_WIPEONFORK
 *	               gate        a FIFO: a dump stops before its first look at the container until the
 *	                           agent opens it
 *	shim writes    noexec-PID  "START-END": mappings that CRIU was told not to be executable (shim_unfit)
 *	               wiped-PID   "START-END": where `wipes` is, all mappings that a child finds empty
 *	               hidden-PID  "START-END[ lo]": private mappings whose pages it hid from CRIU; locked ones
 *	               signals     struct shim_signal, one after the other: what waits when CRIU lets a thread go
 */
#ifndef CRIU_SHIM_TEXT_H
#define CRIU_SHIM_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the restore's image calls shared memory that is there already: then its number. */
#define SHIM_SHARED "pmigrate/shared/"

/* In the restore, the environment names the directory where this, and then a mount's number at the source, leads to the user
 * namespace of an idmapped mount. */
#define SHIM_IDMAPS "PMIGRATE_SHIM_IDMAPS"
#define SHIM_IDMAP  "pmigrate-idmap-"

#define SHIM_SIGNALS "signals"
#define SHIM_WIPES   "wipes"

/* An image of ours: the processes that wait for descriptors to come (u32 each, this machine's order of bytes), if any;
 * criu/save/pairs.h. */
#define SHIM_PAIRS_WAITING "sk-queues-waiting.img"

/*
 * In the flags of a mapping in the images: memory that is only reserved.  CRIU maps all private memory writable first, and
 * the kernel counts what is writable: terabytes it refuses.  No flag of mmap(2) but with MAP_HUGETLB.
 */
#define SHIM_RESERVED (1u << 27)

/* In the environment of a CRIU that dumps: the number of a descriptor, open on the container's freezer (shim_freezer.c). */
#define SHIM_FREEZER "PMIGRATE_FREEZER"

/* In the kernel's order for each queue, which comes as a whole: that of a thread, and that of its process. */
struct shim_signal {
	uint32_t tid; /* as the server sees it */
	uint32_t of_process;
	uint8_t info[128]; /* siginfo_t */
};

struct shim_vma {
	uint64_t start, end, offset, ino;
	unsigned dev_major, dev_minor;
	char perms[5];
	const char *name;  /* up to the end of the line; borrowed */
	size_t name_len;
	const char *flags; /* behind "VmFlags: ", up to the end of the line; or NULL */
	size_t flags_len;
};

/* The next mapping of a maps or smaps text; advances *text. False at the end or for
 * something that is no mapping. */
bool shim_next(const char **text, struct shim_vma *v);

/*
 * The flags that `v` has now, from `cache` (smaps text, sorted): those of the mappings that lie where it
 * lies, when there are some, all alike in everything but extent, and with equal flags.  Else NULL.
 * *at is where to begin, and is moved on: ask in rising order.
 */
const char *shim_flags(const struct shim_vma *v, const char *cache, const char **at,
		       size_t *len);

/* Does the flags text hold this two-letter word? */
bool shim_has_flag(const char *flags, size_t len, const char *word);

/*
 * CRIU runs its system calls in the first executable mapping (get_exec_start in parasite-syscall.c), and its code is put there by
 * ptrace, which can write where it makes a copy, but not into what is shared and read-only.  Is it a shared one before the first private one?
 * *fit: whether that was seen; false before the first mapping.
 */
bool shim_unfit(const struct shim_vma *v, bool *fit);

/*
 * Are this mapping's pages hidden from CRIU?  Private memory that is not locked, not huge pages, not a device's, no growing
 * stack; and no file's text, for CRIU pokes into that.
 */
bool shim_hides(const struct shim_vma *v);

#endif
