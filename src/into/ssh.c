// SPDX-License-Identifier: MIT
#include "into/ssh.h"

#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/own.h"
#include "base/path.h"
#include "plan/restrict.h"

#define GREETING "pmigrate-into"
#define RUN_DIR	 "/run/pmigrate"

enum { BANNER_MS = 5000, VER_MS = 20000, PROBE_BYTES = 16 << 20 };

/* The first line of its ssh server, or "". */
static void read_banner(const struct where *w, char out[static 256])
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *all = NULL;
	char port[8];
	size_t n = 0;

	out[0] = '\0';
	snprintf(port, sizeof(port), "%u", w->port ? w->port : 22u);
	if (getaddrinfo(w->host, port, &hints, &all) != 0)
		return;
	for (struct addrinfo *a = all; a && !n; a = a->ai_next) {
		own_fd int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
		struct timeval t = { .tv_sec = BANNER_MS / 1000 };

		if (fd < 0)
			continue;
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof(t));
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t));
		if (connect(fd, a->ai_addr, a->ai_addrlen) < 0)
			continue;
		while (n < 255 && read(fd, out + n, 1) == 1 && out[n] != '\n')
			n++;
	}
	out[n] = '\0';
	freeaddrinfo(all);
}

/* It did not greet: is it a Windows server?  Sets e and returns -1 if so. */
static int refuse_windows(struct into_ssh *s, struct err *e)
{
	own_strv struct strv argv = STRV_INIT;
	own_free char *text = NULL;
	struct windows w = { 0 };
	char banner[256];
	int code;

	read_banner(s->where, banner);
	windows_of_banner(&w, banner);
	if (w.release == WINDOWS_NONE)
		return 0;
	/* Which one?  Only when a key lets us in; a refusal it is anyway. */
	strv_add(&s->opts.ssh, "-oBatchMode=yes");
	link_argv(&argv, s->where, &s->opts, false,
		  spawn_argv("cmd", "/c", "ver & echo %PROCESSOR_ARCHITECTURE%"));
	if (!s->where->password &&
	    spawn_read((const char *const *)argv.item, NULL, 4096, VER_MS, &text, &code,
		       NULL) == 0)
		windows_of_ver(&w, text);
	return windows_refuse(&w, s->where->host, e);
}

int into_ssh_open(struct into_ssh *s, const struct where *w, const struct link_opts *o,
		  struct err *e)
{
	char dir[] = RUN_DIR "/ssh-XXXXXX";
	struct err why = ERR_INIT;

	if (path_mkdirs(RUN_DIR, 0755, e) < 0)
		return -1;
	if (!mkdtemp(dir))
		return err_sys(e, "cannot make a directory in %s", RUN_DIR);
	s->dir = xstrdup(dir);
	s->where = w;
	s->opts.timeout_ms = o->timeout_ms;
	strv_addv(&s->opts.ssh, (const char *const *)o->ssh.item);
	strv_add(&s->opts.ssh, "-oControlMaster=auto");
	strv_addf(&s->opts.ssh, "-oControlPath=%s/s", dir);
	strv_add(&s->opts.ssh, "-oControlPersist=no");
	if (link_open(&s->master, w, &s->opts,
		      spawn_argv("sh", "-c", "echo " GREETING "; exec cat >/dev/null"),
		      GREETING, &why) == 0)
		return 0;
	if (refuse_windows(s, e) < 0)
		return -1;
	if (e)
		*e = why;
	return -1;
}

void into_ssh_close(struct into_ssh *s)
{
	own_free char *socket = NULL;

	if (!s->dir)
		return;
	close_fd(&s->master.in);
	if (s->master.pid > 0) {
		int status;

		child_wait(&s->master, 3000, &status, NULL);
	}
	child_fini(&s->master);
	socket = xasprintf("%s/s", s->dir);
	unlink(socket);
	rmdir(s->dir);
	free(take_ptr(&s->dir));
	strv_fini(&s->opts.ssh);
}

bool into_ssh_is_here(struct into_ssh *s)
{
	/* Nobody else has a directory of this name. */
	return into_ssh_run(s, "test -S \"$1/s\"", (const char *const[]){ s->dir, NULL }, SPAWN_NULL, 4096,
			    VER_MS, NULL, NULL, NULL) == 0;
}

static void argv_of(struct into_ssh *s, const char *script, const char *const *args,
		    struct strv *argv)
{
	own_strv struct strv words = STRV_INIT;

	strv_add(&words, "sh");
	strv_add(&words, "-c");
	strv_add(&words, script);
	strv_add(&words, "sh");
	strv_addv(&words, args);
	link_argv(argv, s->where, &s->opts, false, (const char *const *)words.item);
}

int into_ssh_start(struct into_ssh *s, const char *script, const char *const *args,
		   struct child *c, struct err *e)
{
	own_strv struct strv argv = STRV_INIT;
	struct spawn sp;

	argv_of(s, script, args, &argv);
	sp = (struct spawn)SPAWN_INIT((const char *const *)argv.item);
	sp.in = SPAWN_PIPE;
	sp.out = SPAWN_PIPE;
	/* Ctrl-C on our terminal is ours to handle, not its. */
	sp.new_session = true;
	return child_start(c, &sp, e);
}

