// SPDX-License-Identifier: MIT
/* pctl/run.c - start, stop, restart, mount, umount. */
#include <string.h>

#include "base/log.h"
#include "base/own.h"
#include "base/parse.h"
#include "engine/vz/claim.h"
#include "engine/vz/run/boot.h"
#include "engine/vz/run/run.h"
#include "pctl/pctl.h"

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

/* systemd and OpenRC say when they have started everything, and what failed; of others we
 * know only that they run. */
static int wait_started(const struct ct *ct, int timeout_ms, struct err *e)
{
	own_vz_boot struct vz_boot b = VZ_BOOT_INIT;
	bool goes_on;

	if (vz_boot_wait(ct, timeout_ms, &b, e) < 0)
		return -1;
	goes_on = vz_boot_goes_on(&b);
	for (size_t i = 0; i < b.n; i++)
		log_warn("%s %s%s%s", goes_on ? "it waits for" : "failed in it:", b.unit[i].name,
			 b.unit[i].why[0] ? ": " : "", b.unit[i].why);
	if (b.left_out)
		log_warn("and %zu more", b.left_out);
	if (!goes_on && !b.n && b.state[0] && strcmp(b.state, "running") != 0)
		log_warn("it runs, but its init says %s", b.state);
	if (!goes_on)
		return 0;
	err_set(e, ERR_START, "container %s runs, but its start is not complete: %s", ct->id, b.state);
	return err_hint(e, "look: pctl exec %s systemctl list-jobs", ct->id);
}

int pctl_start_one(const struct ct *ct, struct err *e)
{
	own_vz struct vz v = VZ_INIT;
	enum ct_state state;

	if (vz_open(&v, ct->id, e) < 0 || vz_state(ct, &state, e) < 0)
		return -1;
	/* before anybody is asked whether its addresses are free */
	if (state != CT_STOPPED && state != CT_MOUNTED)
		return err_set(e, ERR_START, "container %s is %s already", ct->id, ct_state_word(state));
	if (vz_yes(&v, "DISABLED", false)) {
		err_set(e, ERR_START, "container %s is disabled: DISABLED=\"yes\"", ct->id);
		return err_hint(e, "pctl set %s --disabled no", ct->id);
	}
	if (vz_start_claimed(&v, e) < 0)
		return -1;
	pctl_tell_left_out(&v.conf);
	return 0;
}

static int start_it(const struct pctl_args *a, const struct ct *ct, struct err *e)
{
	int timeout_ms;

	if (timeout_of(a, WAIT_TIMEOUT_S, &timeout_ms, e) < 0 || pctl_start_one(ct, e) < 0)
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
