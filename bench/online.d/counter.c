// SPDX-License-Identifier: MIT
/*
 * counter MIB private|shared RATE: a container's only process, for measuring.  Owns so much
 * memory, writes to RATE random pages of it a second, and answers on port 6379 as redis
 * answers INCR: with the next number.  Static, so that it needs no files.
 */
#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CLIENTS = 16, PAGE = 4096 };

static uint64_t counted;

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static uint64_t random64(void)
{
	static uint64_t x = 88172645463325252u;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return x;
}

static int listen_on(uint16_t port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, CLIENTS) < 0)
		exit(1);
	return fd;
}

/* Each line is a request; false: the client went. */
static int serve(int fd)
{
	char in[4096], out[64];
	ssize_t n = read(fd, in, sizeof(in));

	for (ssize_t i = 0; i < n; i++) {
		if (in[i] != '\n')
			continue;
		int len = snprintf(out, sizeof(out), ":%llu\r\n", (unsigned long long)++counted);

		if (write(fd, out, (size_t)len) != len)
			return 0;
	}
	return n > 0;
}

int main(int argc, char **argv)
{
	size_t pages = argc > 1 ? (size_t)atoi(argv[1]) << 8 : 0;
	int shared = argc > 2 && strcmp(argv[2], "shared") == 0;
	uint64_t rate = argc > 3 ? (uint64_t)atoi(argv[3]) : 0, begun, written = 0;
	struct pollfd p[CLIENTS + 1] = { { .fd = listen_on(6379), .events = POLLIN } };
	char *memory = pages ? mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE,
				    (shared ? MAP_SHARED : MAP_PRIVATE) | MAP_ANONYMOUS, -1, 0) : NULL;

	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < pages * PAGE / 8; i++)
		((uint64_t *)(void *)memory)[i] = i * 0x9e3779b97f4a7c15u;
	for (int i = 1; i <= CLIENTS; i++)
		p[i] = (struct pollfd){ .fd = -1, .events = POLLIN };
	begun = now_ns();
	for (;;) {
		uint64_t due, most = rate / 20 + 1; /* it does not make up for a stop */

		poll(p, CLIENTS + 1, rate ? 1 : -1);
		for (int i = 1; i <= CLIENTS; i++) {
			if (p[i].fd >= 0 && p[i].revents && !serve(p[i].fd)) {
				close(p[i].fd);
				p[i].fd = -1;
			}
		}
		for (int i = 1; (p[0].revents & POLLIN) && i <= CLIENTS; i++) {
			if (p[i].fd < 0) {
				p[i].fd = accept(p[0].fd, NULL, NULL);
				break;
			}
		}
		due = (now_ns() - begun) / 1000 * rate / 1000000;
		if (due > written + most)
			written = due - most;
		for (; pages && written < due; written++)
			((uint64_t *)(void *)memory)[random64() % pages * (PAGE / 8)]++;
	}
}
