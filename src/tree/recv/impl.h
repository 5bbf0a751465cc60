/* SPDX-License-Identifier: MIT */
/*
 * tree/recv/impl.h - inside the destination: what recv*.c share.
 *
 *	main thread: frames of all streams, barriers     (recv.c)
 *	     | batches            | SUMS_ASK
 *	     v                    v
 *	writers: apply records    hasher: block hashes   (recv_apply.c,
 *	                          of large files          recv_sums.c)
 *	lister: what is there, for the source to compare (recv_list.c)
 */
#ifndef TREE_RECV_IMPL_H
#define TREE_RECV_IMPL_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/buf.h"
#include "tree/known.h"
#include "tree/meta.h"
#include "tree/msg.h"
#include "tree/pool.h"
#include "tree/recv/recv.h"

enum { MAX_WRITERS = 16, MAX_STREAMS = 64 };

struct tree_dest {
	int root;
	bool empty;	/* nothing was ever put into it */
	bool plain_ids; /* we are uid 0, gid 0: new files need no chown to root */
	struct known *known; /* of what was written by any pass */
	struct tree_dest_opts opts;
};

/* One writer thread. */
struct writer {
	struct buf path; /* of the directory it is in */
	int dir;	 /* that directory, or -1 */
	bool plain;	 /* it hands nothing down to new files: no default ACL, no setgid */
	unsigned generation;
	char name[TREE_MAX_NAME + 1]; /* of the open large file */
	int file;		      /* or -1 */
};

struct dest_pass {
	struct tree_dest *d;
	struct peer *const *streams;
	unsigned n_streams, n_writers;
	bool to_empty; /* TREE_FIRST into an empty area */
	struct pool *writers, *hasher;
	struct writer writer[MAX_WRITERS];
	_Atomic unsigned generation; /* of barriers: cached directories are of one */
	pthread_t lister;
	bool listing;
	struct err list_error;
	int wake; /* eventfd: a writer or the hasher has failed */
	_Atomic uint64_t files, others, dirs, removed, bytes;
};

/* A frame to be applied or answered; freed by the worker. */
struct job {
	uint8_t type;
	uint8_t *data; /* owned */
	size_t len;
};

void job_free(void *job);

/* recv_apply.c; pool_ops.work with the pass as arg. */
int recv_apply(void *pass, unsigned writer, void *job, struct err *e);
void writer_fini(struct writer *w);

/* recv_file.c: one record about a regular file, in the writer's directory. */
int recv_file(struct dest_pass *p, struct writer *w, const struct rec *rec, struct err *e);
int recv_chunk(struct dest_pass *p, struct writer *w, const struct rec *rec, struct err *e);
int recv_zeros(struct dest_pass *p, struct writer *w, const struct rec *rec, struct err *e);
/* Flags of a name or, "", of the directory itself. */
int recv_flags(struct dest_pass *p, struct writer *w, const struct rec *rec, struct err *e);
int recv_final(struct dest_pass *p, struct writer *w, const struct rec *rec, struct err *e);

/* recv_sums.c; pool_ops.work with the pass as arg, one thread. */
int recv_sums(void *pass, unsigned number, void *job, struct err *e);

/* recv_list.c; a thread's main with the pass as arg; sets list_error. */
void *recv_list(void *pass);

#endif
