// SPDX-License-Identifier: MIT
#include "wire/link.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/own.h"
#include "wire/login.h"

#define ASKPASS_ENV "PMIGRATE_ASKPASS"

enum { CONNECT_MS = 60000, NOISE_MAX = 64 << 10, PASSWORD_MAX = 1024 };

void where_fini(struct where *w)
{
	login_free(w->login);
	if (w->password)
		explicit_bzero(w->password, strlen(w->password));
	free(w->password);
	free(w->user);
	free(w->host);
	*w = (struct where){ 0 };
}

/* One word of a shell-like text, quotes removed; NULL at its end. */
static char *next_word(const char **at, bool *unclosed)
{
	const char *p = *at + strspn(*at, " \t\n");
	char *word, *o, quote = 0;

	if (!*p)
		return NULL;
	o = word = xmalloc(strlen(p) + 1);
	for (; *p && (quote || !strchr(" \t\n", *p)); p++) {
		if (quote && *p == quote)
			quote = 0;
		else if (!quote && (*p == '"' || *p == '\''))
			quote = *p;
		else
			*o++ = *p;
	}
	*o = '\0';
	*unclosed = quote != 0;
	*at = p;
	return word;
}

int link_parse_ssh(const char *text, struct strv *out, struct err *e)
{
	/* ssh(1): the options that take a value. */
	static const char with_value[] = "BbcDEeFIiJLlmOoPpQRSWw";
	bool value_next = false, unclosed = false;

	for (const char *p = text;;) {
		own_free char *word = next_word(&p, &unclosed);
		const char *o;

		if (!word)
			break;
		if (unclosed)
			return err_set(e, ERR_USAGE, "--ssh='%s' has an open quote", text);
		if (!value_next && word[0] != '-') {
			err_set(e, ERR_USAGE, "--ssh='%s': '%s' would be taken as the host", text,
				word);
			return err_hint(e, "give ssh options only; the host stands in the address");
		}
		if (!value_next && (!strcmp(word, "--") || !word[1]))
			return err_set(e, ERR_USAGE, "--ssh='%s': '%s' is no option", text, word);
		strv_add(out, word);
		if (value_next) {
			value_next = false;
			continue;
		}
		for (o = word + 1; *o; o++) {
			if (strchr(with_value, *o)) {
				value_next = !o[1];
				break;
			}
		}
	}
	if (value_next)
		return err_set(e, ERR_USAGE, "--ssh='%s' ends within an option", text);
	return 0;
}

/* 'word' for a POSIX shell. */
static char *shell_quote(const char *word)
{
	char *out = xmalloc(strlen(word) * 4 + 3), *o = out;

	if (*word && !word[strspn(word, "abcdefghijklmnopqrstuvwxyz"
					"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:=@%+,-")]) {
		strcpy(out, word);
		return out;
	}
	*o++ = '\'';
	for (; *word; word++) {
		if (*word == '\'')
			o = stpcpy(o, "'\\''");
		else
			*o++ = *word;
	}
	strcpy(o, "'");
	return out;
}

void link_argv(struct strv *out, const struct where *w, const struct link_opts *o, bool tty,
	       const char *const *remote)
{
	const char *ssh = getenv("PMIGRATE_SSH");
	own_strv struct strv words = STRV_INIT;
	own_free char *command = NULL;
	int alive_s = o->timeout_ms > 3000 ? o->timeout_ms / 3000 : 1;

	strv_add(out, ssh && *ssh ? ssh : "ssh");
	strv_add(out, tty ? "-tt" : "-T");
	/* The user's --ssh comes first: ssh takes the first value of an option. */
	strv_addv(out, (const char *const *)o->ssh.item);
	strv_addf(out, "-oServerAliveInterval=%d", alive_s);
	strv_add(out, "-oServerAliveCountMax=3");
	strv_addf(out, "-oConnectTimeout=%d", alive_s * 3 < 30 ? alive_s * 3 : 30);
	strv_add(out, "-oCompression=no");
	strv_add(out, "-oCiphers=^aes128-gcm@openssh.com,aes256-gcm@openssh.com");
	if (w->password)
		strv_add(out, "-oNumberOfPasswordPrompts=1");
	if (w->port)
		strv_addf(out, "-p%u", w->port);
	if (w->user)
		strv_addf(out, "-l%s", w->user);
	strv_add(out, "--");
	strv_add(out, w->host);
	/* Another user than root must become root there. */
	if (w->user && strcmp(w->user, "root")) {
		strv_add(&words, "sudo");
		strv_add(&words, "-n");
	}
	for (; *remote; remote++) {
		own_free char *q = shell_quote(*remote);

		strv_add(&words, q);
	}
	command = strv_join(&words, " ");
	strv_add(out, command);
}

