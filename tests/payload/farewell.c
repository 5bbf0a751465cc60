// SPDX-License-Identifier: MIT
/*
 * A server that says everything at once and closes, and clients that read it slowly:
 *
 *	farewell serve PORT BYTES              of IPv4 and IPv6; to each that asks, BYTES and the end
 *	farewell read ADDRESS PORT BYTES HOW FILE OUT
 *	                                       as a client: reads slowly until FILE exists, then quickly; HOW: `close`, or `half`:
 *	                                       it has ended its own side before.  OUT gets "complete", or what was wrong
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PIECE = 4096, PAUSE_US = 100000, PRIME = 251 };

static char byte_at(long i)
{
	return (char)(i % PRIME);
}

static void answer(int fd, long bytes)
{
	char *all = malloc((size_t)bytes), word[16] = "";
	int room = (int)bytes;

	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room));
	if (read(fd, word, 1) != 1)
		exit(1);
	while (*word == 'h' && read(fd, word + 1, 1) > 0)
		;
	for (long i = 0; i < bytes; i++)
		all[i] = byte_at(i);
	for (long at = 0; at < bytes;) {
		ssize_t n = write(fd, all + at, (size_t)(bytes - at));

		if (n <= 0)
			exit(1);
		at += n;
	}
	exit(0);
}

static int serve(int port, long bytes)
{
	struct sockaddr_in6 a = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port) };
	int fd = socket(AF_INET6, SOCK_STREAM, 0), one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, 64) < 0)
		return 1;
	signal(SIGCHLD, SIG_IGN);
	for (;;) {
		int c = accept(fd, NULL, NULL);

		if (c >= 0 && fork() == 0)
			answer(c, bytes);
		close(c);
	}
}

static int say(const char *out, const char *what, long n)
{
	char text[128];
	int len = snprintf(text, sizeof(text), "%s %ld\n", what, n), fd = open(out, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	return fd >= 0 && write(fd, text, (size_t)len) == len && !strcmp(what, "complete") ? 0 : 1;
}

static int get(int fd, long bytes, const char *until, const char *out)
{
	long at = 0;

	for (;;) {
		char piece[PIECE];
		ssize_t n = read(fd, piece, access(until, F_OK) == 0 ? sizeof(piece) : 256);

		if (n < 0)
			return say(out, strerror(errno), at);
		if (n == 0)
			return say(out, at == bytes ? "complete" : "short", at);
		for (ssize_t i = 0; i < n; i++, at++) {
			if (piece[i] != byte_at(at))
				return say(out, "damaged", at);
		}
		if (access(until, F_OK) < 0)
			usleep(PAUSE_US);
	}
}

int main(int argc, char **argv)
{
	struct addrinfo *a, hint = { .ai_socktype = SOCK_STREAM };
	int fd, room = PIECE;

	if (argc == 4 && !strcmp(argv[1], "serve"))
		return serve(atoi(argv[2]), atol(argv[3]));
	if (argc != 8 || getaddrinfo(argv[2], argv[3], &hint, &a) != 0)
		return 2;
	fd = socket(a->ai_family, SOCK_STREAM, 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	if (connect(fd, a->ai_addr, a->ai_addrlen) < 0 || write(fd, argv[5], 1) != 1)
		return say(argv[7], strerror(errno), 0);
	if (argv[5][0] == 'h')
		shutdown(fd, SHUT_WR);
	return get(fd, atol(argv[4]), argv[6], argv[7]);
}
