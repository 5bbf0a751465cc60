// SPDX-License-Identifier: MIT
#include "criu/dump.h"

#include <signal.h>
#include <stdlib.h>

#include "base/own.h"
#include "base/strv.h"
#include "criu/both.h"
#include "criu/shimdir.h"
#include "criu/why.h"

static void set_externals(Rpc__Opts *ro, struct strv *keys, const struct ext_mounts *l)
{
	for (size_t i = 0; i < l->n; i++) {
		if (ext_mount_is_external(&l->m[i]))
			strv_addf(keys, "mnt[%s]:%s", l->m[i].at, l->m[i].key);
	}
	ro->external = keys->item;
	ro->n_external = keys->n;
}

int criu_dump(struct criu *c, const struct dump_opts *o, struct err *e)
{
	own_strv struct strv keys = STRV_INIT;
	own_criu_both struct criu_both both;
	Rpc__Opts *ro = &both.opts;
	Rpc__Request req = RPC__REQUEST__INIT;
	struct err why = ERR_INIT;

	criu_both_init(&both, o->images, o->rootfs, "dump.log", o->enable_fs, o->cgroups);
	req.type = RPC__TYPE__DUMP;
	req.opts = ro;
	ro->pid = o->init;
	ro->has_pid = true;
	ro->freeze_cgroup = (char *)o->freezer_dir;
	ro->has_leave_running = ro->leave_running = true;
	if (o->ghost_limit) {
		ro->has_ghost_limit = true;
		ro->ghost_limit = o->ghost_limit > UINT32_MAX ? UINT32_MAX : (uint32_t)o->ghost_limit;
	}
	set_externals(ro, &keys, o->mounts);
	if (criu_call(c, &req, o->timeout_ms, NULL, NULL, NULL, &why) == 0)
		return 0;
	if (why.code == ERR_TIMEOUT || why.code == ERR_SYS) {
		*e = why;
		return err_wrap(e, "the state of the container cannot be saved");
	}
	return why_from_log(e, "the state of the container cannot be saved", o->images,
			    "dump.log", why.msg);
}

static void *dumping_main(void *arg)
{
	struct dumping *d = arg;

	d->ret = criu_dump(d->criu, &d->o, &d->err);
	atomic_store(&d->ended, true);
	return NULL;
}

static bool has_ended(void *arg)
{
	return atomic_load(&((struct dumping *)arg)->ended);
}

int dumping_begin(struct dumping *d, struct criu *c, const struct dump_opts *o, int shim, struct err *e)
{
	*d = (struct dumping){ .criu = c, .o = *o, .shim = shim, .gate = -1 };
	if (shimdir_make_gate(shim, e) < 0)
		return -1;
	d->begun = pthread_create(&d->thread, NULL, dumping_main, d) == 0;
	return d->begun ? 0 : err_set(e, ERR_SYS, "cannot start a thread");
}

int dumping_go(struct dumping *d, struct err *e)
{
	d->gate = shimdir_open_gate(d->shim, has_ended, d, e);
	if (d->gate < 0 && has_ended(d))
		return dumping_end(d, e) < 0 ? -1 :
			       err_set(e, ERR_UNSUPPORTED, "CRIU looked at the container before it was frozen");
	return d->gate < 0 ? -1 : 0;
}

int dumping_end(struct dumping *d, struct err *e)
{
	pthread_join(d->thread, NULL);
	d->begun = false;
	close_fd(&d->gate);
	if (d->ret < 0 && e)
		*e = d->err;
	return d->ret;
}

void dumping_stop(struct dumping *d)
{
	if (d->begun) {
		kill(criu_pid(d->criu), SIGKILL);
		dumping_end(d, NULL);
	}
	close_fd(&d->gate);
}
