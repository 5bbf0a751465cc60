/* SPDX-License-Identifier: MIT */
/*
 * plan/tech.h - the words of TECHNOLOGIES, and the classes of RATE.  Pure.
 */
#ifndef PLAN_TECH_H
#define PLAN_TECH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/strv.h"

/*
 * What a kernel provides, by its release ("6.12.1-amd64") and architecture.
 * Features that are file systems must be among `filesystems` as well.
 */
void tech_provided(const char *arch, const char *release, const struct strv *filesystems,
		   struct strv *out);

/* Is it a word of TECHNOLOGIES at all? */
bool tech_known(const char *word);

/* /etc/vz/conf/networks_classes: bit n for each line "n NETWORK/PREFIX", n < 16. */
uint32_t tech_rate_classes(const char *text);

#endif
