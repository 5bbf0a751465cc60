// SPDX-License-Identifier: MIT
/*
 * zoo.c - the zoo's gate.
 *
 *	zoo run DIR [ANIMAL...]	makes all animals, or those (in the folder DIR), writes DIR/ready
 *				and goes on for ever; what could not be made stands in DIR/ready
 *	zoo check DIR		asks every keeper, prints "ok NAME" or "bad NAME: why"; exit code 1 if
 *				any was bad
 *	zoo list		the names
 */
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "zoo.h"

enum { KEEPERS_MAX = 128, TEXT_MAX = 256, ANSWER_MS = 20000 };

struct keeper {
	const struct animal *animal;
	int ask, answer;
};

static struct keeper keepers[KEEPERS_MAX];
static int nr_keepers;
static char trouble[TEXT_MAX];

static const struct animal *const houses[] = { zoo_time, zoo_events, zoo_pipes, zoo_unix, zoo_flight, zoo_inet,
					       zoo_files, zoo_tty, zoo_tasks, zoo_memory, zoo_ipc };

int bad(const char *fmt, ...)
{
	int error = errno;
	va_list ap;
	size_t n;

	va_start(ap, fmt);
	vsnprintf(trouble, sizeof(trouble), fmt, ap);
	va_end(ap);
	n = strlen(trouble);
	if (error)
		snprintf(trouble + n, sizeof(trouble) - n, " (%s)", strerror(error));
	return -1;
}

bool readable(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, ms) == 1;
}

int expect_text(int fd, const char *text, const char *what)
{
	char got[1024];
	size_t n = 0, want = strlen(text);

	while (n < want) {
		ssize_t r;

		NEED(readable(fd, 5000), "%s: nothing to read after %zu bytes", what, n);
		r = read(fd, got + n, want - n);
		NEED(r > 0, "%s: read after %zu bytes", what, n);
		n += (size_t)r;
	}
	NEED(memcmp(got, text, n) == 0, "%s: got other bytes: %.*s", what, (int)n, got);
	return 0;
}

int through(int write_to, int read_from, const char *text, const char *what)
{
	NEED(write(write_to, text, strlen(text)) == (ssize_t)strlen(text), "%s: write", what);
	return expect_text(read_from, text, what);
}

int64_t now_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

int in_child(int (*f)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(f());
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int file_with(const char *name, const char *text)
{
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);

	if (fd >= 0 && write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		return -1;
	return fd;
}

/* ---- keepers ---- */

static void say(int fd, int ret)
{
	if (ret == 0)
		trouble[0] = '\0';
	if (write(fd, trouble, sizeof(trouble)) != (ssize_t)sizeof(trouble))
		_exit(1);
}

static void keep(const struct animal *a, int ask, int answer)
{
	char c;
	ssize_t n;

	prctl(PR_SET_NAME, a->name);
	errno = 0;
	say(answer, a->make());
	while ((n = read(ask, &c, 1)) != 0) {
		if (n < 0)
			continue; /* a signal */
		errno = 0;
		say(answer, a->check());
	}
	_exit(0);
}

static int begin(const struct animal *a)
{
	int ask[2], answer[2];
	pid_t pid;

	if (nr_keepers == KEEPERS_MAX || pipe(ask) < 0 || pipe(answer) < 0)
		return -1;
	pid = fork();
	if (pid < 0)
		return -1;
	if (pid == 0) {
		for (int i = 0; i < nr_keepers; i++) {
			close(keepers[i].ask);
			close(keepers[i].answer);
		}
		close(ask[1]);
		close(answer[0]);
		keep(a, ask[0], answer[1]);
	}
	close(ask[0]);
	close(answer[1]);
	keepers[nr_keepers++] = (struct keeper){ a, ask[1], answer[0] };
	return 0;
}

static int hear(const struct keeper *k, FILE *out)
{
	char text[TEXT_MAX];

	if (!readable(k->answer, ANSWER_MS))
		snprintf(text, sizeof(text), "no answer");
	else if (read(k->answer, text, sizeof(text)) != (ssize_t)sizeof(text))
		snprintf(text, sizeof(text), "the keeper is dead");
	if (text[0])
		fprintf(out, "bad %s: %.200s\n", k->animal->name, text);
	else
		fprintf(out, "ok %s\n", k->animal->name);
	return text[0] ? -1 : 0;
}

static bool wanted(const char *name, char **names)
{
	if (!*names)
		return true;
	for (; *names; names++) {
		if (strcmp(*names, name) == 0)
			return true;
	}
	return false;
}

static void make_house(const struct animal *house, char **names)
{
	for (const struct animal *a = house; a->name; a++) {
		if (wanted(a->name, names) && begin(a) < 0)
			_exit(3);
	}
}

/* ---- the gate ---- */

static struct sockaddr_un gate(const char *dir)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	snprintf(a.sun_path, sizeof(a.sun_path), "%.80s/gate", dir);
	return a;
}

static void answer_visitors(int gate_fd)
{
	for (;;) {
		int fd = accept4(gate_fd, NULL, NULL, SOCK_CLOEXEC);
		FILE *out = fd < 0 ? NULL : fdopen(fd, "w");

		if (!out)
			continue;
		for (int i = 0; i < nr_keepers; i++) {
			if (write(keepers[i].ask, "c", 1) == 1)
				hear(&keepers[i], out);
			else
				fprintf(out, "bad %s: the keeper is dead\n",
					keepers[i].animal->name);
		}
		fclose(out);
	}
}

static int run(const char *dir, char **names)
{
	struct sockaddr_un at = gate(dir);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	FILE *ready;

	signal(SIGPIPE, SIG_IGN);
	mkdir(dir, 0755);
	if (chdir(dir) < 0)
		return 2;
	for (size_t i = 0; i < sizeof(houses) / sizeof(houses[0]); i++)
		make_house(houses[i], names);
	if (*names)
		make_house(zoo_refused, names);
	unlink(at.sun_path);
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(fd, 8) < 0)
		return 2;
	ready = fopen("ready.new", "w");
	if (!ready)
		return 2;
	for (int i = 0; i < nr_keepers; i++)
		hear(&keepers[i], ready);
	fclose(ready);
	if (rename("ready.new", "ready") < 0)
		return 2;
	answer_visitors(fd);
	return 0;
}

static int check(const char *dir)
{
	struct sockaddr_un at = gate(dir);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), ret = 0;
	char line[TEXT_MAX + 64];
	FILE *in;

	if (connect(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || !(in = fdopen(fd, "r"))) {
		perror(at.sun_path);
		return 2;
	}
	while (fgets(line, sizeof(line), in)) {
		if (strncmp(line, "ok ", 3) != 0)
			ret = 1;
		fputs(line, stdout);
	}
	return ret;
}

int main(int argc, char **argv)
{
	if (argc >= 3 && strcmp(argv[1], "run") == 0)
		return run(argv[2], argv + 3);
	if (argc == 3 && strcmp(argv[1], "check") == 0)
		return check(argv[2]);
	for (size_t i = 0; i < sizeof(houses) / sizeof(houses[0]); i++) {
		for (const struct animal *a = houses[i]; a->name; a++)
			puts(a->name);
	}
	return argc == 2 && strcmp(argv[1], "list") == 0 ? 0 : 2;
}
