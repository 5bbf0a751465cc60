// SPDX-License-Identifier: MIT
/* How much there is to move, and how fast it changes: for predictions. */
#include "tree/send/impl.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>

#include "base/clock.h"
#include "base/own.h"

static void count(struct tree_measure *m, int dirfd, const char *name)
{
	struct statx stx;

	m->files++;
	if (statx(dirfd, name, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &stx) < 0 ||
	    !S_ISREG(stx.stx_mode))
		return;

	uint64_t allocated = stx.stx_blocks * 512;
	uint64_t bytes = allocated < stx.stx_size ? allocated : stx.stx_size;

	m->bytes += bytes;
	if (bytes > m->max_file)
		m->max_file = bytes;
}

static void measure_dir(struct tree_source *s, struct walk *w, const struct walk_dir *dir,
			struct tree_measure *m)
{
	struct walk_name n;

	while (walk_name(w, &n)) {
		own_free char *path = dir->path_len ? xasprintf("%s/%s", dir->path, n.name) :
						      xstrdup(n.name);

		if (exclude_match(s->opts.exclude, path, n.type == DT_DIR))
			continue;
		if (n.type == DT_DIR)
			walk_enter(w, n.name);
		else
			count(m, dir->fd, n.name);
	}
}

static int watch(struct tree_source *s, unsigned watch_ms, struct tree_measure *m,
		 struct err *e)
{
	uint64_t names, bytes, start = clock_ns();
	double seconds;

	journal_window_begin(s->journal);
	clock_sleep_ms(watch_ms);
	seconds = (double)(clock_ns() - start) / 1e9;
	if (journal_window_end(s->journal, &names, &bytes, e) < 0)
		return -1;
	m->changed_names_per_s = (double)names / seconds;
	m->changed_bytes_per_s = (double)bytes / seconds;
	return 0;
}

int tree_source_measure(struct tree_source *s, unsigned watch_ms, struct tree_measure *out,
			struct err *e)
{
	struct walk *w = walk_new(s->root, "", 0);
	struct walk_dir *dir;
	bool mount_point;
	int more;

	*out = (struct tree_measure){ .changed_names_per_s = -1, .changed_bytes_per_s = -1 };
	while ((more = walk_next(w, &dir, &mount_point, e)) > 0) {
		out->dirs++;
		measure_dir(s, w, dir, out);
		walk_dir_put(dir);
	}
	walk_free(w);
	if (more < 0)
		return -1;
	s->measured = *out;
	if (s->opts.progress) {
		s->opts.progress->files_expected = out->files;
		s->opts.progress->bytes_expected = out->bytes;
	}
	return watch_ms && s->journal ? watch(s, watch_ms, out, e) : 0;
}
