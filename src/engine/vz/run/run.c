// SPDX-License-Identifier: MIT
/*
 * engine/vz/run/run.c - STOPPED -> HELD -> RUNNING and back.
 *
 *	stage	mount, files, cgroups, network (closed), bundle
 *	hold	stage + runc create
 *	let_run	open the network, runc start, announce, ID.start
 *	stop	ID.stop, ask the init, wait, kill, clear
 *	clear	everything that stage and runc made, in the reverse order
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/own.h"
#include "base/path.h"
#include "base/spawn.h"
#include "engine/vz/run/run.h"
#include "engine/vz/run/runc.h"

enum { HALT_TIMEOUT_MS = 10000 };

/* As vz_open, but the config that it runs with, if it does, and no config is fine: there
 * may be things to clear away for a container that is registered no more. */
int vz_open_running(struct vz *v, const struct ct *ct, struct err *e)
{
	own_free char *file = xasprintf(VZ_RUN_DIR "/%s/conf", ct->id);
	struct err why = ERR_INIT;

	if (vz_open(v, ct->id, &why) < 0 && vz_open_new(v, ct->id, e) < 0)
		return -1;
	conf_load(&v->conf, file, NULL);
	free(v->ct.root);
	free(v->ct.private_area);
	v->ct.root = xstrdup(ct->root);
	v->ct.private_area = xstrdup(ct->private_area);
	return 0;
}

int vz_note_running(const struct vz *now, struct err *e)
{
	own_free char *file = xasprintf("%s/conf", now->run_dir);
	own_free char *addresses = vz_value(now, "IP_ADDRESS", "");
	own_conf struct conf c = CONF_INIT;

	if (conf_load(&c, file, e) < 0 || conf_set(&c, "IP_ADDRESS", addresses, e) < 0)
		return -1;
	return conf_save(&c, file, e);
}

static int stage_parts(struct vz *v, const struct vz_init *init, const struct ctnet *net,
		       struct err *e)
{
	return vz_mount(v, e) < 0 || vz_files_write(v, e) < 0 || vz_cgroup_prepare(v, e) < 0 ||
			       ctnet_prepare(net, e) < 0 || vz_bundle_write(v, init, e) < 0 ?
		       -1 :
		       0;
}

/* stage, for who has the init already */
static int stage_with(struct vz *v, const struct vz_init *init, struct err *e)
{
	own_ctnet struct ctnet net = CTNET_INIT;
	bool was_mounted = vz_root_is_mounted(&v->ct);

	if (vz_net(v, &net, e) < 0 || vz_clear(&v->ct, e) < 0)
		return -1;
	if (stage_parts(v, init, &net, e) == 0)
		return 0;
	vz_clear(&v->ct, NULL);
	if (was_mounted)
		vz_mount(v, NULL);
	return -1;
}

int vz_stage(struct vz *v, struct err *e)
{
	struct vz_init init;
	int ret;

	if (vz_init_find(v, &init, e) < 0)
		return -1;
	ret = stage_with(v, &init, e);
	vz_init_fini(&init);
	return ret;
}

static int create_process(const struct vz *v, const struct vz_init *init, struct err *e)
{
	struct runc_state s;

	if (runc_create(v->ct.id, v->run_dir, e) < 0 || runc_state(v->ct.id, &s, e) < 0)
		return -1;
	vz_cgroup_settle(v->ct.id);
	if (init->kind != VZ_INIT_SYSTEMD || !vz_live_profile(v))
		return 0;
	own_free char *path = xasprintf("/proc/%d/root", (int)s.pid);
	own_fd int root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (root < 0)
		return err_sys(e, "cannot open the root of container %s", v->ct.id);
	return vz_live_drop_in(root, e);
}

int vz_hold(const struct ct *ct, struct err *e)
{
	own_vz struct vz v = VZ_INIT;
	struct vz_init init;
	enum ct_state state;
	int ret = -1;

	if (vz_state(ct, &state, e) < 0)
		return -1;
	if (state != CT_STOPPED && state != CT_MOUNTED)
		return err_set(e, ERR_START, "container %s is %s already", ct->id,
			       ct_state_word(state));
	if (vz_open(&v, ct->id, e) < 0 || vz_init_find(&v, &init, e) < 0)
		return -1;
	if (stage_with(&v, &init, e) == 0) {
		ret = create_process(&v, &init, e);
		if (ret < 0)
			vz_clear(ct, NULL);
	}
	vz_init_fini(&init);
	if (ret < 0 && e && (e->code == ERR_SYS || e->code == ERR_CHILD))
		e->code = ERR_START;
	return ret;
}

int vz_let_run(const struct ct *ct, struct err *e)
{
	own_vz struct vz v = VZ_INIT;
	own_ctnet struct ctnet net = CTNET_INIT;
	struct err why = ERR_INIT;

	if (vz_open_running(&v, ct, e) < 0 || vz_net(&v, &net, e) < 0 || ctnet_open(&net, e) < 0)
		return -1;
	if (vz_is_swapped(ct->id)) { /* it goes on where it was */
		if (vz_thaw(ct, e) == 0)
			return vz_mark_held(ct->id, false, e);
		ctnet_close(&net, NULL);
		return -1;
	}
	if (runc_start(ct->id, v.run_dir, e) < 0) {
		ctnet_close(&net, NULL);
		if (e)
			e->code = ERR_START;
		return -1;
	}
	if (vz_script_inside(&v, "start", &why) < 0)
		log_warn("the start script of container %s: %s", ct->id, why.msg);
	return 0;
}

