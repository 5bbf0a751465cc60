/* SPDX-License-Identifier: MIT */
/*
 * tree/send/impl.h - inside the source: what send*.c share.
 *
 *	main thread: walks, merges, takes the journal's changes  (send_walk.c,
 *	     |       send_changes.c, send_large.c)
 *	     | work: up to WORK_NAMES names of a directory, or a range of a file
 *	     v
 *	readers: open, read, pack into batches                     (send_file.c,
 *	     |                                                      send_range.c)
 *	     v
 *	streams; and into spills what must come later in the pass:
 *	     large   files that are sent by ranges once the small ones are done
 *	     finals  attributes of large files
 *	     further names of files that have several, as links to the first
 *	     dirs    attributes of directories: everything before changes their times
 *	     flags   immutable and append-only: they forbid everything else
 */
#ifndef TREE_SEND_IMPL_H
#define TREE_SEND_IMPL_H

#include <pthread.h>

#include "base/buf.h"
#include "tree/changes/journal.h"
#include "tree/changes/touched.h"
#include "tree/leases.h"
#include "tree/links.h"
#include "tree/meta.h"
#include "tree/msg.h"
#include "tree/pack.h"
#include "tree/pool.h"
#include "tree/send/send.h"
#include "tree/spill.h"
#include "tree/walk.h"

enum {
	SMALL_FILE = 256 << 10,	 /* sent whole, in one record */
	CHUNK = 512 << 10,	 /* pieces of the others */
	ALONE = 16 << 20,	 /* a reader sends a file up to this at once, in chunks */
	RANGE = 32 << 20,	 /* larger ones are cut, for several readers */
	WORK_NAMES_MAX = 64,
	MAX_READERS = 16,
};

struct tree_source {
	int root;
	char *root_path;
	uint64_t mnt_id;
	struct tree_opts opts;
	struct journal *journal; /* NULL: none */
	char no_journal[256];
	struct links *links;
	struct touched *touched; /* files to compare by contents; NULL before the first pass */
	struct tree_measure measured;
	bool may_nocow; /* its file system knows files without copy-on-write */
	bool overlays;	/* somebody wrote through one unseen: the journal is not enough */
	bool passed;	/* a pass has been made: journal and since_ns are about later changes */
	/* Files with several names whose contents got lost on the way, because the name they
	 * were read by vanished: the next pass sends them again. */
	struct inode *again;
	size_t n_again;
	int64_t since_s; /* compare: what has a ctime from here on is sent again */
};

struct counters {
	_Atomic uint64_t files, others, dirs, removed, bytes, same_bytes, vanished, mounts,
		excluded;
};

/* One reader thread. */
struct reader_ctx {
	struct pack pack;
	struct buf xattrs, fragment, path, primary, block;
	struct walk_dir *cwd; /* where the thread is, or NULL */
	bool shared; /* the file that it reads, see send_open */
};

struct pass {
	struct tree_source *s;
	struct peer *const *streams;
	unsigned n_streams, n_readers;
	enum tree_pass_kind kind;
	bool to_empty; /* TREE_FIRST onto an empty area: nothing is there yet */
	bool frozen;   /* a change while reading is an error */
	struct pool *pool;
	struct reader_ctx reader[MAX_READERS];
	struct pack main; /* of the main thread, on stream 0 */
	struct spill *large, *finals, *further, *dirs, *flags;
	/* TREE_CHANGES: while names are still being met, files with several are only noted
	 * (under the lock), because what the table knows of them is from earlier passes. */
	bool gathering;
	pthread_mutex_t several_lock;
	struct inode *several;
	size_t n_several;
	struct counters n;
	uint32_t barrier;
	pthread_mutex_t lease_lock;
	struct leases leases; /* under it */
	_Atomic bool flags_first; /* large files must wait for what was sent about them */
	uint64_t start_ns;
};

enum work_kind { WORK_NAMES, WORK_RANGE };

/* Types of names in a WORK_NAMES item beside DT_REG, DT_LNK, …: */
enum { NAME_SELF = 1 + 64 /* the directory itself */, NAME_REMOVE };

