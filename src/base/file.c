// SPDX-License-Identifier: MIT
#include "base/file.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/own.h"

int write_all(int fd, const void *data, size_t len)
{
	const char *p = data;

	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int read_all(int fd, void *data, size_t len)
{
	char *p = data;

	while (len) {
		ssize_t n = read(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n == 0)
			errno = EPIPE;
		if (n <= 0)
			return -1;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int file_read(int dirfd, const char *path, size_t max, char **out, size_t *len,
	      struct err *e)
{
	own_free char *data = NULL;
	own_fd int fd = -1;
	size_t have = 0, cap = 4096;

	fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, "cannot open %s", path);
	data = xmalloc(cap);
	for (;;) {
		ssize_t n = read(fd, data + have, cap - have - 1);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, "cannot read %s", path);
		if (n == 0)
			break;
		have += (size_t)n;
		if (have > max)
			return err_set(e, ERR_SYS, "%s is larger than %zu bytes", path,
				       max);
		if (cap - have < 2)
			data = xrealloc(data, cap *= 2);
	}
	data[have] = '\0';
	if (len)
		*len = have;
	*out = take_ptr(&data);
	return 0;
}

int file_sync_name(int dirfd, const char *path, struct err *e)
{
	own_free char *dir = xstrdup(path);
	char *slash = strrchr(dir, '/');
	own_fd int fd = -1;

	if (slash == dir)
		slash[1] = '\0';
	else if (slash)
		*slash = '\0';
	fd = openat(dirfd, slash ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) < 0)
		return err_sys(e, "cannot sync the directory of %s", path);
	return 0;
}

int file_replace(int dirfd, const char *path, const void *data, size_t len, mode_t mode,
		 struct err *e)
{
	own_free char *tmp = xasprintf("%s.new.%d", path, (int)getpid());
	own_fd int fd = -1;

	fd = openat(dirfd, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
		    mode);
	if (fd < 0)
		return err_sys(e, "cannot create %s", tmp);
	if (fchmod(fd, mode) < 0 || write_all(fd, data, len) < 0 || fsync(fd) < 0 ||
	    renameat(dirfd, tmp, dirfd, path) < 0) {
		err_sys(e, "cannot write %s", path);
		unlinkat(dirfd, tmp, 0);
		return -1;
	}
	return file_sync_name(dirfd, path, e);
}

int file_poke(int dirfd, const char *path, const char *text, struct err *e)
{
	own_fd int fd = openat(dirfd, path, O_WRONLY | O_CLOEXEC);
	size_t len = strlen(text);

	if (fd < 0)
		return err_sys(e, "cannot open %s", path);
	if (write(fd, text, len) != (ssize_t)len)
		return err_sys(e, "cannot write '%s' to %s", text, path);
	return 0;
}

int file_lock(int fd, int patience_ms)
{
	uint64_t deadline = clock_deadline(patience_ms);

	for (;;) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			return 0;
		if (errno != EWOULDBLOCK || !clock_left_ms(deadline))
			return -1;
		clock_sleep_ms(5);
	}
}
