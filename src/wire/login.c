// SPDX-License-Identifier: MIT
#include "wire/login.h"

#include <string.h>
#include <sys/stat.h>

#include "base/cancel.h"
#include "base/log.h"
#include "base/own.h"

enum { LOOK_MS = 20, END_MS = 1000 };

struct login {
	struct child ssh; /* pid 0: nobody had to ask yet, or its connection is dead */
	char *dir;	  /* ours alone: the control socket's */
	char *socket;
	bool asked;
};

struct login *login_new(void)
{
	struct login *l = xcalloc(1, sizeof(*l));

	l->ssh = (struct child)CHILD_INIT;
	return l;
}

static void end(struct login *l)
{
	child_fini(&l->ssh);
	if (l->socket)
		unlink(l->socket);
	if (l->dir)
		rmdir(l->dir);
	free(take_ptr(&l->socket));
	free(take_ptr(&l->dir));
}

void login_free(struct login *l)
{
	if (!l)
		return;
	end(l);
	free(l);
}

static bool alive(struct login *l)
{
	int status;

	return l->ssh.pid > 0 && child_wait(&l->ssh, 0, &status, NULL) < 0;
}

bool login_options(struct login *l, struct strv *ssh)
{
	if (!alive(l))
		return false;
	strv_add(ssh, "-oControlMaster=no");
	strv_addf(ssh, "-oControlPath=%s", l->socket);
	strv_add(ssh, "-oBatchMode=yes");
	return true;
}

static int make_dir(struct login *l, struct err *e)
{
	char dir[] = "/tmp/pmigrate-ssh-XXXXXX";

	if (!mkdtemp(dir))
		return err_sys(e, "cannot make a directory in /tmp");
	l->dir = xstrdup(dir);
	l->socket = xasprintf("%s/s", dir);
	return 0;
}

/* The socket appears when it has logged in. */
static int await_socket(struct login *l, const struct where *w, struct err *e)
{
	for (;;) {
		struct err why = ERR_INIT;
		int status;

		if (access(l->socket, F_OK) == 0)
			return 0;
		if (cancel_requested())
			return cancel_err(e);
		if (child_wait(&l->ssh, LOOK_MS, &status, &why) < 0) {
			if (why.code == ERR_TIMEOUT)
				continue;
			*e = why;
			return -1;
		}
		err_set(e, ERR_CONNECT, "%s did not let us in", w->host);
		return err_hint(e, "ssh has said why");
	}
}

int login_ask(struct login *l, const struct where *w, const struct link_opts *o, struct err *e)
{
	struct link_opts with = { .timeout_ms = o->timeout_ms };
	own_strv struct strv argv = STRV_INIT;
	struct spawn s;
	int ret = -1;

	if (l->asked)
		log_warn("the connection to %s has to be made anew: ssh asks again", w->host);
	l->asked = true;
	end(l);
	if (make_dir(l, e) < 0)
		return -1;
	strv_addv(&with.ssh, (const char *const *)o->ssh.item);
	strv_add(&with.ssh, "-N");
	strv_add(&with.ssh, "-oControlMaster=yes");
	strv_addf(&with.ssh, "-oControlPath=%s", l->socket);
	strv_add(&with.ssh, "-oControlPersist=no");
	link_argv(&argv, w, &with, false, spawn_argv("true")); /* -N: it is not run */
	s = (struct spawn)SPAWN_INIT((const char *const *)argv.item);
	s.err = SPAWN_INHERIT;
	s.asks = true;
	if (child_start(&l->ssh, &s, e) == 0)
		ret = await_socket(l, w, e);
	strv_fini(&with.ssh);
	if (ret < 0)
		end(l);
	return ret;
}
