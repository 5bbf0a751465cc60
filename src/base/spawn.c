// SPDX-License-Identifier: MIT
#include "base/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/own.h"
#include "base/strv.h"

extern char **environ;

/* The program's path: execvp is not async-signal-safe, so it is looked up here. */
static char *find_program(const char *name)
{
	const char *path = getenv("PATH");
	own_strv struct strv dirs = STRV_INIT;

	if (strchr(name, '/'))
		return access(name, X_OK) == 0 ? xstrdup(name) : NULL;
	strv_split(&dirs, path ? path : "/usr/local/sbin:/usr/local/bin", ":");
	strv_split(&dirs, "/usr/sbin:/usr/bin:/sbin:/bin", ":");
	for (size_t i = 0; i < dirs.n; i++) {
		own_free char *file = xasprintf("%s/%s", dirs.item[i], name);

		if (access(file, X_OK) == 0)
			return take_ptr(&file);
	}
	return NULL;
}

bool spawn_has(const char *name)
{
	own_free char *file = find_program(name);

	return file != NULL;
}

/* Debian's packages, where they are called otherwise than their programs. */
static const char *package_of(const char *program)
{
	static const char *const row[][2] = {
		{ "nft", "nftables" },
		{ "iptables-legacy-save", "iptables" },
		{ "iptables-legacy-restore", "iptables" },
		{ "ip6tables-legacy-save", "iptables" },
		{ "ip6tables-legacy-restore", "iptables" },
		{ "qemu-img", "qemu-utils" },
		{ "qemu-storage-daemon", "qemu-system-common" },
		{ "virsh", "libvirt-clients" },
		{ "guestfish", "libguestfs-tools" },
		{ "ssh", "openssh-client" },
		{ "tc", "iproute2" },
		{ "nsenter", "util-linux" },
	};

	for (size_t i = 0; i < array_len(row); i++) {
		if (!strcmp(row[i][0], program))
			return row[i][1];
	}
	return program;
}

int spawn_absent(const char *name, struct err *e)
{
	err_set(e, ERR_CHILD, "the program %s is not here", name);
	if (e)
		e->sys = ENOENT;
	if (strchr(name, '/'))
		return -1;
	return err_hint(e, "install it (Debian: apt-get install %s), or put it in PATH", package_of(name));
}

static bool same_key(const char *a, const char *b)
{
	size_t n = strcspn(b, "=");

	return strncmp(a, b, n) == 0 && a[n] == '=';
}

static void make_env(struct strv *out, const char *const *extra)
{
	for (char **v = environ; v && *v; v++) {
		bool replaced = false;

		for (const char *const *x = extra; x && *x; x++)
			replaced = replaced || same_key(*v, *x);
		if (!replaced)
			strv_add(out, *v);
	}
	for (const char *const *x = extra; x && *x; x++) {
		if (strchr(*x, '='))
			strv_add(out, *x);
	}
}

struct plan {
	const char *file;
	const struct spawn *s;
	char **env;
	int stdio[3]; /* what becomes 0, 1, 2 */
	int netns;
	int status;   /* write end: errno of a failure before exec */
	pid_t parent;
};

/* Async-signal-safe from here: this runs between fork and exec. */
static void ignore_typed(void)
{
	static const int typed[] = { SIGINT, SIGQUIT, SIGTSTP, SIGHUP };

	for (size_t i = 0; i < array_len(typed); i++)
		signal(typed[i], SIG_IGN);
}

static void __attribute__((noreturn)) child_side(const struct plan *p)
{
	const struct spawn *s = p->s;
	sigset_t none;
	int fds[5], n = 0, sys;

	/* Raise what we keep above 2 first, so that the dup2s cannot overwrite it. */
	for (int i = 0; i < 3; i++) {
		fds[i] = p->stdio[i] == SPAWN_INHERIT ? i : fcntl(p->stdio[i], F_DUPFD, 10);
		if (fds[i] < 0)
			goto fail;
	}
	fds[3] = fcntl(p->status, F_DUPFD_CLOEXEC, 10);
	if (fds[3] < 0)
		goto fail;
	n = 4;
	for (int i = 0; i < 3; i++) {
		if (fds[i] != i && dup2(fds[i], i) < 0)
			goto fail;
	}
	if (s->pass_fd > 2 && fcntl(s->pass_fd, F_SETFD, 0) < 0)
		goto fail;
	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (s->new_session)
		setsid();
	else if (s->asks)
		ignore_typed();
	else
		setpgid(0, 0);
	if (!s->outlive) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != p->parent)
			_exit(127);
	}
	if (p->netns >= 0 && setns(p->netns, CLONE_NEWNET) < 0)
		goto fail;
	if (s->chdir && chdir(s->chdir) < 0)
		goto fail;
	/* Everything else goes at exec: also what a library left without CLOEXEC. */
	syscall(SYS_close_range, 3, ~0u, 4 /* CLOSE_RANGE_CLOEXEC */);
	if (s->pass_fd > 2)
		fcntl(s->pass_fd, F_SETFD, 0);
	for (size_t i = 0; i < s->n_pass_fds; i++)
		fcntl(s->pass_fds[i], F_SETFD, 0);
	if (s->in_child && s->in_child() < 0)
		goto fail;
	execve(p->file, (char *const *)s->argv, p->env);
