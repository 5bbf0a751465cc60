// SPDX-License-Identifier: MIT
/* engine/vz/run/live.c - what the live move needs to know and to do about a native container. */
#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "criu/cgroups.h"
#include "criu/freeze.h"
#include "criu/runcstate.h"
#include "engine/vz/run/run.h"
#include "engine/vz/run/runc.h"

#define RUNC_DIR "/run/runc"

enum { CRIU_ENDS_MS = 60000 };

/* Is there a directory below a process's cgroup in the v2 hierarchy? */
static bool has_cgroups(pid_t pid)
{
	own_free char *dir = cgroups_dir(pid, NULL, NULL);
	own_dir DIR *d = NULL;
	struct dirent *entry;
	char *slash = dir ? strstr(dir, "/init.scope") : NULL;

	if (slash) /* systemd is in one of them itself */
		return true;
	d = dir ? opendir(dir) : NULL;
	while (d && (entry = readdir(d))) {
		if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
			return true;
	}
	return false;
}

/* Its interfaces; and are all routed?  A bridge delivers to it without asking our routes. */
static void fill_net(const struct vz *v, struct ct_parts *out)
{
	own_ctnet struct ctnet net = CTNET_INIT;

	if (vz_net(v, &net, NULL) < 0)
		return;
	out->routed = true;
	for (size_t i = 0; i < net.n; i++) {
		strv_add(&out->ifs, net.ifs[i].name);
		out->routed &= !net.ifs[i].bridge[0];
	}
}

int vz_parts(const struct ct *ct, struct ct_parts *out, struct err *e)
{
	own_vz struct vz v = VZ_INIT;
	own_free char *group = vz_cgroup_of_processes(ct->id);
	struct runc_state s;

	if (runc_state(ct->id, &s, e) < 0 || vz_open_running(&v, ct, e) < 0)
		return -1;
	if (s.pid <= 0)
		return err_set(e, ERR_BROKEN, "container %s has no processes", ct->id);
	*out = (struct ct_parts){ .init = s.pid,
				  .root = xstrdup(ct->root),
				  .netns = xstrdup(v.netns),
				  .freezer = freezer_find(s.pid, group, e),
				  .has_cgroups = has_cgroups(s.pid) };
	fill_net(&v, out);
	if (out->freezer)
		return 0;
	ct_parts_fini(out);
	return -1;
}

int vz_cut(const struct ct *ct, struct err *e)
{
	own_vz struct vz v = VZ_INIT;
	own_ctnet struct ctnet net = CTNET_INIT;

	return vz_open_running(&v, ct, e) < 0 || vz_net(&v, &net, e) < 0 ||
			       ctnet_close(&net, e) < 0 ? -1 : 0;
}

int vz_thaw(const struct ct *ct, struct err *e)
{
	own_freezer struct freezer f = FREEZER_INIT;
	own_free char *group = vz_cgroup_of_processes(ct->id);
	own_free char *dir = freezer_find(0, group, e);

	return !dir || freezer_open(&f, dir, false, e) < 0 || freezer_thaw(&f, e) < 0 ? -1 : 0;
}

int vz_uncut(const struct ct *ct, struct err *e)
{
	own_vz struct vz v = VZ_INIT;
	own_ctnet struct ctnet net = CTNET_INIT;
	struct err why = ERR_INIT;
	struct runc_state s;
	int ret;

	if (runc_state(ct->id, &s, NULL) == 0 && s.pid > 0)
		freezer_wait_for_criu(s.pid, CRIU_ENDS_MS);
	ret = vz_open_running(&v, ct, e) < 0 || vz_net(&v, &net, e) < 0 || ctnet_open(&net, e) < 0 ? -1 : 0;
	/* Whatever is wrong with its network, it is not to stay frozen for that. */
	if (vz_thaw(ct, &why) == 0)
		return ret;
	if (ret == 0)
		*e = why;
	else
		err_wrap(e, "%s; and", why.msg);
	return -1;
}

int vz_swap(const struct ct *ct, pid_t init, struct err *e)
{
	own_free char *dir = xasprintf(RUNC_DIR "/%s", ct->id);

	/* First: what is half swapped must never be started by runc. */
	return vz_mark_held(ct->id, true, e) < 0 ? -1 : runcstate_adopt(dir, init, e);
}
