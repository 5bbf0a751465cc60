// SPDX-License-Identifier: MIT
/* The list of changes a journal gives out. */
#include "tree/journal_impl.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/own.h"
#include "tree/area.h"
#include "tree/msg.h"

void changes_fini(struct changes *c)
{
	for (size_t i = 0; i < c->n; i++) {
		free(c->item[i].dir);
		free(c->item[i].name);
	}
	free(c->item);
	c->item = NULL;
	c->n = 0;
}

void changes_free(struct changes *c)
{
	if (!c)
		return;
	changes_fini(c);
	free(c);
}

void changes_add(struct changes *c, const char *dir, size_t dir_len, const char *name)
{
	if ((c->n & (c->n - 1)) == 0)
		c->item = xrealloc(c->item, (c->n ? c->n * 2 : 1) * sizeof(*c->item));
	c->item[c->n++] = (struct change){ .dir = xstrndup(dir, dir_len),
					   .name = xstrdup(name) };
}

static int order(const void *a, const void *b)
{
	const struct change *x = a, *y = b;
	int ret = tree_path_order(x->dir, y->dir);

	return ret ? ret : strcmp(x->name, y->name);
}

void changes_sort(struct changes *c)
{
	size_t kept = 0;

	if (!c->n)
		return;
	qsort(c->item, c->n, sizeof(*c->item), order);
	for (size_t i = 1; i < c->n; i++) {
		if (order(&c->item[kept], &c->item[i]) != 0) {
			c->item[++kept] = c->item[i];
			continue;
		}
		c->item[kept].made |= c->item[i].made;
		free(c->item[i].dir);
		free(c->item[i].name);
	}
	c->n = kept + 1;
}

uint64_t changes_bytes(const struct changes *c, int root)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < c->n; i++) {
		own_fd int fd = area_open_dir(root, c->item[i].dir, strlen(c->item[i].dir));
		struct stat st;

		if (fd >= 0 && fstatat(fd, c->item[i].name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISREG(st.st_mode))
			sum += (uint64_t)st.st_size;
	}
	return sum;
}