fail:
	sys = errno;
	while (write(n ? fds[3] : p->status, &sys, sizeof(sys)) < 0 && errno == EINTR)
		;
	_exit(127);
}

static int stdio_of(int want, bool input, int *ours, struct err *e)
{
	int pipes[2];

	if (want == SPAWN_NULL) {
		int fd = open("/dev/null", (input ? O_RDONLY : O_WRONLY) | O_CLOEXEC);

		return fd < 0 ? err_sys(e, "cannot open /dev/null") : fd;
	}
	if (want == SPAWN_PIPE) {
		if (pipe2(pipes, O_CLOEXEC) < 0)
			return err_sys(e, "cannot make a pipe");
		*ours = pipes[input ? 1 : 0];
		return pipes[input ? 0 : 1];
	}
	return want;
}

static void close_theirs(const struct spawn *s, const int stdio[3])
{
	const int want[3] = { s->in, s->out, s->err };

	for (int i = 0; i < 3; i++) {
		if (stdio[i] >= 0 && (want[i] == SPAWN_NULL || want[i] == SPAWN_PIPE))
			close(stdio[i]);
	}
}

static int fork_it(struct child *c, struct plan *p, struct err *e)
{
	int status[2], sys = 0;
	sigset_t all, old;

	if (pipe2(status, O_CLOEXEC) < 0)
		return err_sys(e, "cannot make a pipe");
	p->status = status[1];
	p->parent = getpid();
	/* No handler of ours may run in the child. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	c->pid = fork();
	if (c->pid == 0)
		child_side(p);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	close(status[1]);
	if (c->pid < 0) {
		c->pid = 0;
		close(status[0]);
		return err_sys(e, "cannot fork for %s", c->name);
	}
	if (read_all(status[0], &sys, sizeof(sys)) < 0)
		sys = 0; /* closed by exec: it runs */
	close(status[0]);
	if (sys) {
		waitpid(c->pid, NULL, 0);
		c->pid = 0;
		errno = sys;
		return err_sys(e, "cannot start %s", c->name);
	}
	return 0;
}

int child_start(struct child *c, const struct spawn *s, struct err *e)
{
	own_strv struct strv env = STRV_INIT;
	own_free char *file = find_program(s->argv[0]);
	own_fd int netns = -1;
	const char *slash = strrchr(s->argv[0], '/');
	struct plan p = { .s = s, .stdio = { -1, -1, -1 } };
	int ret = -1;

	*c = (struct child)CHILD_INIT;
	strncat(c->name, slash ? slash + 1 : s->argv[0], sizeof(c->name) - 1);
	if (!file)
		return spawn_absent(s->argv[0], e);
	if (s->netns) {
		netns = open(s->netns, O_RDONLY | O_CLOEXEC);
		if (netns < 0)
			return err_sys(e, "cannot open the network namespace %s", s->netns);
	}
	make_env(&env, s->env);
	p.file = file;
	p.env = env.item;
	p.netns = netns;
	if ((p.stdio[0] = stdio_of(s->in, true, &c->in, e)) == -1 ||
	    (p.stdio[1] = stdio_of(s->out, false, &c->out, e)) == -1 ||
	    (p.stdio[2] = stdio_of(s->err, false, &c->err, e)) == -1)
		goto out;
	if (fork_it(c, &p, e) < 0)
		goto out;
	if (c->err >= 0)
		fcntl(c->err, F_SETFL, O_NONBLOCK);
	ret = 0;
out:
	close_theirs(s, p.stdio);
	if (ret < 0) {
		close_fd(&c->in);
		close_fd(&c->out);
		close_fd(&c->err);
	}
	return ret;
}

/* Takes what stderr has; closes it at its end. */
static void read_tail(struct child *c)
{
	char text[512];
	ssize_t n;

	while (c->err >= 0 && (n = read(c->err, text, sizeof(text))) != 0) {
		size_t room = sizeof(c->tail) - 1 - c->tail_len;

		if (n < 0) {
			if (errno == EAGAIN || errno == EINTR)
				return;
			break;
		}
		if ((size_t)n > room) { /* drop the oldest */
			size_t drop = (size_t)n - room;

			memmove(c->tail, c->tail + drop, c->tail_len - drop);
			c->tail_len -= drop;
		}
		memcpy(c->tail + c->tail_len, text, (size_t)n);
		c->tail_len += (size_t)n;
		c->tail[c->tail_len] = '\0';
	}
	close_fd(&c->err);
}

