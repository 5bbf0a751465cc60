// SPDX-License-Identifier: MIT
#include "base/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>

static struct {
	enum log_level max;
	log_sink_fn *sink;
	void *arg;
	pthread_mutex_t lock; /* one line at a time */
} settings = { .max = LOG_LVL_INFO, .lock = PTHREAD_MUTEX_INITIALIZER };

void log_init(enum log_level max_level, log_sink_fn *sink, void *arg)
{
	settings.max = max_level;
	settings.sink = sink;
	settings.arg = arg;
}

bool log_wants(enum log_level level)
{
	return settings.sink && level <= settings.max;
}

void log_line(enum log_level level, const char *fmt, ...)
{
	int saved = errno;
	char line[1200];
	va_list ap;

	if (!log_wants(level))
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	pthread_mutex_lock(&settings.lock);
	settings.sink(settings.arg, level, line);
	pthread_mutex_unlock(&settings.lock);
	errno = saved;
}
