// SPDX-License-Identifier: MIT
/* Unit tests of net/traffic/tcpseg.h and net/traffic/closed.h; and, as root in a network namespace of its own: a connection that was
 * closed with much unsent is taken out of the kernel and made again, and its other end gets every byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/own.h"
#include "net/netdev.h"
#include "net/traffic/closed.h"
#include "net/traffic/silence.h"

enum { BYTES = 200000, SOME = 1000 };

static void test_segment(void **state)
{
	static const int families[] = { AF_INET, AF_INET6 };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		const struct tcpseg s = { .family = families[i], .from = { { 10, 0, 0, 1 }, 80 }, .to = { { 10, 0, 0, 2 }, 40000 },
					  .seq = 0xfffffff0, .ack = 7, .window = 9, .flags = TCPSEG_ACK, .has_sack = true,
					  .sack_from = 8, .sack_to = 9 };
		uint8_t packet[TCPSEG_MAX];
		size_t n = tcpseg_write(packet, &s);
		struct tcpseg back;

		for (size_t k = 0; k < n; k++)
			assert_false(tcpseg_read(&back, packet, k));
		assert_true(tcpseg_read(&back, packet, n));
		assert_int_equal(back.family, s.family);
		assert_memory_equal(&back.from, &s.from, sizeof(s.from));
		assert_memory_equal(&back.to, &s.to, sizeof(s.to));
		assert_int_equal(back.seq, s.seq);
		assert_int_equal(back.ack, s.ack);
		assert_int_equal(back.window, s.window);
		assert_int_equal(back.flags, s.flags);
		assert_int_equal(back.len, 0);
		assert_false(back.has_tsval);
	}
}

static void test_wire(void **state)
{
	struct closed_conn v[2] = { { .family = AF_INET, .here = { { 1, 2, 3, 4 }, 80 }, .snd_una = 5, .sent = 3, .sacks = true },
				    { .family = AF_INET6, .peer = { { 0xfd, 9 }, 81 }, .stamps = true, .tsval = 77 } };
	const struct closed c = { .v = v, .n = 2 };
	struct closed back = CLOSED_INIT;
	own_buf struct buf b = BUF_INIT;
	struct reader r;

	(void)state;
	buf_put(&v[0].data, "farewell", 8);
	closed_put(&b, &c);
	for (size_t n = 0; n < b.len; n++) {
		r = reader_of(b.data, n);
		assert_int_equal(closed_get(&r, &back, NULL), -1);
		assert_null(back.v);
	}
	r = reader_of(b.data, b.len);
	assert_int_equal(closed_get(&r, &back, NULL), 0);
	assert_true(reader_done(&r));
	assert_int_equal(back.n, 2);
	assert_memory_equal(back.v[0].data.data, "farewell", 8);
	assert_memory_equal(&back.v[0].here, &v[0].here, sizeof(v[0].here));
	assert_true(back.v[0].sacks && !back.v[0].stamps && back.v[1].stamps && back.v[1].tsval == 77);
	closed_fini(&back);
	buf_fini(&v[0].data);
}

static const char here[] = "/proc/thread-self/ns/net";

static int silence(struct silence *lo)
{
	own_strv struct strv names = STRV_INIT;

	strv_add(&names, "lo");
	return silence_begin(lo, here, &names, NULL);
}

static uint8_t byte_at(size_t i)
{
	return (uint8_t)(i % 251);
}

/* The reader's end of a connection whose writer has said `bytes` and closed; with silence what it said is lost on its way. */
static int reader_of_closed(int family, size_t bytes, struct silence *lo)
{
	struct sockaddr_storage a = { .ss_family = (sa_family_t)family };
	socklen_t len = family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
	int small = 4096, large = 2 * BYTES, server = socket(family, SOCK_STREAM, 0), reader = socket(family, SOCK_STREAM, 0), writer;
	static uint8_t all[BYTES];

	for (size_t i = 0; i < BYTES; i++)
		all[i] = byte_at(i);
	if (family == AF_INET)
		((struct sockaddr_in *)&a)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	else
		((struct sockaddr_in6 *)&a)->sin6_addr = (struct in6_addr)IN6ADDR_LOOPBACK_INIT;
	setsockopt(reader, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	if (bind(server, (struct sockaddr *)&a, len) < 0 || listen(server, 1) < 0 ||
	    getsockname(server, (struct sockaddr *)&a, &len) < 0 || connect(reader, (struct sockaddr *)&a, len) < 0)
		return -1;
	writer = accept(server, NULL, NULL);
	setsockopt(writer, SOL_SOCKET, SO_SNDBUFFORCE, &large, sizeof(large));
	if (lo && silence(lo) < 0)
		return -1;
	if (send(writer, all, bytes, MSG_DONTWAIT) != (ssize_t)bytes)
		return -1;
	close(writer);
	close(server);
	return reader;
}

static int heard(int fd, size_t *at, size_t until)
{
	uint8_t piece[4096];

	while (*at < until) {
		ssize_t n = recv(fd, piece, until - *at < sizeof(piece) ? until - *at : sizeof(piece), 0);

		if (n <= 0)
			return -1;
		for (ssize_t i = 0; i < n; i++, ++*at) {
			if (piece[i] != byte_at(*at))
				return -1;
		}
	}
	return 0;
}

static int moved_in_child(int family, size_t bytes, bool in_flight)
{
	struct closed c = CLOSED_INIT;
	struct silence lo = SILENCE_INIT;
	struct err e = ERR_INIT;
	struct nl nl = NL_INIT;
	size_t refused = 9, at = 0;
	char end;
	int fd;

	if (unshare(CLONE_NEWNET) < 0 || nl_open(&nl, -1, NULL) < 0 || netdev_up(&nl, 1) < 0)
		return 77;
	fd = reader_of_closed(family, bytes, in_flight ? &lo : NULL);
	if (fd < 0)
		return family == AF_INET6 ? 77 : 1;
	if (!in_flight && (heard(fd, &at, SOME) < 0 || silence(&lo) < 0))
		return 2;
	if (closed_take(here, &c, &e) < 0) {
		fprintf(stderr, "%s\n", e.msg);
		return 3;
	}
	if (c.n != 1 || c.lost.n) {
		fprintf(stderr, "%zu taken, lost: %s\n", c.n, c.lost.n ? c.lost.item[0] : "none");
		return 4;
	}
	if (closed_make(here, &c, &refused, &e) < 0 || refused)
		return 5;
	closed_fini(&c);
	silence_end(&lo);
	if (heard(fd, &at, bytes) < 0)
		return 6;
	return recv(fd, &end, 1, 0) == 0 ? 0 : 7;
}

static void test_taken_and_made(void **state)
{
	static const struct {
		int family;
		size_t bytes;
		bool in_flight;
	} all[] = { { AF_INET, BYTES, false }, { AF_INET6, BYTES, false }, { AF_INET, BYTES, true }, { AF_INET, SOME, true } };

	(void)state;
	for (size_t i = 0; i < array_len(all); i++) {
		int status;
		pid_t pid = fork();

		if (pid == 0)
			_exit(moved_in_child(all[i].family, all[i].bytes, all[i].in_flight));
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFEXITED(status));
		if (WEXITSTATUS(status) == 77)
			skip();
		assert_int_equal(WEXITSTATUS(status), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_segment),
		cmocka_unit_test(test_wire),
		cmocka_unit_test(test_taken_and_made),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
