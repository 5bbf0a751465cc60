// SPDX-License-Identifier: MIT
#include "criu/rpc.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <linux/perf_event.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/own.h"
#include "base/spawn.h"
#include "base/strv.h"

enum {
	RPC_MAX = 64 << 10,	/* an answer: more is not CRIU */
	VERSION_MS = 10000,
	END_MS = 1000,
};

struct criu {
	struct child child;
	int sk;
	int counter; /* see hold_counter */
	uint32_t version; /* 0: not asked yet */
};

/*
 * CRIU sets breakpoints.  The kernel's first task with one makes it patch itself and wait for a grace period (9 ms in the
 * freeze); any performance counter of a task does the same, so it has one from now on.  -1: not allowed; slower, then.
 */
static int hold_counter(void)
{
	struct perf_event_attr a = { .type = PERF_TYPE_SOFTWARE,
				     .size = sizeof(a),
				     .config = PERF_COUNT_SW_DUMMY,
				     .disabled = 1,
				     .exclude_kernel = 1 };

	return (int)syscall(SYS_perf_event_open, &a, getpid(), -1, -1, PERF_FLAG_FD_CLOEXEC);
}

/*
 * What CRIU does not give a task that it restores, the task has from CRIU, and would have from whoever logged in to start
 * us.  CRIU 4.2 leaves out: setgroups for an empty list (restore_creds in pie/restorer.c), oom_score_adj when it is 0
 * (restore_one_alive_task in cr-restore.c), and the session keyring always.  (CPUs and what else can be set from
 * outside: tasks.h.)
 */
static int leave_nothing_of_ours(void)
{
	int fd;

	if (syscall(SYS_setgroups, 0, NULL) < 0)
		return -1;
	if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0 && errno != ENOSYS && errno != EPERM)
		return -1;
	fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	if (fd >= 0) {
		if (write(fd, "0", 1) < 0) /* not everywhere allowed; tasks.h finds it */
			errno = 0;
		close(fd);
	}
	return 0;
}

/* `nsenter` only for what base/spawn does not enter itself. */
static void make_argv(struct strv *argv, const struct criu_opts *o, int fd)
{
	if (o->ipcns || o->utsns || o->cgroupns) {
		strv_add(argv, "nsenter");
		if (o->ipcns)
			strv_addf(argv, "--ipc=%s", o->ipcns);
		if (o->utsns)
			strv_addf(argv, "--uts=%s", o->utsns);
		if (o->cgroupns)
			strv_addf(argv, "--cgroup=%s", o->cgroupns);
		strv_add(argv, "--");
	}
	strv_add(argv, o->program ? o->program : "criu");
	/* What the administrator wrote for CRIU of his own ("timeout 0", "tcp-close") would change what a move relies on. */
	strv_add(argv, "--no-default-config");
	/* By default CRIU reads the build-id of each open file: that breaks a lease, for whose frozen holder the kernel
	 * then waits 45 s.  The trees are the same anyway, and the size is still compared. */
	strv_add(argv, "--file-validation=filesize");
	strv_add(argv, "swrk");
	strv_addf(argv, "%d", fd);
}

int criu_start(struct criu **out, const struct criu_opts *o, struct err *e)
{
	own_strv struct strv argv = STRV_INIT;
	own_strv struct strv env = STRV_INIT;
	own_fd int theirs = -1;
	struct criu *c;
	int sk[2];
	struct spawn s = { .in = SPAWN_NULL, .out = SPAWN_NULL, .err = SPAWN_PIPE };

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sk) < 0)
		return err_sys(e, "cannot make a socket for CRIU");
	theirs = sk[1];
	c = xcalloc(1, sizeof(*c));
	c->child = (struct child)CHILD_INIT;
	c->sk = sk[0];
	c->counter = hold_counter();
	make_argv(&argv, o, theirs);
	if (o->preload)
		strv_addf(&env, "LD_PRELOAD=%s", o->preload);
	strv_add(&env, "CRIU_CONFIG_FILE"); /* another way to the same */
	strv_addv(&env, o->env);
	s.argv = (const char *const *)argv.item;
	s.env = env.n ? (const char *const *)env.item : NULL;
	s.pass_fd = theirs;
	s.pass_fds = o->fds;
	s.n_pass_fds = o->n_fds;
	s.netns = o->netns;
	s.outlive = o->outlive;
	s.in_child = leave_nothing_of_ours;
	if (child_start(&c->child, &s, e) < 0) {
		criu_free(c);
		return -1;
	}
	*out = c;
	return 0;
}

void criu_free(struct criu *c)
{
	if (!c)
		return;
	close_fd(&c->sk);
	close_fd(&c->counter);
	child_fini(&c->child);
	free(c);
}

pid_t criu_pid(const struct criu *c)
{
	return c->child.pid;
}

size_t rpc_pack(const Rpc__Request *req, unsigned char **out)
{
	*out = xmalloc(rpc__request__get_packed_size(req));
	return rpc__request__pack(req, *out);
}

static int send_request(struct criu *c, const Rpc__Request *req, struct err *e)
{
	own_free unsigned char *bytes = NULL;
	size_t n = rpc_pack(req, &bytes);

	if (send(c->sk, bytes, n, MSG_NOSIGNAL) != (ssize_t)n)
		return err_sys(e, "cannot send CRIU its request");
	return 0;
}

