// SPDX-License-Identifier: MIT
/*
 * pctl/set.c - set: the config is written, and what a running container can take is
 * applied at once: limits, routed addresses, disk space.  The rest counts at its next start.
 */
#include <string.h>

#include "base/log.h"
#include "base/own.h"
#include "engine/vz/run/run.h"
#include "pctl/pctl.h"

/* Only if this changes does the network of a running container have to be touched. */
static bool same_value(const struct vz *a, const struct vz *b, const char *name)
{
	own_free char *x = vz_value(a, name, ""), *y = vz_value(b, name, "");

	return strcmp(x, y) == 0;
}

static int apply_addresses(const struct vz *before, const struct vz *after, struct err *e)
{
	own_ctnet struct ctnet from = CTNET_INIT, to = CTNET_INIT;

	if (same_value(before, after, "IP_ADDRESS"))
		return 0;
	if (vz_net(before, &from, e) < 0 || vz_net(after, &to, e) < 0)
		return -1;
	return ctnet_change(&from, &to, e);
}

static void tell_later(const struct vz *before, const struct vz *after)
{
	static const char *const later[] = { "NETIF", "VE_INIT", "VE_INIT_LOG", "LIVE_PROFILE",
					     "CAPABILITY", "VE_ENVIRONMENT", "RATE", "HOSTNAME" };

	for (size_t i = 0; i < array_len(later); i++) {
		if (!same_value(before, after, later[i]))
			log_info("%s counts when container %s is started again", later[i], after->ct.id);
	}
}

static int apply_running(const struct vz *before, const struct vz *after, struct err *e)
{
	if (vz_cgroup_prepare(after, e) < 0 || apply_addresses(before, after, e) < 0 ||
	    vz_files_write(after, e) < 0 || vz_note_running(after, e) < 0)
		return err_wrap(e, "saved, but not applied");
	tell_later(before, after);
	return 0;
}

/* The name is a registry's entry, too. */
static int set_name(const struct pctl_args *a, const struct ct *ct, struct conf *c, struct err *e)
{
	const char *name = pctl_arg(a, "name");
	own_free char *owner = name ? vz_name_owner(name) : NULL;

	if (!name)
		return 0;
	if (!*name) {
		if (ct->name)
			vz_name_remove(ct->name, ct->id);
		conf_unset(c, "NAME");
		return 0;
	}
	if (vz_name_check(name, e) < 0)
		return -1;
	if (owner && strcmp(owner, ct->id) != 0)
		return err_set(e, ERR_NAME_USED, "the name '%s' belongs to container %s", name, owner);
	if (vz_name_add(name, ct->id, e) < 0 || conf_set(c, "NAME", name, e) < 0)
		return -1;
	if (ct->name && strcmp(ct->name, name) != 0)
		vz_name_remove(ct->name, ct->id);
	return 0;
}

int pctl_understood(const struct vz *v, struct err *e)
{
	own_ctnet struct ctnet net = CTNET_INIT;
	own_free char *cpus = NULL;
	struct cgroup_limits l;

	return vz_net(v, &net, e) < 0 || vz_limits(v, &l, &cpus, e) < 0 ? -1 : 0;
}

/* All of it is understood before anything is written.  What was wrong in the file before is told, but nobody
 * has to mend it first: this very command may be about to, or be about something else. */
static int check(const struct vz *before, const struct vz *after, struct err *e)
{
	struct err old = ERR_INIT, now = ERR_INIT;

	if (pctl_understood(after, &now) == 0)
		return 0;
	if (pctl_understood(before, &old) == 0 || strcmp(old.msg, now.msg) != 0) {
		if (e)
			*e = now;
		return -1;
	}
	log_warn("it does not start with this in %s: %s", after->conf_file, now.msg);
	return 0;
}

static int set_it(const struct pctl_args *a, const struct ct *ct, struct err *e)
{
	own_vz struct vz before = VZ_INIT, after = VZ_INIT;
	enum ct_state state;

	if (vz_open(&before, ct->id, e) < 0 || vz_open(&after, ct->id, e) < 0 ||
	    pctl_apply(a, &after.conf, e) < 0 || check(&before, &after, e) < 0 ||
	    vz_state(ct, &state, e) < 0 || set_name(a, ct, &after.conf, e) < 0 ||
	    conf_save(&after.conf, after.conf_file, e) < 0)
		return -1;
	if ((!same_value(&before, &after, "DISKSPACE") || !same_value(&before, &after, "DISKINODES")) &&
	    vz_disk_limits(&after, true, e) < 0)
		return err_wrap(e, "saved, but not applied");
	return state == CT_RUNNING ? apply_running(&before, &after, e) : 0;
}

int pctl_set(const struct pctl_args *a, struct err *e)
{
	struct ct ct = CT_INIT;
	int lock = -1, ret;

	if (!a->n_given)
		return err_set(e, ERR_USAGE, "what shall be set?  pctl set --help");
	if (pctl_find(a, &ct, e) < 0)
		return -1;
	ret = vz_lock(ct.id, "setting", NULL, &lock, e);
	if (ret == 0)
		ret = set_it(a, &ct, e);
	if (ret == 0 && pctl_arg(a, "onboot"))
		pctl_check_onboot_unit();
	vz_unlock(ct.id, &lock);
	ct_fini(&ct);
	return ret;
}
