/* SPDX-License-Identifier: MIT */
/*
 * base/own.h - locals that clean up after themselves.
 *
 *	own_free char *path = NULL;	freed at the end of the block
 *	own_fd int fd = -1;		closed, errno kept
 *	own_file FILE *f = NULL;	fclosed
 *	own_dir DIR *d = NULL;		closedir'ed
 *
 * take_ptr(&p) and take_fd(&fd) hand the thing over to somebody else.
 */
#ifndef BASE_OWN_H
#define BASE_OWN_H

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void own_free_cleanup(void *pp)
{
	int saved = errno;

	free(*(void **)pp);
	errno = saved;
}

static inline void own_fd_cleanup(const int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	errno = saved;
}

static inline void own_file_cleanup(FILE **f)
{
	int saved = errno;

	if (*f)
		fclose(*f);
	errno = saved;
}

static inline void own_dir_cleanup(DIR **d)
{
	int saved = errno;

	if (*d)
		closedir(*d);
	errno = saved;
}

#define own_free __attribute__((cleanup(own_free_cleanup)))
#define own_fd	 __attribute__((cleanup(own_fd_cleanup)))
#define own_file __attribute__((cleanup(own_file_cleanup)))
#define own_dir	 __attribute__((cleanup(own_dir_cleanup)))

static inline int take_fd(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

#define take_ptr(pp)                            \
	({                                      \
		__typeof__(*(pp)) taken_ = *(pp); \
		*(pp) = NULL;                   \
		taken_;                         \
	})

/* Closes *fd if open and marks it closed. */
static inline void close_fd(int *fd)
{
	own_fd_cleanup(fd);
	*fd = -1;
}

/* Small allocations of our own size: a failure of these is the end.  Sizes
 * that come from a peer, a file or a user are capped and checked instead. */
static inline void *xmust(void *p)
{
	if (!p) {
		static const char text[] = "pmigrate: out of memory\n";

		if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
			_exit(2);
		abort();
	}
	return p;
}

#define xcalloc(n, size)     xmust(calloc((n), (size)))
#define xmalloc(size)	     xmust(malloc(size))
#define xrealloc(p, size)    xmust(realloc((p), (size)))
#define xstrdup(s)	     ((char *)xmust(strdup(s)))
#define xstrndup(s, n)	     ((char *)xmust(strndup((s), (n))))

/* printf into a fresh string, which is the caller's. */
__attribute__((format(printf, 1, 2))) static inline char *xasprintf(const char *fmt, ...)
{
	char *out = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&out, fmt, ap) < 0)
		out = NULL;
	va_end(ap);
	return xmust(out);
}

#define array_len(a) (sizeof(a) / sizeof((a)[0]))

#endif