/* It closed the socket: say how it ended. */
static int gone(struct criu *c, struct err *e)
{
	int status = 0;

	if (c->child.pid > 0 && child_wait(&c->child, 2000, &status, NULL) == 0 && status)
		return child_err(&c->child, status, e);
	return err_set(e, ERR_CHILD, "CRIU ended without an answer");
}

static int recv_answer(struct criu *c, uint64_t deadline, Rpc__Response **out,
		       struct err *e)
{
	own_free unsigned char *bytes = xmalloc(RPC_MAX);
	struct pollfd pfd = { .fd = c->sk, .events = POLLIN };
	ssize_t n;

	while ((n = poll(&pfd, 1, clock_left_ms(deadline))) < 0 && errno == EINTR)
		;
	if (n == 0)
		return err_set(e, ERR_TIMEOUT, "CRIU did not answer in time");
	n = recv(c->sk, bytes, RPC_MAX, 0);
	if (n <= 0)
		return gone(c, e);
	*out = rpc__response__unpack(NULL, (size_t)n, bytes);
	if (!*out)
		return err_set(e, ERR_PROTO, "CRIU's answer cannot be read");
	return 0;
}

/* Answers a notification. */
static int notified(struct criu *c, const Rpc__Notify *n, criu_notify_fn *notify, void *arg,
		    struct err *e)
{
	Rpc__Request ack = RPC__REQUEST__INIT;
	int ret = 0;

	if (notify && n && n->script)
		ret = notify(arg, n->script, n->has_pid ? n->pid : 0);
	ack.type = RPC__TYPE__NOTIFY;
	ack.has_notify_success = true;
	ack.notify_success = ret == 0;
	return send_request(c, &ack, e);
}

/*
 * "No success".  CRIU's own first error line is not always there: a process that it restores may die without one, and it
 * says some things only by a number (cr-errno.h), only to its stderr (before it has a log), or by how it ends.
 */
static int refused(struct criu *c, const Rpc__Response *r, struct err *e)
{
	const char *text = r->cr_errmsg ? r->cr_errmsg : "";
	struct err ended = ERR_INIT;
	int status = 0;

	if (*text)
		return err_set(e, ERR_CHILD, "CRIU refused: %.*s", (int)strcspn(text, "\n"), text);
	if (r->has_cr_errno && r->cr_errno)
		return err_set(e, ERR_CHILD, "CRIU refused: %s", strerror(r->cr_errno));
	if (c->child.pid > 0 && child_wait(&c->child, END_MS, &status, NULL) == 0 && (status || c->child.tail_len)) {
		child_err(&c->child, status, &ended);
		return err_set(e, ERR_CHILD, "CRIU refused: %s", ended.msg);
	}
	return err_set(e, ERR_CHILD, "CRIU refused and said nothing");
}

int criu_call(struct criu *c, const Rpc__Request *req, int timeout_ms,
	      criu_notify_fn *notify, void *arg, Rpc__Response **out, struct err *e)
{
	uint64_t deadline = clock_deadline(timeout_ms);
	Rpc__Response *r = NULL;
	int ret = 0;

	if (send_request(c, req, e) < 0)
		return -1;
	for (;;) {
		if (recv_answer(c, deadline, &r, e) < 0 || !r)
			return -1;
		if (r->type != RPC__TYPE__NOTIFY)
			break;
		ret = notified(c, r->notify, notify, arg, e);
		rpc__response__free_unpacked(r, NULL);
		if (ret < 0)
			return -1;
	}
	if (!r->success || r->type != req->type)
		ret = refused(c, r, e);
	if (ret == 0 && out)
		*out = r;
	else
		rpc__response__free_unpacked(r, NULL);
	return ret;
}

/* 0: it does not tell. */
static uint32_t number_of(const Rpc__Version *v)
{
	return v && v->major_number >= 0 && v->minor_number >= 0 ?
		       (uint32_t)(v->major_number * 10000 + v->minor_number * 100 + (v->has_sublevel ? v->sublevel : 0)) : 0;
}

int criu_ready(struct criu *c, struct err *e)
{
	Rpc__Request req = RPC__REQUEST__INIT;
	Rpc__Response *r = NULL;

	req.type = RPC__TYPE__VERSION;
	req.has_keep_open = req.keep_open = true;
	if (criu_call(c, &req, VERSION_MS, NULL, NULL, &r, e) < 0)
		return -1;
	c->version = number_of(r->version);
	rpc__response__free_unpacked(r, NULL);
	return 0;
}

uint32_t criu_its_version(const struct criu *c)
{
	return c->version;
}

int criu_version(const char *program, int *version, struct err *e)
{
	Rpc__Request req = RPC__REQUEST__INIT;
	const struct criu_opts o = { .program = program };
	Rpc__Response *r = NULL;
	struct criu *c = NULL;
	int ret = -1;

	req.type = RPC__TYPE__VERSION;
	if (criu_start(&c, &o, e) < 0)
		return -1;
	if (criu_call(c, &req, VERSION_MS, NULL, NULL, &r, e) < 0)
		goto out;
	if (!r->version) {
		err_set(e, ERR_PROTO, "CRIU does not tell its version");
		goto out;
	}
	*version = (int)number_of(r->version);
	log_debug("criu %d", *version);
	ret = 0;
out:
	if (r)
		rpc__response__free_unpacked(r, NULL);
	criu_free(c);
	return ret;
}
