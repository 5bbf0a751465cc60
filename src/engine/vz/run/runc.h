/* SPDX-License-Identifier: MIT */
/*
 * engine/vz/run/runc.h - the OCI runtime, as a program.  Its state stays where an administrator
 * looks for it (RUNC_ROOT), under the container's own id.
 */
#ifndef ENGINE_VZ_RUN_RUNC_H
#define ENGINE_VZ_RUN_RUNC_H

#include <sys/types.h>

#include "base/err.h"
#include "base/strv.h"

#define RUNC_ROOT "/run/runc"

enum runc_status { RUNC_NONE = 0, RUNC_CREATED, RUNC_RUNNING, RUNC_PAUSED, RUNC_STOPPED };

struct runc_state {
	enum runc_status status;
	pid_t pid; /* of the first process, as we see it; 0: none */
};

/* RUNC_NONE when runc does not know the id; no program is started for that. */
int runc_state(const char *id, struct runc_state *out, struct err *e);

/* `dir` is the bundle; runc writes runc.log into it.  The container's first process
 * waits afterwards; its stdio is /dev/null. */
int runc_create(const char *id, const char *dir, struct err *e);
int runc_start(const char *id, const char *dir, struct err *e);
int runc_kill(const char *id, int sig, struct err *e);
/* Kills what runs; fine when there is none. */
int runc_delete(const char *id, struct err *e);

/* `runc … exec [options] ID`, to which the command is added. */
void runc_exec_argv(struct strv *argv, const char *id, const char *const *options);

#endif
