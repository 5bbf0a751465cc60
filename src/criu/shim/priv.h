/* SPDX-License-Identifier: MIT */
/* criu/shim/priv.h - what the files of criu-shim.so share. */
#ifndef CRIU_SHIM_PRIV_H
#define CRIU_SHIM_PRIV_H

/* What CRIU finds instead of libc's own. */
#define INSTEAD __attribute__((visibility("default")))

/* The directory where it meets the agent (shim_text.h); -1: there is none, as in a restore. */
int shim_dir(void);

/* CRIU opens an image (queues.c). */
void shim_queues_opened(int dirfd, const char *path, int flags);

#endif
