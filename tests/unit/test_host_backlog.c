// SPDX-License-Identifier: MIT
/* net/traffic/backlog.h: unix connections that nobody has accepted, as root, in a network namespace of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/own.h"
#include "net/traffic/backlog.h"

static const struct sockaddr_un name = { .sun_family = AF_UNIX, .sun_path = "\0backlog" };

static int connected(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return connect(fd, (const struct sockaddr *)&name, sizeof(name)) == 0 ? fd : -1;
}

/* 0, or the number of what was wrong. */
static int connections_in_child(void)
{
	struct backlog b = BACKLOG_INIT;
	int listener, silent, speaker;

	if (unshare(CLONE_NEWNET) < 0 || backlog_open(&b, "/proc/self/ns/net", NULL) < 0)
		return 77;
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(listener, (const struct sockaddr *)&name, sizeof(name)) < 0 || listen(listener, 5) < 0)
		return 1;
	silent = connected();
	if (silent < 0 || backlog_count(&b, NULL, NULL) != 0)
		return 2;
	speaker = connected();
	if (speaker < 0 || write(speaker, "x", 1) != 1 || backlog_count(&b, NULL, NULL) != 1)
		return 3;
	close(accept(listener, NULL, NULL));
	close(accept(listener, NULL, NULL));
	if (backlog_count(&b, NULL, NULL) != 0)
		return 4;
	close(connected()); /* gone before anybody has seen it */
	if (backlog_count(&b, NULL, NULL) != 1)
		return 5;
	close(accept(listener, NULL, NULL));
	return backlog_count(&b, NULL, NULL) == 0 ? 0 : 6;
}

static void test_unix_connections(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	if (pid == 0)
		_exit(connections_in_child());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unix_connections),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