/* What tells that a file is as it was; without padding. */
struct version {
	uint64_t size;
	int64_t mtime_s, mtime_ns;
};

struct work {
	enum work_kind kind;
	struct walk_dir *dir; /* owned reference */
	/* WORK_NAMES: {u8 type, u8 has_entry, name NUL, [struct list_entry]}… */
	struct buf names;
	unsigned n_names;
	/* WORK_RANGE */
	char *name;
	struct inode id;   /* of a file with several names, else 0 */
	struct version version;
	uint64_t from, to; /* to is rounded up to TREE_BLOCK but for the last range */
	bool compare;	   /* against sums; where there is none the receiver has a hole */
	uint8_t *sums;	   /* owned */
	uint32_t n_sums;
};

struct work *work_new(enum work_kind kind, struct walk_dir *dir);
void work_free(void *work);
void work_add(struct work *w, unsigned type, const char *name, const struct list_entry *entry);

/* send_file.c: works one item off (pool_ops.work with the pass as arg). */
int send_work(void *pass, unsigned reader, void *item, struct err *e);

/* send_open.c: opens a regular file to read it; -1 with errno.  *shared: it is the descriptor of a process of
 * the container (tree/leases.h), so no lseek.  May wait for a lease to be given up. */
int send_open(struct pass *p, int dirfd, const char *name, bool *shared);
/* After that, with errno: says why; -1. */
int send_not_opened(const struct walk_dir *dir, const char *name, struct err *e);

/* send_range.c: contents of an open file from..to. */
int send_range(struct pass *p, struct reader_ctx *r, const struct walk_dir *dir,
	       const char *name, int fd, uint64_t from, uint64_t to, struct err *e);
int send_range_work(struct pass *p, struct reader_ctx *r, const struct work *w, struct err *e);

/* send_walk.c: everything below `path`.  With `list` NULL the receiver has nothing there. */
struct list_in;
int send_walk(struct pass *p, const char *path, size_t len, struct list_in *list,
	      struct err *e);
/* Is this path, or a directory above it, excluded? */
bool send_excluded(const struct tree_source *s, const char *path, bool is_dir);

/* list_in.c: the receiver's list as it arrives. */
struct list_in *list_in_new(struct peer *peer);
void list_in_free(struct list_in *l);
/* Goes to directory `path`; *found: the receiver has it. */
int list_in_dir(struct list_in *l, const char *path, bool *found, struct err *e);
/* The next name of that directory: 1, 0 at its end. */
int list_in_peek(struct list_in *l, const char **name, const struct list_entry **entry,
		 struct err *e);
void list_in_next(struct list_in *l);
/* Reads the rest. */
int list_in_end(struct list_in *l, struct err *e);

/* send_changes.c: what the journal says. */
int send_changes(struct pass *p, struct changes *c, struct err *e);

/* Notes a file that has several names: its contents and links are sent once all are known. */
void send_note_several(struct pass *p, struct inode id);

/* send_large.c: what the spill `large` holds. */
int send_large(struct pass *p, struct err *e);
int send_large_later(struct pass *p, const struct walk_dir *dir, const char *name,
		     const struct statx *stx, struct err *e);
/* As send_vanished, when a file with several names was told by this one already: the others shall not stay without
 * its contents.  id as in struct work. */
int send_several_vanished(struct pass *p, struct inode id, const struct walk_dir *dir,
			const char *name, struct err *e);

/* send.c: everything queued is read and sent; the receiver applies it before what follows. */
int send_barrier(struct pass *p, struct err *e);
/* A file that changed while it was read, or is gone: fine unless frozen. */
int send_vanished(struct pass *p, const struct walk_dir *dir, const char *name,
		  struct err *e);

/* send_range.c: in the frozen pass nothing may have moved while it was read. */
struct version send_version(const struct statx *stx);
int send_check_still(struct pass *p, const struct walk_dir *dir, const char *name, int fd,
		     const struct version *was, struct err *e);

void send_count_bytes(struct pass *p, uint64_t n);

#endif
