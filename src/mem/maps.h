/* SPDX-License-Identifier: MIT */
/*
 * mem/maps.h - the mappings of one address space, as /proc/PID/maps (or smaps)
 * tells them, and what each of them means for moving it.
 *
 * Pure: text in, plain data out.  The text is a foreign container's: names may
 * hold anything (the kernel escapes only newlines), everything else is checked.
 */
#ifndef MEM_MAPS_H
#define MEM_MAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

enum { MEM_PAGE_SHIFT = 12, MEM_PAGE = 1 << MEM_PAGE_SHIFT };

/* Who carries the contents of a mapping. */
enum map_kind {
	MAP_KIND_ANON,	      /* private anonymous, heap and stacks too: every page */
	MAP_KIND_FILE,	      /* private mapping of a file: only pages that were written (CoW) */
	MAP_KIND_SHM,	      /* shared, on the kernel's own shm mount: anonymous shared memory,
			       * memfd, SysV: sent once per object, see mem/track/shm.h */
	MAP_KIND_SHARED_FILE, /* shared mapping of a file with a path: the tree mover's work */
	MAP_KIND_HUGETLB,     /* huge pages: dumped by CRIU, whole, in the freeze */
	MAP_KIND_DEVICE,      /* memory of a device (VmFlags io or pf): CRIU decides */
	MAP_KIND_KERNEL,      /* vdso, vvar, vsyscall, uprobes, aio rings: made anew by CRIU */
};

/* Bits of map.prot. */
enum { MAP_READ = 1, MAP_WRITE = 2, MAP_EXEC = 4 };

/* Bits of map.vm, from VmFlags (Documentation/filesystems/proc.rst); 0 when the text
 * was /proc/PID/maps. */
enum {
	MAP_VM_KNOWN = 1 << 0,	     /* there was a VmFlags line */
	MAP_VM_LOCKED = 1 << 1,	     /* lo */
	MAP_VM_HUGETLB = 1 << 2,     /* ht */
	MAP_VM_IO = 1 << 3,	     /* io or pf */
	MAP_VM_DONTFORK = 1 << 4,    /* dc */
	MAP_VM_WIPEONFORK = 1 << 5,  /* wf */
	MAP_VM_DROPPABLE = 1 << 6,   /* dp: may vanish under memory pressure */
	MAP_VM_GROWSDOWN = 1 << 7,   /* gd */
	MAP_VM_UFFD_WP = 1 << 8,     /* uw: write-protect tracking is on */
	MAP_VM_UFFD_MISSING = 1 << 9,/* um: the program has its own userfaultfd */
	MAP_VM_NOHUGEPAGE = 1 << 10, /* nh */
	MAP_VM_GUARD = 1 << 11,	     /* gu: has guard regions (MADV_GUARD_INSTALL) */
	MAP_VM_SHADOW_STACK = 1 << 12, /* ss */
};

struct map {
	uint64_t start, end; /* page aligned, start < end */
	uint64_t offset;     /* in the file, bytes */
	uint64_t dev, ino;   /* dev as makedev(3) gives it; 0,0 for anonymous */
	uint8_t prot;
	bool shared;
	uint16_t vm;
	enum map_kind kind;
	const char *name;    /* "" or as in the file; borrowed from the maps */
	const char *vmflags; /* the words after "VmFlags:", or NULL; borrowed */
};

/* Sorted by start, not overlapping. */
struct maps {
	struct map *v;
	size_t n;
	char *text; /* owned; names point into it */
};

#define MAPS_INIT { NULL, 0, NULL }
#define own_maps __attribute__((cleanup(maps_fini)))

void maps_fini(struct maps *m);

/*
 * Parses the text of maps or smaps; takes `text` (malloc'ed, NUL-terminated at
 * [len], changed in place) in every case.  shm_dev is the device of the kernel's own shm
 * mount (maps_shm_dev).  On failure *m is empty.
 */
int maps_parse(struct maps *m, char *text, size_t len, uint64_t shm_dev, struct err *e);

/* Reads from the beginning of an open /proc/PID/maps or smaps.  An address space that
 * has ended gives n == 0.  The text of a running process is no snapshot: the kernel lets go of the address space on the way
 * (fs/proc/task_mmu.c), and a line may overlap the one before.  Then it is read again, a few times; of a
 * process that changes its mappings all the time the newer line counts.  smaps walks all page tables (26 ms a GiB): not in the freeze. */
int maps_read(struct maps *m, int fd, struct err *e);
int maps_read_pid(struct maps *m, pid_t pid, bool with_vmflags, struct err *e);

/* The device of memfds and anonymous shared memory on this server; constant after
 * the first call.  0 when it cannot be found. */
uint64_t maps_shm_dev(void);

/* The map that holds addr, or NULL. */
const struct map *maps_find(const struct maps *m, uint64_t addr);

/* Copies the VmFlags knowledge of `from` (older, from smaps) to the maps of `to` with
 * equal extent, protection and file. Returns how many of `to` are still without. */
size_t maps_inherit_vm(struct maps *to, const struct maps *from);

/* The same object seen through the same window: nothing but the extent may differ. */
bool map_same_backing(const struct map *a, const struct map *b);

/* Will CRIU restore this mapping's pages through userfaultfd?  (Its rule,
 * vma_entry_can_be_lazy: private anonymous, not locked, not hugetlb, not the kernel's.) */
bool map_can_be_lazy(const struct map *m);

/*
 * How a private mapping's pages come back: few of them, copies of a file's pages (userfaultfd gives none to
 * those) and locked memory (which the kernel fills at once), from the images, before the process runs; all others
 * (false) through userfaultfd.
 */
enum { MAP_EAGER_MAX = 128 << 10 };
bool map_is_eager(const struct map *m);

static inline uint64_t map_pages(const struct map *m)
{
	return (m->end - m->start) >> MEM_PAGE_SHIFT;
}

/*
 * What happened between two looks at one address space.  Calls `gone` for every
 * stretch of `was` that `is` lacks or backs with something else, and `fresh` for
 * every stretch of `is` that `was` lacks or backed otherwise.  Either may be NULL.
 */
typedef void maps_stretch_fn(void *arg, const struct map *m, uint64_t start, uint64_t end);
void maps_compare(const struct maps *was, const struct maps *is, maps_stretch_fn *gone,
		  maps_stretch_fn *fresh, void *arg);

#endif
