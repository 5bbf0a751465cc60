// SPDX-License-Identifier: MIT
/* The list of changes a journal gives out. */
#include "tree/changes/impl.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/own.h"
#include "tree/area.h"
#include "tree/msg.h"

void changes_fini(struct changes *c)
{
	for (size_t i = 0; i < c->n; i++) {
		free(c->item[i].name);
		free(c->item[i].written);
	}
	for (size_t i = 0; i < c->n_dirs; i++)
		free(c->dirs[i]);
	free(c->item);
	free(c->dirs);
	*c = (struct changes){ .n = 0 };
}

void changes_free(struct changes *c)
{
	if (!c)
		return;
	changes_fini(c);
	free(c);
}

const char *changes_dir(struct changes *c, char *path)
{
	if ((c->n_dirs & (c->n_dirs - 1)) == 0)
		c->dirs = xrealloc(c->dirs, (c->n_dirs ? c->n_dirs * 2 : 1) * sizeof(*c->dirs));
	return c->dirs[c->n_dirs++] = path;
}

struct change *changes_add_in(struct changes *c, const char *dir, const char *name)
{
	if ((c->n & (c->n - 1)) == 0)
		c->item = xrealloc(c->item, (c->n ? c->n * 2 : 1) * sizeof(*c->item));
	c->item[c->n] = (struct change){ .dir = dir, .name = xstrdup(name) };
	return &c->item[c->n++];
}

void changes_add(struct changes *c, const char *dir, size_t dir_len, const char *name)
{
	changes_add_in(c, changes_dir(c, xstrndup(dir, dir_len)), name);
}

static int by_name(const struct change *x, const struct change *y)
{
	int ret = tree_path_order(x->dir, y->dir);

	return ret ? ret : strcmp(x->name, y->name);
}

static size_t written_size(const struct change *c)
{
	return c->written ? sizeof(*c->written) + c->written->handle_bytes : 0;
}

static int order(const void *a, const void *b)
{
	const struct change *x = a, *y = b;
	size_t n = written_size(x), m = written_size(y);
	int ret = by_name(x, y);

	if (ret || (!n && !m))
		return ret;
	return n != m ? (n < m ? -1 : 1) : memcmp(x->written, y->written, n);
}

/* Sorted; each pair of name and written file once, and a name without one only when there
 * is none with.  What is known of a name is known of all its items. */
void changes_sort(struct changes *c)
{
	size_t kept = 0;

	if (!c->n)
		return;
	qsort(c->item, c->n, sizeof(*c->item), order);
	for (size_t i = 1; i < c->n; i++) {
		struct change *k = &c->item[kept], *n = &c->item[i];

		if (by_name(k, n) != 0) {
			c->item[++kept] = *n;
			continue;
		}
		n->made |= k->made;
		if (k->written && order(k, n) != 0) {
			c->item[++kept] = *n;
			continue;
		}
		free(k->name);
		free(k->written);
		*k = *n;
	}
	c->n = kept + 1;
	for (size_t i = c->n - 1; i-- > 0;)
		if (by_name(&c->item[i], &c->item[i + 1]) == 0)
			c->item[i].made |= c->item[i + 1].made;
}

uint64_t changes_bytes(const struct changes *c, int root)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < c->n; i++) {
		own_fd int fd = area_open_dir(root, c->item[i].dir, strlen(c->item[i].dir));
		struct stat st;

		if (fd >= 0 && fstatat(fd, c->item[i].name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISREG(st.st_mode))
			sum += (uint64_t)(st.st_blocks * 512 < st.st_size ? st.st_blocks * 512 : st.st_size);
	}
	return sum;
}
