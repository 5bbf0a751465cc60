/* SPDX-License-Identifier: MIT */
/* engine/vz/run/seccomp.h - system calls that a container cannot make. */
#ifndef ENGINE_VZ_RUN_SECCOMP_H
#define ENGINE_VZ_RUN_SECCOMP_H

#include <cjson/cJSON.h>
#include <stdbool.h>

/* linux.seccomp of an OCI config, the caller's; live: with the rules that keep everything
 * movable by CRIU, each told with its cost at the table. */
cJSON *vz_seccomp(bool live);

#endif
