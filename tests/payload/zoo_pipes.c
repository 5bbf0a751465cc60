// SPDX-License-Identifier: MIT
/* Pipes: with content, full, half closed, with a name. */
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "zoo.h"

static int plain[2], big[2], ended[2], full[2];
static volatile int written;

/* Waits in write() as long as the pipe is full. */
static void *fill(void *arg)
{
	(void)arg;
	for (;;) {
		if (write(full[1], "0123456789abcdef", 16) == 16)
			written += 16;
	}
	return NULL;
}

static int pipe_make(void)
{
	pthread_t t;

	NEED(pipe(plain) == 0 && pipe(big) == 0 && pipe(ended) == 0 && pipe(full) == 0, "pipe");
	NEED(fcntl(big[1], F_SETPIPE_SZ, 256 << 10) == 256 << 10, "F_SETPIPE_SZ");
	NEED(write(plain[1], "content", 7) == 7 && write(ended[1], "last words", 10) == 10, "write");
	close(ended[1]);
	NEED(pthread_create(&t, NULL, fill, NULL) == 0, "pthread_create");
	return 0;
}

static int pipe_check(void)
{
	char buf[4];
	static bool was_read;

	if (expect_text(plain[0], "content", "a pipe") < 0 ||
	    through(plain[1], plain[0], "more", "a pipe") < 0)
		return -1;
	NEED(write(plain[1], "content", 7) == 7, "write");
	NEED(fcntl(big[0], F_GETPIPE_SZ) == 256 << 10, "the size is %d", fcntl(big[0], F_GETPIPE_SZ));
	if (!was_read && expect_text(ended[0], "last words", "an ended pipe") < 0)
		return -1;
	was_read = true;
	NEED(read(ended[0], buf, 1) == 0, "an ended pipe has no end");
	return 0;
}

/* The pipe stays full; what is read is one unbroken sequence. */
static int full_check(void)
{
	static unsigned next;
	int before = written;
	char buf[16 << 10];
	ssize_t n = read(full[0], buf, sizeof(buf));

	NEED(n > 0, "nothing in the full pipe");
	for (ssize_t i = 0; i < n; i++, next++)
		NEED(buf[i] == "0123456789abcdef"[next % 16], "byte %u is %c", next, buf[i]);
	for (int i = 0; i < 300 && written == before; i++)
		usleep(10000);
	NEED(written > before, "the blocked writer did not go on");
	return 0;
}

/* ---- a FIFO: content, and readers and writers of its own; a deleted one ---- */

static int reader, writer, gone;

static int fifo_make(void)
{
	unlink("fifo");
	unlink("fifo-gone");
	NEED(mkfifo("fifo", 0600) == 0 && mkfifo("fifo-gone", 0600) == 0, "mkfifo");
	reader = open("fifo", O_RDONLY | O_NONBLOCK);
	writer = open("fifo", O_WRONLY);
	gone = open("fifo-gone", O_RDWR);
	NEED(reader >= 0 && writer >= 0 && gone >= 0 && unlink("fifo-gone") == 0, "open");
	NEED(write(writer, "queued", 6) == 6 && write(gone, "deleted", 7) == 7, "write");
	return 0;
}

static int fifo_check(void)
{
	int other;

	if (expect_text(reader, "queued", "a FIFO") < 0 ||
	    expect_text(gone, "deleted", "a deleted FIFO") < 0 ||
	    through(writer, reader, "on", "a FIFO") < 0)
		return -1;
	other = open("fifo", O_WRONLY | O_NONBLOCK);
	NEED(other >= 0, "its name has no reader");
	if (through(other, reader, "by name", "a FIFO by name") < 0)
		return -1;
	close(other);
	NEED(write(writer, "queued", 6) == 6 && write(gone, "deleted", 7) == 7, "write");
	return 0;
}

const struct animal zoo_pipes[] = {
	{ "pipe", pipe_make, pipe_check },
	{ "full-pipe", pipe_make, full_check },
	{ "fifo", fifo_make, fifo_check },
	{ NULL, NULL, NULL },
};
