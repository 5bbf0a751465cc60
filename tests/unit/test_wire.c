// SPDX-License-Identifier: MIT
/* Unit tests of wire/: frames with every bit flipped, peers over a socket pair. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/own.h"
#include "wire/bucket.h"
#include "wire/frame.h"
#include "wire/link.h"
#include "wire/peer.h"
#include "wire/proto.h"

/* Decodes and verifies a whole frame in memory as number `seq`. */
static int check(uint8_t *bytes, size_t len, uint64_t seq)
{
	struct frame f;

	if (frame_decode_head(bytes, &f, NULL) < 0)
		return -1;
	if (f.len != len - FRAME_HEAD)
		return -1;
	f.data = bytes + FRAME_HEAD;
	return frame_verify(bytes, seq, &f, NULL);
}

static void test_every_bit_flip_is_noticed(void **state)
{
	uint8_t bytes[FRAME_HEAD + 40];
	struct iovec iov[2] = { { bytes + FRAME_HEAD, 15 }, { bytes + FRAME_HEAD + 15, 25 } };

	(void)state;
	for (size_t i = 0; i < 40; i++)
		bytes[FRAME_HEAD + i] = (uint8_t)(i * 7);
	frame_head(bytes, 9, PROTO_HELLO, 0, 77, iov, 2);
	assert_int_equal(check(bytes, sizeof(bytes), 9), 0);
	assert_int_equal(check(bytes, sizeof(bytes), 8), -1); /* lost or doubled */
	for (size_t bit = 0; bit < sizeof(bytes) * 8; bit++) {
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_int_equal(check(bytes, sizeof(bytes), 9), -1);
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
}

static void make_pair(struct peer *p[2])
{
	static const struct peer_opts opts = { .name = "other", .silence_ms = 2000 };
	int sv[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(peer_new(&p[i], sv[i], sv[i], &opts, NULL), 0);
}

static void test_peer_carries_frames(void **state)
{
	struct peer *p[2];
	uint8_t *big = xcalloc(1, 150000);
	own_frame struct frame f = FRAME_INIT;

	(void)state;
	make_pair(p);
	assert_int_equal(peer_send(p[0], PROTO_HELLO, 5, "hi", 2, NULL), 0);
	peer_log(p[0], LOG_LVL_INFO, "swallowed");
	assert_int_equal(peer_send(p[0], PROTO_OPEN, 6, big, 150000, NULL), 0);
	assert_int_equal(peer_recv(p[1], &f, NULL), 0);
	assert_int_equal(f.type, PROTO_HELLO);
	assert_int_equal(f.id, 5);
	assert_memory_equal(f.data, "hi", 2);
	frame_fini(&f);
	assert_int_equal(peer_recv(p[1], &f, NULL), 0);
	assert_int_equal(f.len, 150000);
	free(big);
	peer_free(p[0]);
	peer_free(p[1]);
}

static void test_peer_abort_is_an_error(void **state)
{
	struct err why = ERR_INIT, e = ERR_INIT;
	own_frame struct frame f = FRAME_INIT;
	struct peer *p[2];

	(void)state;
	make_pair(p);
	err_set(&why, ERR_DISK, "the disk is full");
	err_hint(&why, "free some");
	peer_abort(p[0], &why);
	assert_int_equal(peer_recv(p[1], &f, &e), -1);
	assert_int_equal(e.code, ERR_DISK);
	assert_string_equal(e.msg, "other: the disk is full");
	assert_string_equal(e.hint, "free some");
	/* dead from now on, with the same reason */
	assert_int_equal(peer_send(p[1], PROTO_HELLO, 1, "", 0, &e), -1);
	assert_string_equal(e.msg, "other: the disk is full");
	peer_free(p[0]);
	peer_free(p[1]);
}

static void test_peer_end_of_link(void **state)
{
	struct err e = ERR_INIT;
	own_frame struct frame f = FRAME_INIT;
	struct peer *p[2];

	(void)state;
	make_pair(p);
	peer_free(p[0]);
	assert_int_equal(peer_recv(p[1], &f, &e), -1);
	assert_int_equal(e.code, ERR_LINK);
	peer_free(p[1]);
}

static void test_peer_silence_is_death(void **state)
{
	static const struct peer_opts opts = { .name = "other", .silence_ms = 100 };
	struct err e = ERR_INIT;
	own_frame struct frame f = FRAME_INIT;
	struct peer *p;
	int sv[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
	assert_int_equal(peer_new(&p, sv[0], sv[0], &opts, NULL), 0);
	assert_int_equal(peer_recv(p, &f, &e), -1);
	assert_int_equal(e.code, ERR_TIMEOUT);
	peer_free(p);
	close(sv[1]);
}

static void test_heartbeat_keeps_it_alive(void **state)
{
	static const struct peer_opts opts = { .name = "other", .silence_ms = 200 };
	own_frame struct frame f = FRAME_INIT;
	struct peer *p[2];
	int sv[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(peer_new(&p[i], sv[i], sv[i], &opts, NULL), 0);
	/* Busy for longer than the silence: the PINGs that piled up do no harm. */
	clock_sleep_ms(500);
	assert_int_equal(peer_send(p[0], PROTO_HELLO, 1, "x", 1, NULL), 0);
	assert_int_equal(peer_recv(p[1], &f, NULL), 0);
	assert_int_equal(f.type, PROTO_HELLO);
	peer_free(p[0]);
	peer_free(p[1]);
}

static void test_wire_codes_are_pinned(void **state)
{
	(void)state;
	assert_int_equal(proto_code_of(ERR_SYS), 1);
	assert_int_equal(proto_code_of(ERR_DISK), 18);
	assert_int_equal(proto_code_of(ERR_RECOVER), 28);
	for (int c = ERR_SYS; c < ERR_CODE_MAX; c++)
		assert_int_equal(proto_code_to_err(proto_code_of((enum err_code)c)), c);
	assert_int_equal(PROTO_HELLO, 16);
	assert_int_equal(PROTO_COMMIT, 23);
	assert_int_equal(PROTO_ABORT, 3);
}

static void test_ssh_options(void **state)
{
	static const char *const bad[] = { "host", "-p 22 host", "-p", "-o 'x", "--", "-4 -" };
	own_strv struct strv v = STRV_INIT;

	(void)state;
	assert_int_equal(link_parse_ssh("-p 2222 -o 'A b' -4i /k -oX=1", &v, NULL), 0);
	assert_int_equal(v.n, 7);
	assert_string_equal(v.item[3], "A b");
	for (size_t i = 0; i < array_len(bad); i++) {
		own_strv struct strv w = STRV_INIT;

		assert_int_equal(link_parse_ssh(bad[i], &w, NULL), -1);
	}
}

static void test_ssh_argv_has_no_password(void **state)
{
	struct where w = { .user = "joe", .password = "s3cret", .host = "::1", .port = 77 };
	struct link_opts o = { .timeout_ms = 30000 };
	own_strv struct strv v = STRV_INIT;
	own_free char *all = NULL;

	(void)state;
	link_argv(&v, &w, &o, false, spawn_argv("pmigrate", "a b", "it's"));
	all = strv_join(&v, " ");
	assert_null(strstr(all, "s3cret"));
	assert_non_null(strstr(all, "-p77 -ljoe -- ::1 sudo -n pmigrate 'a b' 'it'\\''s'"));
}

/* Why a link did not come up: the exit code of ssh and what was said, the text and the hint. */
static void test_link_why(void **state)
{
	static const struct {
		int exit;
		const char *tail, *msg, *hint;
	} row[] = {
		{ 255, "x\nssh: connect to host b port 77: Connection refused\r\n",
		  "cannot reach b: ssh: connect to host b port 77: Connection refused", "ssh -p 77 joe@b true" },
		{ 127, "bash: line 1: pmigrate: command not found\n", "pmigrate is not installed on b", "both servers" },
		{ 127, "pmigrate: error while loading shared libraries: libcjson.so.1: cannot open shared object file\n",
		  "pmigrate on b does not start: pmigrate: error while loading shared libraries: libcjson.so.1",
		  "install its libraries there" },
		{ 1, "pmigrate: /lib/libc.so.6: version `GLIBC_2.38' not found", "GLIBC_2.38", "build it there" },
		{ 1, "sudo: a password is required\n", "joe may not run pmigrate as root on b: sudo: a password",
		  "NOPASSWD" },
		{ 1, "sudo: pmigrate: command not found\n", "sudo on b does not find pmigrate", "secure_path" },
		{ 127, "bash: line 1: sudo: command not found\n", "b has no sudo", "log in as root" },
		{ 126, "bash: line 1: /usr/bin/pmigrate: Permission denied\n", "does not start (exit 126)", "executable" },
		{ 3, "", "pmigrate on b does not start (exit 3)", "--version" },
	};
	const struct where w = { .user = "joe", .host = "b", .port = 77 };

	(void)state;
	for (size_t i = 0; i < array_len(row); i++) {
		struct err e = ERR_INIT;

		assert_int_equal(link_why(&w, "pmigrate", row[i].exit << 8, row[i].tail, &e), -1);
		assert_int_equal(e.code, ERR_CONNECT);
		if (!strstr(e.msg, row[i].msg) || !strstr(e.hint, row[i].hint))
			fail_msg("%s / %s", e.msg, e.hint);
	}
	assert_true(link_wants_person(255 << 8, "root@b: Permission denied (publickey,password).\n"));
	assert_true(link_wants_person(255 << 8, "Host key verification failed.\n"));
	assert_false(link_wants_person(255 << 8, "Connection refused\n"));
	assert_false(link_wants_person(126 << 8, "pmigrate: Permission denied (x)\n"));
}

static void test_bucket_keeps_the_rate(void **state)
{
	struct bucket *b = bucket_new(10 << 20);
	uint64_t t0 = clock_ns(), took;

	(void)state;
	for (int i = 0; i < 20; i++)
		bucket_take(b, 128 << 10);
	took = clock_ns() - t0;
	/* 2.5 MiB at 10 MiB/s: a quarter second; never faster, burst aside. */
	assert_true(took > 180000000);
	/* Open, nobody waits; nor afterwards for what went then. */
	bucket_open(b, true);
	t0 = clock_ns();
	bucket_take(b, 1 << 30);
	bucket_open(b, false);
	bucket_take(b, 1);
	assert_true(clock_ns() - t0 < UINT64_C(50) * 1000000000);
	bucket_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_bit_flip_is_noticed),
		cmocka_unit_test(test_peer_carries_frames),
		cmocka_unit_test(test_peer_abort_is_an_error),
		cmocka_unit_test(test_peer_end_of_link),
		cmocka_unit_test(test_peer_silence_is_death),
		cmocka_unit_test(test_heartbeat_keeps_it_alive),
		cmocka_unit_test(test_wire_codes_are_pinned),
		cmocka_unit_test(test_ssh_options),
		cmocka_unit_test(test_ssh_argv_has_no_password),
		cmocka_unit_test(test_link_why),
		cmocka_unit_test(test_bucket_keeps_the_rate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