int child_wait(struct child *c, int timeout_ms, int *status, struct err *e)
{
	uint64_t deadline = clock_deadline(timeout_ms);
	own_fd int pidfd = -1;

	pidfd = (int)syscall(SYS_pidfd_open, c->pid, 0);
	if (pidfd < 0)
		return err_sys(e, "cannot watch %s", c->name);
	for (;;) {
		struct pollfd pfd[2] = { { .fd = pidfd, .events = POLLIN },
					 { .fd = c->err, .events = POLLIN } };
		int n = poll(pfd, 2, clock_left_ms(deadline));

		if (n < 0 && errno == EINTR)
			continue;
		if (n == 0)
			return err_set(e, ERR_TIMEOUT, "%s did not end within %d ms", c->name,
				       timeout_ms);
		if (pfd[1].revents)
			read_tail(c);
		if (!pfd[0].revents)
			continue;
		while (waitpid(c->pid, status, 0) < 0 && errno == EINTR)
			;
		c->pid = 0;
		read_tail(c);
		return 0;
	}
}

int child_err(const struct child *c, int status, struct err *e)
{
	const char *tail = c->tail;
	size_t len = c->tail_len;

	while (len && strchr("\n\r ", tail[len - 1]))
		len--;
	if (WIFSIGNALED(status))
		err_set(e, ERR_CHILD, "%s was killed by signal %d", c->name,
			WTERMSIG(status));
	else
		err_set(e, ERR_CHILD, "%s failed (exit %d)", c->name, WEXITSTATUS(status));
	if (len && e) {
		size_t used = strlen(e->msg);
		size_t most = sizeof(e->msg) - used - 3;

		if (len > most) {
			tail += len - most;
			len = most;
		}
		e->msg[used] = ':';
		e->msg[used + 1] = ' ';
		for (size_t i = 0; i < len; i++)
			e->msg[used + 2 + i] = tail[i] == '\n' ? ' ' : tail[i];
		e->msg[used + 2 + len] = '\0';
	}
	return -1;
}

void child_fini(struct child *c)
{
	int saved = errno, status;

	close_fd(&c->in);
	close_fd(&c->out);
	if (c->pid > 0) {
		kill(c->pid, SIGTERM);
		if (child_wait(c, 500, &status, NULL) < 0 && c->pid > 0) {
			kill(c->pid, SIGKILL);
			while (waitpid(c->pid, NULL, 0) < 0 && errno == EINTR)
				;
			c->pid = 0;
		}
	}
	close_fd(&c->err);
	errno = saved;
}

int spawn_read(const char *const *argv, const char *input, size_t max, int timeout_ms,
	       char **out, int *code, struct err *e)
{
	uint64_t deadline = clock_deadline(timeout_ms);
	struct spawn s = SPAWN_INIT(argv);
	own_child struct child c = CHILD_INIT;
	own_free char *text = xmalloc(4096);
	size_t have = 0, cap = 4096;
	int status;

	s.out = SPAWN_PIPE;
	if (input)
		s.in = SPAWN_PIPE;
	if (child_start(&c, &s, e) < 0)
		return -1;
	if (input) {
		/* At most a pipe's worth: cannot block. */
		if (write_all(c.in, input, strlen(input)) < 0 && errno != EPIPE)
			return err_sys(e, "cannot write to %s", c.name);
		close_fd(&c.in);
	}
	for (;;) {
		struct pollfd pfd[2] = { { .fd = c.out, .events = POLLIN },
					 { .fd = c.err, .events = POLLIN } };
		ssize_t n = poll(pfd, 2, clock_left_ms(deadline));

		if (n < 0 && errno == EINTR)
			continue;
		if (n == 0)
			return err_set(e, ERR_TIMEOUT, "%s did not end within %d ms", c.name,
				       timeout_ms);
		if (pfd[1].revents)
			read_tail(&c);
		if (!pfd[0].revents)
			continue;
		n = read(c.out, text + have, cap - have - 1);
		if (n <= 0)
			break;
		have += (size_t)n;
		if (have > max)
			return err_set(e, ERR_CHILD, "%s said more than %zu bytes", c.name,
				       max);
		if (cap - have < 1024)
			text = xrealloc(text, cap *= 2);
	}
	text[have] = '\0';
	if (child_wait(&c, clock_left_ms(deadline), &status, e) < 0)
		return -1;
	if (code && WIFEXITED(status))
		*code = WEXITSTATUS(status);
	else if (status != 0)
		return child_err(&c, status, e);
	if (out)
		*out = take_ptr(&text);
	return 0;
}

int spawn_run(const char *const *argv, int timeout_ms, struct err *e)
{
	struct spawn s = SPAWN_INIT(argv);
	own_child struct child c = CHILD_INIT;
	int status;

	if (child_start(&c, &s, e) < 0 || child_wait(&c, timeout_ms, &status, e) < 0)
		return -1;
	return status == 0 ? 0 : child_err(&c, status, e);
}

int spawn_become(const char *const *argv, struct err *e)
{
	own_free char *file = find_program(argv[0]);

	if (!file)
		return spawn_absent(argv[0], e);
	syscall(SYS_close_range, 3, ~0u, 4 /* CLOSE_RANGE_CLOEXEC */);
	execve(file, (char *const *)(uintptr_t)argv, environ);
	return err_sys(e, "cannot start %s", argv[0]);
}
