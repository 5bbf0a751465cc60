// SPDX-License-Identifier: MIT
#include "move/live.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/own.h"
#include "base/parse.h"

#define LIVE_DIR "/run/pmigrate"

enum { TICK_MS = 200, TICKS_A_LINE = 5, LINE_MAX_BYTES = 512 };

struct live {
	char *path;
	const struct tree_progress *tree;
	uint64_t first_bytes, first_items;
	struct progress *out;
	_Atomic int phase;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool stop; /* under lock */
};

static void write_line(const struct live *l)
{
	uint64_t done = l->out->bytes, total = l->out->bytes_total;
	char done_text[24], total_text[24], line[LINE_MAX_BYTES];
	own_fd int fd = -1;
	int n;

	text_bytes(done_text, done);
	text_bytes(total_text, total);
	if (total)
		n = snprintf(line, sizeof(line), "%s %s of %s (%u %%)\n",
			     phase_word((enum phase)l->phase), done_text, total_text,
			     (unsigned)(done * 100 / total));
	else
		n = snprintf(line, sizeof(line), "%s %s\n", phase_word((enum phase)l->phase),
			     done_text);
	/* One write over the old line: a reader sees either. */
	fd = open(l->path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd >= 0 && write_all(fd, line, (size_t)n) == 0 && ftruncate(fd, n) < 0)
		unlink(l->path);
}

/* While a phase moves files, their counters are the phase's. */
static void pass_on(const struct live *l)
{
	if (l->phase != PHASE_COPY && l->phase != PHASE_RECOPY && l->phase != PHASE_LAST)
		return;
	l->out->bytes = l->tree->bytes;
	l->out->bytes_total = l->tree->bytes_expected;
	l->out->items = l->tree->files;
	l->out->items_total = l->tree->files_expected;
	if (l->phase == PHASE_COPY && !l->tree->bytes_expected) {
		l->out->bytes_total = l->first_bytes;
		l->out->items_total = l->first_items;
	}
}

static void *live_main(void *arg)
{
	struct live *l = arg;

	pthread_mutex_lock(&l->lock);
	for (unsigned tick = 0; !l->stop; tick++) {
		struct timespec until;

		pthread_mutex_unlock(&l->lock);
		pass_on(l);
		if (tick % TICKS_A_LINE == 0)
			write_line(l);
		pthread_mutex_lock(&l->lock);
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += TICK_MS * 1000000L;
		until.tv_sec += until.tv_nsec / 1000000000;
		until.tv_nsec %= 1000000000;
		if (!l->stop)
			pthread_cond_timedwait(&l->wake, &l->lock, &until);
	}
	pthread_mutex_unlock(&l->lock);
	return NULL;
}

struct live *live_start(const char *id, const struct tree_progress *tree, uint64_t first_bytes,
			uint64_t first_items, struct progress *out)
{
	struct live *l;

	if (mkdir(LIVE_DIR, 0700) < 0 && errno != EEXIST)
		return NULL;
	l = xcalloc(1, sizeof(*l));
	l->path = xasprintf(LIVE_DIR "/%s", id);
	l->tree = tree;
	l->first_bytes = first_bytes;
	l->first_items = first_items;
	l->out = out;
	pthread_mutex_init(&l->lock, NULL);
	pthread_cond_init(&l->wake, NULL);
	if (pthread_create(&l->thread, NULL, live_main, l) != 0) {
		free(l->path);
		free(l);
		return NULL;
	}
	return l;
}

void live_phase(struct live *l, enum phase p)
{
	if (l)
		l->phase = (int)p;
}

void live_stop(struct live *l)
{
	if (!l)
		return;
	pthread_mutex_lock(&l->lock);
	l->stop = true;
	pthread_cond_signal(&l->wake);
	pthread_mutex_unlock(&l->lock);
	pthread_join(l->thread, NULL);
	unlink(l->path);
	pthread_cond_destroy(&l->wake);
	pthread_mutex_destroy(&l->lock);
	free(l->path);
	free(l);
}

char *live_read(const char *id)
{
	own_free char *path = xasprintf(LIVE_DIR "/%s", id);
	char *line = NULL;

	if (file_read(AT_FDCWD, path, LINE_MAX_BYTES, &line, NULL, NULL) < 0)
		return NULL;
	line[strcspn(line, "\n")] = '\0';
	return line;
}
