/* SPDX-License-Identifier: MIT */
/*
 * criu/shimtest.h - does the preload library work with the CRIU that is installed?
 *
 * A small process of ours with 8 MiB of private memory and a memfd of 8 MiB is saved with it: all must be
 * hidden, and nothing of it be in the images.  That is found out once for each build of CRIU, of the library
 * and of the kernel, and noted in /run/pmigrate/criu-shim.
 */
#ifndef CRIU_SHIMTEST_H
#define CRIU_SHIMTEST_H

#include "base/err.h"

/* 0: it works.  ERR_UNSUPPORTED with the reason: the container's memory must be left to CRIU.
 * Blocks some 100 ms the first time. */
int shim_test(struct err *e);

#endif