/* Reads all of c's stdout; its stderr is drained meanwhile. */
static int read_output(struct child *c, size_t max, uint64_t deadline, char **out,
		       int *status, struct err *e)
{
	size_t have = 0, cap = 4096;
	own_free char *text = xmalloc(cap);

	for (;;) {
		struct pollfd pfd[3] = { { .fd = c->out, .events = POLLIN },
					 { .fd = c->err, .events = POLLIN },
					 { .fd = cancel_fd(), .events = POLLIN } };
		int n = poll(pfd, 3, clock_left_ms(deadline));
		ssize_t got;

		if (n < 0 && errno == EINTR)
			continue;
		if (cancel_requested())
			return cancel_err(e);
		if (n == 0)
			return err_set(e, ERR_TIMEOUT, "the server did not answer in time");
		if (pfd[1].revents && c->pid > 0)
			child_wait(c, 0, status, NULL); /* takes stderr */
		if (!pfd[0].revents)
			continue;
		got = read(c->out, text + have, cap - have - 1);
		if (got <= 0)
			break;
		have += (size_t)got;
		if (have > max)
			return err_set(e, ERR_PROTO, "the server said more than %zu bytes", max);
		if (cap - have < 1024)
			text = xrealloc(text, cap *= 2);
	}
	text[have] = '\0';
	*out = take_ptr(&text);
	return 0;
}

/* The last mark in text, or NULL. */
static char *last_mark(char *text)
{
	char *mark = NULL;

	for (char *p = text; p && (p = strstr(p, "\n" GREETING " ")); p++)
		mark = p;
	return mark;
}

int into_ssh_run(struct into_ssh *s, const char *script, const char *const *args, int in,
		 size_t max, int timeout_ms, char **out, int *code, struct err *e)
{
	/* The exit code travels in the last line: ssh's own failures have codes, too. */
	own_free char *wrapped = xasprintf("( %s\n)\nrc=$?; echo; echo \"" GREETING " $rc\"", script);
	own_strv struct strv argv = STRV_INIT;
	own_child struct child c = CHILD_INIT;
	own_free char *text = NULL;
	struct spawn sp;
	char *mark;
	int status = 0;

	argv_of(s, wrapped, args, &argv);
	sp = (struct spawn)SPAWN_INIT((const char *const *)argv.item);
	sp.in = in;
	sp.out = SPAWN_PIPE;
	sp.new_session = true;
	if (child_start(&c, &sp, e) < 0 ||
	    read_output(&c, max, clock_deadline(timeout_ms), &text, &status, e) < 0)
		return -1;
	if (c.pid > 0 && child_wait(&c, timeout_ms, &status, e) < 0)
		return -1;
	mark = last_mark(text);
	if (!mark || sscanf(mark + 1, GREETING " %d", &status) != 1) {
		child_err(&c, status, e);
		if (e)
			e->code = ERR_LINK;
		return err_wrap(e, "the connection to %s broke", s->where->host);
	}
	*mark = '\0';
	if (code) {
		*code = status;
	} else if (status != 0) {
		child_err(&c, status << 8, e);
		return err_wrap(e, "a command on %s", s->where->host);
	}
	if (out)
		*out = take_ptr(&text);
	return 0;
}

char *into_ssh_rsh(struct into_ssh *s)
{
	own_strv struct strv argv = STRV_INIT, quoted = STRV_INIT;

	link_argv(&argv, s->where, &s->opts, false, spawn_argv("true"));
	/* Up to the "--" before the host; rsync knows both kinds of quotes. */
	for (size_t i = 0; i < argv.n && strcmp(argv.item[i], "--") != 0; i++) {
		const char *w = argv.item[i];

		if (strpbrk(w, " \t\""))
			strv_addf(&quoted, "'%s'", w);
		else
			strv_add(&quoted, w);
	}
	return strv_join(&quoted, " ");
}

char *into_ssh_rsync_host(const struct into_ssh *s)
{
	const char *host = s->where->host;

	return strchr(host, ':') ? xasprintf("[%s]", host) : xstrdup(host);
}

int into_ssh_probe(struct into_ssh *s, double *bytes_per_s, struct err *e)
{
	own_free char *nothing = NULL, *text = NULL;
	uint64_t begun = clock_ns(), between;
	double took;

	/* The first one tells what a command costs by itself. */
	if (into_ssh_run(s, ":", NULL, SPAWN_NULL, 4096, VER_MS, &nothing, NULL, e) < 0)
		return -1;
	between = clock_ns();
	if (into_ssh_run(s, "yes pmigrate | head -c 16777216", NULL, SPAWN_NULL,
			 PROBE_BYTES * 2, VER_MS, &text, NULL, e) < 0)
		return -1;
	took = (double)(clock_ns() - between) - (double)(between - begun);
	*bytes_per_s = took > 0 ? (double)strlen(text) / took * 1e9 : 0;
	return 0;
}
