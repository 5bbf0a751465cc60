/* SPDX-License-Identifier: MIT */
/*
 * criu/image/cores.h - core-TID.img in an images directory: a thread's registers and signals and, of a process's first
 * thread, what belongs to the process.  TID is the thread's number in the container.
 */
#ifndef CRIU_IMAGE_CORES_H
#define CRIU_IMAGE_CORES_H

#include <stdint.h>

#include "base/err.h"
#include "criu/img.pb-c.h"

#define own_core __attribute__((cleanup(core_free)))

/* The caller's; NULL with e. */
Img__Core *core_load(int images, uint32_t tid, struct err *e);
void core_free(Img__Core **core);

/* In the place of what was there. */
int core_store(int images, uint32_t tid, const Img__Core *core, struct err *e);

#endif
