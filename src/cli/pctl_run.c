// SPDX-License-Identifier: MIT
/* cli/pctl_run.c - start, stop, restart, mount, umount. */
#include <string.h>

#include "base/clock.h"
#include "base/own.h"
#include "base/parse.h"
#include "base/spawn.h"
#include "cli/pctl.h"
#include "engine/runc.h"
#include "engine/vz_run.h"

enum { STOP_TIMEOUT_S = 60, WAIT_TIMEOUT_S = 120 };

/* The container, locked; the lock goes when *lock is closed. */
static int take(const struct pctl_args *a, const char *why, struct ct *ct, int *lock, struct err *e)
{
	if (pctl_find(a, ct, e) < 0)
		return -1;
	if (vz_lock(ct->id, why, NULL, lock, e) == 0)
		return 0;
	ct_fini(ct);
	return -1;
}

static int give(struct ct *ct, int *lock, int ret)
{
	vz_unlock(ct->id, lock);
	ct_fini(ct);
	return ret;
}

static int timeout_of(const struct pctl_args *a, uint64_t standard_s, int *out_ms, struct err *e)
{
	const char *text = pctl_arg(a, "timeout");
	uint64_t s = standard_s;

	if (text && parse_u64(text, "the timeout", 0, 86400, &s, e) < 0)
		return -1;
	*out_ms = pctl_arg(a, "fast") ? 0 : (int)s * 1000;
	return 0;
}

/* systemd says when it has started everything; of others we know only that they run. */
static int wait_started(const struct ct *ct, int timeout_ms, struct err *e)
{
	uint64_t until = clock_deadline(timeout_ms);
	own_vz struct vz v = VZ_INIT;
	struct vz_init init;
	enum vz_init_kind kind;

	if (vz_open(&v, ct->id, e) < 0 || vz_init_find(&v, &init, e) < 0)
		return -1;
	kind = init.kind;
	vz_init_fini(&init);
	while (kind == VZ_INIT_SYSTEMD) {
		own_strv struct strv argv = STRV_INIT;
		own_free char *word = NULL;
		int code = 0;

		runc_exec_argv(&argv, ct->id, NULL);
		strv_addv(&argv, spawn_argv("systemctl", "is-system-running"));
		if (spawn_read((const char *const *)argv.item, NULL, 4096, 10000, &word, &code, e) < 0)
			return -1;
		if (code == 0 || (word && strncmp(word, "degraded", 8) == 0))
			return 0;
		if (clock_left_ms(until) == 0)
			return err_set(e, ERR_START, "container %s runs, but its start is not complete: %.*s",
				       ct->id, word ? (int)strcspn(word, "\n") : 0, word ? word : "");
		clock_sleep_ms(100);
	}
	return 0;
}

static int start_it(const struct pctl_args *a, const struct ct *ct, struct err *e)
{
	int timeout_ms;

	if (timeout_of(a, WAIT_TIMEOUT_S, &timeout_ms, e) < 0 || vz_start(ct, e) < 0)
		return -1;
	return pctl_arg(a, "wait") ? wait_started(ct, timeout_ms, e) : 0;
}

int pctl_start(const struct pctl_args *a, struct err *e)
{
	struct ct ct = CT_INIT;
	int lock = -1;

	if (take(a, "starting", &ct, &lock, e) < 0)
		return -1;
	return give(&ct, &lock, start_it(a, &ct, e));
}

int pctl_stop(const struct pctl_args *a, struct err *e)
{
	struct ct ct = CT_INIT;
	int lock = -1, timeout_ms;

	if (timeout_of(a, STOP_TIMEOUT_S, &timeout_ms, e) < 0 ||
	    take(a, "stopping", &ct, &lock, e) < 0)
		return -1;
	return give(&ct, &lock, vz_stop(&ct, timeout_ms, e));
}

int pctl_restart(const struct pctl_args *a, struct err *e)
{
	struct ct ct = CT_INIT;
	int lock = -1, timeout_ms, ret;

	if (timeout_of(a, STOP_TIMEOUT_S, &timeout_ms, e) < 0 ||
	    take(a, "restarting", &ct, &lock, e) < 0)
		return -1;
	ret = vz_stop(&ct, timeout_ms, e);
	return give(&ct, &lock, ret < 0 ? ret : start_it(a, &ct, e));
}

static int mount_it(const struct ct *ct, bool up, struct err *e)
{
	own_vz struct vz v = VZ_INIT;
	enum ct_state state;

	if (vz_open(&v, ct->id, e) < 0 || vz_state(ct, &state, e) < 0)
		return -1;
	if (state != CT_STOPPED && state != CT_MOUNTED)
		return err_set(e, ERR_EXISTS, "container %s is %s", ct->id, ct_state_word(state));
	return up ? vz_mount(&v, e) : vz_clear(ct, e);
}

int pctl_mount(const struct pctl_args *a, struct err *e)
{
	struct ct ct = CT_INIT;
	int lock = -1;

	if (take(a, "mounting", &ct, &lock, e) < 0)
		return -1;
	return give(&ct, &lock, mount_it(&ct, true, e));
}

int pctl_umount(const struct pctl_args *a, struct err *e)
{
	struct ct ct = CT_INIT;
	int lock = -1;

	if (take(a, "unmounting", &ct, &lock, e) < 0)
		return -1;
	return give(&ct, &lock, mount_it(&ct, false, e));
}
