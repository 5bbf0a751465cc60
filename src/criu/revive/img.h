/* SPDX-License-Identifier: MIT */
/*
 * criu/revive/img.h - the images get the memory that CRIU was not shown:
 * private pages as entries for the lazy handler, shared memory as descriptors.
 */
#ifndef CRIU_REVIVE_IMG_H
#define CRIU_REVIVE_IMG_H

#include "base/err.h"
#include "base/strv.h"
#include "criu/save/save.h"
#include "mem/lazy/lazy.h"
#include "mem/store/store.h"

/* pagemap-PID.img of each process: the pages of its hidden mappings that exist, by the source's
 * list, become lazy; the handler gives it exactly these.  Those of shared memory that CRIU saved are written such that an older
 * CRIU reads them. */
int revive_pagemaps(int images, const struct hidden_spaces *hidden, struct store *store,
		    struct lazy *lazy, struct err *e);

/* Whether the images have it, and with which mode. */
struct shared_use {
	bool used;
	uint32_t mode;
};

/*
 * memfd.img: each of shared[n] gets the name by which the preload library knows it
 * (shim_restore.c); use[n] is filled.
 */
int revive_memfds(int images, struct store *store, const uint32_t *shared, size_t n,
		  struct shared_use *use, struct err *e);

/* After the restore: did it take them?  Without the library it would have made empty ones. */
int revive_memfds_taken(struct store *store, const uint32_t *shared, size_t n,
			const struct shared_use *use, struct err *e);

/* Those of shared[n] that are System V segments are filled; restored and frozen, `init` is its first
 * process.  See revive_sysv.c. */
int revive_sysv(pid_t init, struct store *store, const uint32_t *shared, size_t n, struct err *e);

/*
 * The mounts of all namespaces, in the restored and held container whose first process is `init` and whose processes
 * are in and below the directory `cgroup`: what the restore of sockets broke is made again, what else is missing is
 * an error.  See revive_mounts.c.
 */
int revive_mounts(int images, pid_t init, const char *cgroup, struct err *e);

/* mm-PID.img, files.img: see revive_exe.c. */
int revive_exes(int images, struct err *e);

/* core-TID.img: a label of AppArmor that this server has no profile for goes; see revive_labels.c. */
int revive_labels(int images, struct err *e);
/* Is there a profile for it among /sys/kernel/security/apparmor/profiles? */
bool label_is_known(const char *profiles, const char *label);

#endif
