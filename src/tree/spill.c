// SPDX-License-Identifier: MIT
#include "tree/spill.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/own.h"

enum { KEEP = 64 << 10 };

struct spill {
	pthread_mutex_t lock;
	int fd;		  /* -1 until needed */
	uint64_t written; /* bytes in the file; the rest is in tail */
	struct buf tail;
};

struct spill *spill_new(void)
{
	struct spill *s = xcalloc(1, sizeof(*s));

	pthread_mutex_init(&s->lock, NULL);
	s->fd = -1;
	return s;
}

void spill_free(struct spill *s)
{
	if (!s)
		return;
	close_fd(&s->fd);
	buf_fini(&s->tail);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

static int flush(struct spill *s, struct err *e)
{
	if (s->fd < 0)
		s->fd = open("/var/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (s->fd < 0)
		s->fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (s->fd < 0)
		return err_sys(e, "cannot make a temporary file in /var/tmp or /tmp");
	if (write_all(s->fd, s->tail.data, s->tail.len) < 0)
		return err_sys(e, "cannot write a temporary file in /var/tmp");
	s->written += s->tail.len;
	buf_clear(&s->tail);
	return 0;
}

int spill_put(struct spill *s, const void *data, size_t len, uint64_t *at, struct err *e)
{
	int ret = 0;

	pthread_mutex_lock(&s->lock);
	if (at)
		*at = s->written + s->tail.len;
	buf_put(&s->tail, data, len);
	if (s->tail.len >= KEEP)
		ret = flush(s, e);
	pthread_mutex_unlock(&s->lock);
	return ret;
}

uint64_t spill_size(const struct spill *s)
{
	return s->written + s->tail.len;
}

int spill_read(struct spill *s, uint64_t at, void *data, size_t len, struct err *e)
{
	uint8_t *out = data;
	int ret = 0;

	pthread_mutex_lock(&s->lock);
	while (len && at < s->written) {
		size_t n = len < s->written - at ? len : (size_t)(s->written - at);
		ssize_t got = pread(s->fd, out, n, (off_t)at);

		if (got <= 0) {
			errno = got ? errno : EIO;
			ret = err_sys(e, "cannot read a temporary file in /var/tmp");
			break;
		}
		out += got;
		at += (uint64_t)got;
		len -= (size_t)got;
	}
	if (ret == 0 && len)
		memcpy(out, s->tail.data + (at - s->written), len);
	pthread_mutex_unlock(&s->lock);
	return ret;
}

int spill_clear(struct spill *s, struct err *e)
{
	s->written = 0;
	buf_clear(&s->tail);
	if (s->fd >= 0 && (ftruncate(s->fd, 0) < 0 || lseek(s->fd, 0, SEEK_SET) < 0))
		return err_sys(e, "cannot empty a temporary file in /var/tmp");
	return 0;
}
