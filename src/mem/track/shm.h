/* SPDX-License-Identifier: MIT */
/*
 * mem/track/shm.h - shared memory objects of a container: anonymous shared memory,
 * memfds and SysV segments, each once however many processes map it.
 *
 * An object is an inode on the kernel's own shm mount.  Its pages exist
 * independently of who maps them: presence comes from SEEK_DATA, contents from
 * the inode itself; only *dirtiness* comes from the page tables of its
 * mappers.  So an object is not known clean, and is compared page by page by
 * hash, when
 *   - a task that may have mapped it ended or unmapped it since the last look, or
 *   - it was written, truncated or punched through a descriptor: its mtime.  A write through a
 *     mapping changes that as well, when it meets our write-protection; so the mtime says nothing
 *     when no process has a descriptor on it, which anonymous and SysV memory never have.
 * A page that is new in the inode counts as written: a read where there was none makes one (mm/shmem.c, SGP_CACHE),
 * and it looks clean where the hole was armed.  Not noticed: a hole made through a mapping (MADV_REMOVE) that is only
 * read afterwards, both between two looks.
 */
#ifndef MEM_TRACK_SHM_H
#define MEM_TRACK_SHM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "mem/maps.h"
#include "mem/pageset.h"

struct shm {
	uint64_t dev, ino;
	uint64_t size;	  /* bytes, at the last look */
	char name[256];	  /* "/memfd:x", "/dev/zero", "/SYSV00000000", without " (deleted)" */
	int fd;		  /* owned, read-only */
	uint32_t nr;	  /* its object number on the wire; 0: not announced yet */

	/* private to mem/ */
	struct pageset dirty;	/* offsets */
	struct pageset present; /* at the last look */
	uint64_t *hash;		/* of each page as sent; 0: never sent */
	uint64_t n_hash;
	int64_t mtime_ns;
	bool young;		/* mtime was too fresh to be trusted next time */
	bool suspect;		/* compare by hash */
	bool sent;		/* once, whole */
	bool seen;
	bool open, was_open;	/* by some process, at this look and the one before */
};

/* Is this mapping, or this descriptor's name in /proc/PID/fd, such an object? */
bool shm_name(const char *link, char out[static 256]);

/* By a path that leads to it (/proc/PID/map_files/…, /proc/PID/fd/…). */
struct shm *shm_open_path(const char *path, const char *name, struct err *e);
void shm_close(struct shm *s); /* NULL is fine */

/* Looks at size, mtime and pages again; sets `suspect` when it was written, or may have been,
 * other than through a mapping. */
int shm_look(struct shm *s, bool *resized, struct err *e);

/* Is an object of this name a System V segment?  Its inode number is the segment's id then. */
bool shm_is_sysv(const char *name);

/*
 * Fills a shared object that CRIU has made by itself from the store: it is mapped at `to`, writable, and
 * empty.  Stopped processes only.  `store` see mem/store/store.h.
 */
struct store;
struct memobj;
int shm_fill(void *to, struct store *store, const struct memobj *o, struct err *e);

#endif