/* A memory file with the password; its path for SSH_ASKPASS is put into *env. */
static int hide_password(const char *password, char **env, struct err *e)
{
	own_fd int fd = memfd_create("pmigrate", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || fchmod(fd, 0400) < 0 ||
	    write_all(fd, password, strlen(password)) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		return err_sys(e, "cannot keep the password in memory");
	*env = xasprintf(ASKPASS_ENV "=/proc/%d/fd/%d", (int)getpid(), fd);
	return take_fd(&fd);
}

int link_askpass(int argc, char **argv)
{
	const char *path = getenv(ASKPASS_ENV);
	const char *prompt = argc > 1 ? argv[1] : "";
	own_free char *password = NULL;
	size_t len = 0;

	if (!path)
		return -1;
	/* A question about the host key is not answered for the user. */
	if (strstr(prompt, "yes/no") || strstr(prompt, "fingerprint"))
		return 1;
	if (file_read(AT_FDCWD, path, PASSWORD_MAX, &password, &len, NULL) < 0)
		return 1;
	write_all(STDOUT_FILENO, password, len);
	write_all(STDOUT_FILENO, "\n", 1);
	explicit_bzero(password, len);
	return 0;
}

/* One try. */
struct try {
	const struct where *w;
	const struct link_opts *o;
	const char *program, *greeting;
	bool person; /* out: ssh wanted to ask, and could not */
};

/* Why did it end before the greeting? */
static int open_failed(struct child *c, struct try *t, struct err *e)
{
	int status = 0;

	if (child_wait(c, 5000, &status, e) < 0)
		return -1;
	t->person = link_wants_person(status, c->tail);
	return link_why(t->w, t->program, status, c->tail, e);
}

/* Reads up to and with the greeting's line, byte by byte: what follows it is not ours. */
static int await_greeting(struct child *c, struct try *t, struct err *e)
{
	uint64_t deadline = isatty(STDIN_FILENO) ? 0 : clock_deadline(CONNECT_MS);
	char line[512];
	size_t len = 0, total = 0;

	for (;;) {
		struct pollfd pfd[2] = { { .fd = c->out, .events = POLLIN },
					 { .fd = cancel_fd(), .events = POLLIN } };
		int n = poll(pfd, 2, clock_left_ms(deadline));
		char ch;

		if (n < 0 && errno == EINTR)
			continue;
		if (cancel_requested())
			return cancel_err(e);
		if (n == 0)
			return err_set(e, ERR_CONNECT, "%s did not answer within %d s", t->w->host,
				       CONNECT_MS / 1000);
		if (read(c->out, &ch, 1) != 1)
			return open_failed(c, t, e);
		if (++total > NOISE_MAX)
			return err_set(e, ERR_PROTO, "%s talks, but not as pmigrate does",
				       t->w->host);
		if (ch != '\n' && len < sizeof(line) - 1) {
			line[len++] = ch;
			continue;
		}
		line[len] = '\0';
		if (!strcmp(line, t->greeting))
			return 0;
		if (len)
			log_info("%s: %s", t->w->host, line);
		len = 0;
	}
}

/* ssh -v is for somebody to read. */
static bool is_chatty(const struct link_opts *o)
{
	for (size_t i = 0; i < o->ssh.n; i++) {
		if (!strncmp(o->ssh.item[i], "-v", 2))
			return true;
	}
	return false;
}

static int try_open(struct child *c, struct try *t, const char *const *remote, bool shown, struct err *e)
{
	own_strv struct strv argv = STRV_INIT;
	own_free char *askpass = NULL;
	own_free char *askpass_env = NULL;
	own_fd int secret = -1;
	const char *env[4] = { NULL };
	struct spawn s;

	link_argv(&argv, t->w, t->o, false, remote);
	s = (struct spawn)SPAWN_INIT((const char *const *)argv.item);
	s.in = SPAWN_PIPE;
	s.out = SPAWN_PIPE;
	s.asks = true;
	if (t->w->password) {
		char self[256];
		ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

		if (n < 0)
			return err_sys(e, "cannot find my own program file");
		self[n] = '\0';
		secret = hide_password(t->w->password, &askpass_env, e);
		if (secret < 0)
			return -1;
		askpass = xasprintf("SSH_ASKPASS=%s", self);
		env[0] = askpass;
		env[1] = askpass_env;
		env[2] = "SSH_ASKPASS_REQUIRE=force";
		s.env = env;
	}
	if (shown || is_chatty(t->o))
		s.err = SPAWN_INHERIT; /* prompts and host key questions */
	if (child_start(c, &s, e) < 0) {
		if (e)
			e->code = ERR_CONNECT;
		return -1;
	}
	if (await_greeting(c, t, e) < 0) {
		child_fini(c);
		return -1;
	}
	return 0;
}

/* The same with further options of ssh. */
static int try_with(struct child *c, struct try *t, const char *const *remote, const struct strv *more,
		    struct err *e)
{
	struct link_opts with = { .timeout_ms = t->o->timeout_ms };
	struct try again = *t;
	int ret;

	strv_addv(&with.ssh, (const char *const *)t->o->ssh.item);
	strv_addv(&with.ssh, (const char *const *)more->item);
	again.o = &with;
	ret = try_open(c, &again, remote, false, e);
	t->person = again.person;
	strv_fini(&with.ssh);
	return ret;
}

/* Through the connection that somebody was asked for, when it is there. */
static int through_login(struct child *c, struct try *t, const char *const *remote, bool *there,
			 struct err *e)
{
	own_strv struct strv more = STRV_INIT;

	*there = login_options(t->w->login, &more);
	if (!*there)
		return -1;
	if (try_with(c, t, remote, &more, e) == 0)
		return 0;
	if (t->person)
		err_hint(e, "all links share one connection because ssh has to ask, and the sshd of %s allows few "
			    "sessions in one (MaxSessions): use a key, or fewer --streams", t->w->host);
	return -1;
}

/* Is there somebody to ask, and has the user no ideas of their own about shared connections? */
static bool may_ask(const struct where *w, const struct link_opts *o)
{
	own_fd int tty = -1;

	if (!w->login || w->password)
		return false;
	for (size_t i = 0; i < o->ssh.n; i++) {
		const char *word = o->ssh.item[i];

		if (strcasestr(word, "ControlPath") || strcasestr(word, "ControlMaster") ||
		    !strncmp(word, "-S", 2) || !strncmp(word, "-M", 2))
			return false;
	}
	tty = open("/dev/tty", O_RDWR | O_CLOEXEC);
	return tty >= 0;
}

unsigned link_most(const struct where *w)
{
	own_strv struct strv none = STRV_INIT;

	return w->login && login_options(w->login, &none) ? LOGIN_LINKS_MAX : UINT_MAX;
}

/* Through what was asked for before; by itself, without a question; or it has to ask. */
static int open_asking(struct child *c, struct try *t, const char *const *remote, struct err *e)
{
	own_strv struct strv batch = STRV_INIT;
	struct err why = ERR_INIT;
	bool there;

	if (through_login(c, t, remote, &there, e) == 0)
		return 0;
	if (there)
		return -1;
	strv_add(&batch, "-oBatchMode=yes");
	if (try_with(c, t, remote, &batch, &why) == 0)
		return 0;
	if (t->person) {
		if (login_ask(t->w->login, t->w, t->o, e) < 0)
			return -1;
		if (through_login(c, t, remote, &there, e) == 0)
			return 0;
		return there ? -1 : err_set(e, ERR_LINK, "the connection to %s broke at once", t->w->host);
	}
	if (e)
		*e = why;
	return -1;
}

int link_open(struct child *c, const struct where *w, const struct link_opts *o,
	      const char *const *remote, const char *greeting, struct err *e)
{
	struct try t = { .w = w, .o = o, .program = remote[0], .greeting = greeting };

	if (may_ask(w, o))
		return open_asking(c, &t, remote, e);
	return try_open(c, &t, remote, !w->password && isatty(STDIN_FILENO), e);
}
