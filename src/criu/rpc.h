/* SPDX-License-Identifier: MIT */
/*
 * criu/rpc.h - a CRIU process of ours, and the one conversation it has.
 *
 * `criu swrk FD` serves requests on a socket we gave it.  It is started before
 * the container is frozen: already inside the container's network namespace (so
 * that this namespace counts as CRIU's own and is neither dumped nor restored),
 * its libraries loaded, its socket open.  It serves one dump or restore and
 * ends; queries leave it alive.
 *
 *	criu_start ── criu_call(VERSION, FEATURE_CHECK…)* ── criu_call(DUMP|RESTORE) ── criu_free
 */
#ifndef CRIU_RPC_H
#define CRIU_RPC_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"
#include "criu/rpc.pb-c.h"

struct criu;

struct criu_opts {
	const char *program;	/* NULL: "criu" */
	const char *netns;	/* files of namespaces to start in, or NULL: ours */
	const char *ipcns;
	const char *utsns;
	const char *cgroupns;
	const char *preload;	/* a library for it alone, or NULL */
	const char *const *env; /* "K=V"…, for that library; NULL-terminated or NULL */
	const int *fds;		/* it inherits these under their own numbers */
	size_t n_fds;
	bool outlive;		/* does not die with us; idle it ends all the same, as its socket closes */
};

/*
 * Blocks until the process is started, not until it is ready.  It dies with the
 * thread that started it, if not `outlive`.
 */
int criu_start(struct criu **out, const struct criu_opts *o, struct err *e);

/* NULL is fine.  Kills it when it still runs: its mounts are of its own namespaces. */
void criu_free(struct criu *c);

pid_t criu_pid(const struct criu *c);

/*
 * Called for each notification (CRIU's "pre-resume", "post-restore", …) while
 * CRIU waits.  Not 0 makes CRIU fail and clean up.
 */
typedef int criu_notify_fn(void *arg, const char *script, pid_t pid);

/*
 * One request and its answer, at most timeout_ms.  *out (may be NULL) is freed by
 * rpc__response__free_unpacked(out, NULL).  An answer "no success" is ERR_CHILD
 * with CRIU's first error line in it; criu/why.h makes more of its log.
 */
int criu_call(struct criu *c, const Rpc__Request *req, int timeout_ms,
	      criu_notify_fn *notify, void *arg, Rpc__Response **out, struct err *e);

/* Waits until it answers: its namespaces are entered, its libraries loaded.  It goes on waiting
 * for the request that it is there for. */
int criu_ready(struct criu *c, struct err *e);

/* What it said then, as criu/version.h counts; 0 before, or when it does not tell. */
uint32_t criu_its_version(const struct criu *c);

/* Starts one, asks, ends it.  Fails with .sys ENOENT when there is no CRIU. */
int criu_version(const char *program, int *version, struct err *e);

/* Packs and unpacks as criu_call does: pure, for tests.  *out is the caller's. */
size_t rpc_pack(const Rpc__Request *req, unsigned char **out);

#endif
