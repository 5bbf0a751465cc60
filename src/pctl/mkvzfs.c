// SPDX-License-Identifier: MIT
/* pctl/mkvzfs.c - the program mkvzfs: the empty private area of a container. */
#include <stdio.h>
#include <string.h>

#include "base/exit.h"
#include "base/own.h"
#include "engine/vz/create.h"
#include "pctl/pctl.h"

static int run(const char *id, struct err *e)
{
	own_free char *path = NULL;
	int lock = -1, ret;

	if (vz_lock(id, "making its private area", NULL, &lock, e) < 0)
		return -1;
	ret = vz_make_area(id, &path, e);
	vz_unlock(id, &lock);
	if (ret == 0)
		printf("%s\n", path);
	return ret;
}

int main(int argc, char **argv)
{
	struct err e = ERR_INIT;
	bool asked = argc == 2 && (strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "--help") == 0);

	pctl_log_to_stderr("mkvzfs");
	if (argc != 2 || argv[1][0] == '-') {
		fprintf(asked ? stdout : stderr,
			"usage: mkvzfs CTID: make the empty private area of a container\n");
		return asked ? EXIT_OK : EXIT_USAGE;
	}
	return run(argv[1], &e) < 0 ? pctl_fail("mkvzfs", &e) : EXIT_OK;
}
