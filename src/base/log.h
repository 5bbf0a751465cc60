/* SPDX-License-Identifier: MIT */
/*
 * base/log.h - what was decided, with the numbers it was decided on.
 *
 * Everything goes to one sink that the program sets (cli: terminal and
 * syslog; agent: frames home).  Lines are not errors: errors travel in
 * struct err and are printed once, above.  The settings here are the
 * program's only globals.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdarg.h>
#include <stdbool.h>

enum log_level { LOG_LVL_ERROR = 0, LOG_LVL_WARN, LOG_LVL_INFO, LOG_LVL_DEBUG };

typedef void log_sink_fn(void *arg, enum log_level level, const char *line);

/* `sink` is called from any thread, one line at a time.  NULL: drop all. */
void log_init(enum log_level max_level, log_sink_fn *sink, void *arg);
bool log_wants(enum log_level level);
void log_line(enum log_level level, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#define log_warn(...)  log_line(LOG_LVL_WARN, __VA_ARGS__)
#define log_info(...)  log_line(LOG_LVL_INFO, __VA_ARGS__)
#define log_debug(...)                                          \
	do {                                                    \
		if (log_wants(LOG_LVL_DEBUG))                   \
			log_line(LOG_LVL_DEBUG, __VA_ARGS__);   \
	} while (0)

#endif
