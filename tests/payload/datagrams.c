// SPDX-License-Identifier: MIT
/*
 * A service and a client of datagrams:
 *
 *	datagrams serve PORT                      answers each with itself
 *	datagrams ask ADDRESS PORT RATE FILE      sends RATE numbered ones a second until FILE exists, waits for the answers
 *	                                          that are missing, and says how many never came; 1: some
 */
#include <arpa/inet.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 1 << 20, PATIENCE_NS = 1500000000 };

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static int serve(int fd, struct sockaddr_in a)
{
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		return 1;
	for (;;) {
		socklen_t len = sizeof(a);
		char data[64];
		ssize_t n = recvfrom(fd, data, sizeof(data), 0, (struct sockaddr *)&a, &len);

		if (n > 0)
			sendto(fd, data, (size_t)n, 0, (struct sockaddr *)&a, len);
	}
}

static int64_t sent_ns[MOST];
static bool answered[MOST];

static int ask(int fd, struct sockaddr_in a, int rate, const char *until)
{
	const int64_t begun = now_ns();
	uint32_t sent = 0, got = 0, number;
	int64_t last = begun, worst = 0;
	bool more = true;

	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		return 1;
	while (more || (got < sent && now_ns() - last < PATIENCE_NS)) {
		struct pollfd p = { fd, POLLIN, 0 };

		more = more && sent < MOST && access(until, F_OK) < 0;
		if (more && now_ns() - begun >= sent * INT64_C(1000000000) / rate) {
			last = sent_ns[sent] = now_ns();
			send(fd, &sent, sizeof(sent), 0); /* an error is of one before: nobody was there */
			sent++;
		}
		if (poll(&p, 1, 1) == 1 && recv(fd, &number, sizeof(number), 0) == sizeof(number) && number < sent &&
		    !answered[number]) {
			answered[number] = true;
			got++;
			if (now_ns() - sent_ns[number] > worst)
				worst = now_ns() - sent_ns[number];
		}
	}
	printf("%u of %u had no answer; the slowest took %d ms\n", sent - got, sent, (int)(worst / 1000000));
	for (uint32_t i = 0; i < sent; i++) {
		if (!answered[i])
			printf("no answer: %u\n", i);
	}
	return got < sent;
}

int main(int argc, char **argv)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_DGRAM, 0), room = 4 << 20;

	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)); /* what was held comes all at once */
	if (fd >= 0 && argc == 3 && strcmp(argv[1], "serve") == 0) {
		a.sin_port = htons((uint16_t)atoi(argv[2]));
		return serve(fd, a);
	}
	if (fd >= 0 && argc == 6 && strcmp(argv[1], "ask") == 0 && inet_pton(AF_INET, argv[2], &a.sin_addr) == 1) {
		a.sin_port = htons((uint16_t)atoi(argv[3]));
		return ask(fd, a, atoi(argv[4]), argv[5]);
	}
	fprintf(stderr, "usage: datagrams serve PORT | datagrams ask ADDRESS PORT RATE FILE\n");
	return 2;
}
