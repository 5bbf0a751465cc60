// SPDX-License-Identifier: MIT
#include "pmigrate/patient.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/own.h"

struct patient {
	int fd; /* does not block, or is a socket; owned */
	struct buf waiting;
};

/* As much as the reader takes now; -1: an error. */
static ssize_t patient_push(const struct patient *p, const uint8_t *data, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = send(p->fd, data + done, len - done, MSG_DONTWAIT);

		if (n < 0 && errno == ENOTSOCK)
			n = write(p->fd, data + done, len - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0)
			return -1;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

static int patient_push_waiting(struct patient *p)
{
	ssize_t n = patient_push(p, p->waiting.data, p->waiting.len);

	if (n < 0)
		return -1;
	p->waiting.len -= (size_t)n;
	memmove(p->waiting.data, p->waiting.data + n, p->waiting.len);
	return 0;
}

static ssize_t patient_write(void *cookie, const char *data, size_t len)
{
	struct patient *p = cookie;

	buf_put(&p->waiting, data, len);
	return patient_push_waiting(p) < 0 ? 0 : (ssize_t)len;
}

static int patient_close(void *cookie)
{
	struct patient *p = cookie;
	struct pollfd pfd = { .fd = p->fd, .events = POLLOUT };
	int ret = 0;

	while (ret == 0 && p->waiting.len && (poll(&pfd, 1, -1) >= 0 || errno == EINTR))
		ret = patient_push_waiting(p);
	buf_fini(&p->waiting);
	close_fd(&p->fd);
	free(p);
	return ret;
}

/* A description of our own of the same terminal or pipe: whoever shares the other one must not find it changed. */
static int patient_descriptor(int fd)
{
	own_free char *path = xasprintf("/proc/self/fd/%d", fd);
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -1;
	if (S_ISSOCK(st.st_mode))
		return fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (!S_ISCHR(st.st_mode) && !S_ISFIFO(st.st_mode))
		return -1;
	return open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

FILE *patient_open(FILE *to)
{
	static const cookie_io_functions_t io = { .write = patient_write, .close = patient_close };
	struct patient *p;
	FILE *f;
	int fd;

	fflush(to);
	fd = fileno(to) < 0 ? -1 : patient_descriptor(fileno(to));
	if (fd < 0)
		return NULL;
	p = xcalloc(1, sizeof(*p));
	p->fd = fd;
	f = fopencookie(p, "w", io);
	if (!f)
		patient_close(p);
	return f;
}
