// SPDX-License-Identifier: MIT
#include "tree/find.h"

#include <dirent.h>
#include <stdlib.h>

#include "tree/walk.h"

static int by_number(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

int find_names(int root, const uint64_t *inos, size_t n,
	       int (*fn)(void *arg, const char *dir, size_t dir_len, const char *name,
			 struct err *e),
	       void *arg, struct err *e)
{
	struct walk *w = walk_new(root, "", 0);
	struct walk_dir *dir;
	struct walk_name name;
	bool mount_point;
	int more;

	while ((more = walk_next(w, &dir, &mount_point, e)) > 0) {
		while (more > 0 && walk_name(w, &name)) {
			if (name.type == DT_DIR)
				walk_enter(w, name.name);
			else if (bsearch(&name.ino, inos, n, sizeof(*inos), by_number) &&
				 fn(arg, dir->path, dir->path_len, name.name, e) < 0)
				more = -1;
		}
		walk_dir_put(dir);
		if (more < 0)
			break;
	}
	walk_free(w);
	return more;
}