int vz_unhold(const struct ct *ct, struct err *e)
{
	enum ct_state state;

	if (vz_state(ct, &state, e) < 0)
		return -1;
	if (state == CT_RUNNING || state == CT_FROZEN)
		return err_set(e, ERR_BROKEN, "container %s is %s, not held", ct->id,
			       ct_state_word(state));
	return vz_clear(ct, e);
}

int vz_start(const struct ct *ct, struct err *e)
{
	if (vz_hold(ct, e) < 0)
		return -1;
	if (vz_let_run(ct, e) < 0) {
		vz_clear(ct, NULL);
		return -1;
	}
	return 0;
}

/* ---- the way back ------------------------------------------------------------------ */

/* Every step is tried; the first failure is told. */
int vz_clear(const struct ct *ct, struct err *e)
{
	own_free char *group = vz_cgroup(ct->id);
	own_ctnet struct ctnet net = CTNET_INIT;
	own_vz struct vz v = VZ_INIT;
	struct err first = ERR_INIT;

	if (vz_open_running(&v, ct, e) < 0)
		return -1;
	/* a network that the config does not describe any more: what is surely there */
	if (vz_net(&v, &net, NULL) < 0)
		net.netns = xstrdup(v.netns);
	/* also those that runc knows nothing of; with processes alive nothing else may go */
	if (cgroup_kill(group, &first) < 0)
		goto out;
	runc_delete(ct->id, &first);
	ctnet_remove(&net, first.code ? NULL : &first);
	vz_umount(&v, first.code ? NULL : &first);
	cgroup_remove(group, first.code ? NULL : &first);
	path_remove_tree(AT_FDCWD, v.run_dir, first.code ? NULL : &first);
out:
	if (!first.code)
		return 0;
	if (e)
		*e = first;
	return err_wrap(e, "container %s is not cleared away", ct->id);
}

/* An init without systemd: its own way to go down. */
static int halt_inside(const struct vz *v, struct err *e)
{
	own_strv struct strv argv = STRV_INIT;

	runc_exec_argv(&argv, v->ct.id, NULL);
	strv_add(&argv, "/sbin/halt");
	return spawn_run((const char *const *)argv.item, HALT_TIMEOUT_MS, e);
}

/* A line of /proc/PID/status, the value as a number in the base; 0 when there is none. */
static uint64_t status_number(pid_t pid, const char *name, int base)
{
	own_free char *file = xasprintf("/proc/%d/status", (int)pid);
	own_free char *text = NULL;
	char *at;

	if (file_read(AT_FDCWD, file, 65536, &text, NULL, NULL) < 0)
		return 0;
	at = strstr(text, name);
	return at ? strtoull(at + strlen(name), NULL, base) : 0;
}

/* Does it handle the signal?  (systemd reads its signals otherwise.) */
static bool catches(pid_t pid, int sig)
{
	return status_number(pid, "\nSigCgt:", 16) >> (sig - 1) & 1;
}

static bool is_called_init(pid_t pid)
{
	own_free char *file = xasprintf("/proc/%d/comm", (int)pid);
	own_free char *text = NULL;

	return file_read(AT_FDCWD, file, 64, &text, NULL, NULL) == 0 && strcmp(text, "init\n") == 0;
}

/*
 * Whoever handles SIGRTMIN+3 means by it what systemd does.  An old init (sysvinit,
 * upstart, busybox) takes no signal for it, but `halt`.  The rest ends by SIGTERM.
 */
static int ask(const struct vz *v, pid_t pid, struct err *e)
{
	struct vz_init init;
	enum vz_init_kind kind;

	if (vz_init_find(v, &init, e) < 0)
		return -1;
	kind = init.kind;
	vz_init_fini(&init);
	if (kind == VZ_INIT_SYSTEMD || catches(pid, SIGRTMIN + 3))
		return runc_kill(v->ct.id, SIGRTMIN + 3, e);
	if (kind == VZ_INIT_OTHER && is_called_init(pid))
		return halt_inside(v, e);
	return runc_kill(v->ct.id, SIGTERM, e);
}

/* Until the first process is gone, or the time is over. */
static bool wait_end(pid_t pid, int timeout_ms)
{
	own_fd int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return fd < 0 || poll(&p, 1, timeout_ms) > 0;
}

int vz_stop(const struct ct *ct, int timeout_ms, struct err *e)
{
	own_vz struct vz v = VZ_INIT;
	struct err why = ERR_INIT;
	struct runc_state s;
	enum ct_state state;

	if (vz_state(ct, &state, e) < 0)
		return -1;
	if (state == CT_MOUNTED)
		return 0;
	if (state != CT_RUNNING)
		return vz_clear(ct, e);
	if (vz_open_running(&v, ct, e) < 0 || runc_state(ct->id, &s, e) < 0)
		return -1;
	if (timeout_ms > 0 && vz_script_inside(&v, "stop", &why) < 0)
		log_warn("the stop script of container %s: %s", ct->id, why.msg);
	if (timeout_ms > 0 && ask(&v, s.pid, &why) < 0)
		log_info("container %s cannot be asked to stop: %s", ct->id, why.msg);
	else if (timeout_ms > 0 && !wait_end(s.pid, timeout_ms))
		log_info("container %s did not stop in %d ms: killed", ct->id, timeout_ms);
	if (vz_clear(ct, e) == 0)
		return 0;
	if (e)
		e->code = ERR_STOP;
	return -1;
}
