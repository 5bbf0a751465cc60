/* SPDX-License-Identifier: MIT */
/* mem/births_priv.h - between births.c and births_helper.c only. */
#ifndef MEM_BIRTHS_PRIV_H
#define MEM_BIRTHS_PRIV_H

#include <stdbool.h>
#include <stdint.h>

#define BIRTHS_NAME "pmigrate-births"

/* To a u64, the pid that was handed out last at the look before; the helper's first message is its own pid (i64). */
struct births_answer {
	uint64_t last;
	bool missed;
};

#endif
