// SPDX-License-Identifier: MIT
/* criu/carry/sockopts.h: options and owner of a socket of ours are read, travel, and are given to a new one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/own.h"
#include "criu/carry/sockopts.h"

static int number(int fd, int level, int name)
{
	socklen_t n = sizeof(int);
	int v = -1;

	return getsockopt(fd, level, name, &v, &n) == 0 ? v : -1;
}

static const struct sockopts_of *of_fd(const struct sockopts *s, int fd)
{
	for (size_t i = 0; i < s->n; i++) {
		if (s->v[i].fd == fd)
			return &s->v[i];
	}
	return NULL;
}

static void test_options_travel(void **state)
{
	const int off = IP_PMTUDISC_DONT, tos = 0x10;
	int fd = socket(AF_INET, SOCK_DGRAM, 0), fresh = socket(AF_INET, SOCK_DGRAM, 0), again;
	own_fd int pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	const struct proc p = { .pid = getpid(), .vpid = 7, .pidfd = pidfd };
	own_sockopts struct sockopts read = SOCKOPTS_INIT, got = SOCKOPTS_INIT;
	own_strv struct strv lost = STRV_INIT;
	own_buf struct buf b = BUF_INIT;
	struct err e = ERR_INIT;
	struct stat st;

	(void)state;
	assert_int_equal(setsockopt(fd, SOL_IP, IP_MTU_DISCOVER, &off, sizeof(off)), 0);
	assert_int_equal(setsockopt(fd, SOL_IP, IP_TOS, &tos, sizeof(tos)), 0);
	if (geteuid() == 0)
		assert_int_equal(fchown(fd, 1234, 1235), 0);
	assert_int_equal(sockopts_read(&read, &p, 1, &e), 0);
	assert_non_null(of_fd(&read, fd));
	assert_true(of_fd(&read, fd)->n >= of_fd(&read, fresh)->n + 2);
	sockopts_put(&b, &read);
	for (size_t n = 0; n < b.len; n++)
		assert_int_equal(sockopts_get(&got, b.data, n, NULL), -1);
	assert_int_equal(sockopts_get(&got, b.data, b.len, &e), 0);
	assert_int_equal(got.n, read.n);

	again = socket(AF_INET, SOCK_DGRAM, 0);
	assert_int_equal(dup2(again, fd), fd);
	assert_int_equal(sockopts_apply(&got, &p, 1, &lost, &e), 0);
	assert_int_equal(lost.n, 0);
	assert_int_equal(number(fd, SOL_IP, IP_MTU_DISCOVER), off);
	assert_int_equal(number(fd, SOL_IP, IP_TOS), tos);
	if (geteuid() == 0) {
		assert_int_equal(fstat(fd, &st), 0);
		assert_int_equal(st.st_uid, 1234);
		assert_int_equal(st.st_gid, 1235);
	}
	close(again);
	close(fresh);
	close(fd);
	/* none there any more */
	assert_int_equal(sockopts_apply(&got, &p, 1, &lost, NULL), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_options_travel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
