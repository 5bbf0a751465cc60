// SPDX-License-Identifier: MIT
#include "criu/restore.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/own.h"
#include "base/strv.h"
#include "criu/both.h"
#include "criu/park.h"
#include "criu/why.h"

enum {
	SETTLE_MS = 10000, /* from CRIU's answer until the cgroup says frozen */
};

struct holding {
	struct criu *criu;
	const struct restore_opts *o;
	uint64_t since_ns;
	bool ordered, leaves;
	struct err err;
};

/* A failure at "pre-resume" does not stop CRIU: what can fail is done before. */
static int on_notify(void *arg, const char *script, pid_t pid)
{
	struct holding *h = arg;

	(void)pid;
	log_debug("criu restore: %s after %.1f ms", script,
		  (double)(clock_ns() - h->since_ns) / 1e6);
	if (strcmp(script, "setup-namespaces") == 0 && h->o->park) { /* the first process is there, and forks the others */
		park_go(h->o->park, criu_pid(h->criu));
		h->leaves = true;
	}
	if (strcmp(script, "post-restore") == 0 && h->leaves)
		return park_wait(h->o->park, &h->err);
	if (strcmp(script, "pre-resume") == 0 && h->o->hold) {
		h->ordered = freezer_order(h->o->hold, &h->err) == 0;
		return h->ordered ? 0 : -1;
	}
	return 0;
}

/* All are let go and frozen?  `v1` looks only when asked. */
static int settle(struct freezer *f, struct err *e)
{
	uint64_t deadline = clock_deadline(SETTLE_MS);
	int frozen;

	while ((frozen = freezer_is_frozen(f, e)) == 0) {
		if (clock_left_ms(deadline) == 0)
			return err_set(e, ERR_TIMEOUT, "the restored container does not hold still");
		nanosleep(&(struct timespec){ .tv_nsec = 50000 }, NULL);
	}
	return frozen < 0 ? -1 : 0;
}

static void set_fds(Rpc__Opts *ro, Rpc__InheritFd *fds, Rpc__InheritFd **list,
		    const struct restore_opts *o)
{
	for (size_t i = 0; i < o->n_fds; i++) {
		rpc__inherit_fd__init(&fds[i]);
		fds[i].key = (char *)o->fds[i].key;
		fds[i].fd = o->fds[i].fd;
		list[i] = &fds[i];
	}
	ro->inherit_fd = list;
	ro->n_inherit_fd = o->n_fds;
}

static int call(struct holding *h, Rpc__Request *req, pid_t *init, struct err *e)
{
	Rpc__Response *r = NULL;
	struct err why = ERR_INIT;
	const char *what = "the container cannot be restored";

	if (criu_call(h->criu, req, h->o->timeout_ms, on_notify, h, &r, &why) < 0) {
		if (h->err.code) {
			*e = h->err;
			return -1;
		}
		if (why.code == ERR_TIMEOUT || why.code == ERR_SYS) {
			*e = why;
			return err_wrap(e, "%s", what);
		}
		return why_from_log(e, what, h->o->images, "restore.log", why.msg);
	}
	*init = r->restore ? r->restore->pid : 0;
	rpc__response__free_unpacked(r, NULL);
	if (*init <= 0)
		return err_set(e, ERR_PROTO, "CRIU restored nothing");
	return 0;
}

int criu_restore(struct criu *c, const struct restore_opts *o, pid_t *init, struct err *e)
{
	own_strv struct strv places = STRV_INIT;
	own_criu_both struct criu_both both;
	Rpc__Opts *ro = &both.opts;
	own_free Rpc__InheritFd *fds = xcalloc(o->n_fds + 1, sizeof(*fds));
	own_free Rpc__InheritFd **fd_list = xcalloc(o->n_fds + 1, sizeof(*fd_list));
	Rpc__Request req = RPC__REQUEST__INIT;
	struct holding h = { .criu = c, .o = o, .since_ns = clock_ns(), .err = ERR_INIT };

	criu_both_init(&both, o->images, o->rootfs, "restore.log", o->enable_fs, o->cgroups);
	req.type = RPC__TYPE__RESTORE;
	req.opts = ro;
	ro->has_rst_sibling = ro->rst_sibling = true;
	ro->has_notify_scripts = ro->notify_scripts = true;
	ro->has_lazy_pages = ro->lazy_pages = o->lazy;
	for (size_t i = 0; i < o->mounts->n; i++) {
		if (ext_mount_is_external(&o->mounts->m[i]))
			strv_addf(&places, "mnt[%s]:%s", o->mounts->m[i].key, o->places[i]);
	}
	ro->external = places.item;
	ro->n_external = places.n;
	set_fds(ro, fds, fd_list, o);

	if (call(&h, &req, init, e) < 0)
		return -1;
	if (!o->hold || (h.ordered && settle(o->hold, e) == 0))
		return 0;
	if (h.err.code)
		*e = h.err;
	kill(*init, SIGKILL);
	freezer_thaw(o->hold, NULL);
	waitpid(*init, NULL, 0);
	return -1;
}
