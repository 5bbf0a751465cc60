// SPDX-License-Identifier: MIT
/* engine/vz/run/state.c - what a native container does right now. */
#include <fcntl.h>

#include "base/file.h"
#include "base/own.h"
#include "engine/vz/run/run.h"
#include "engine/vz/run/runc.h"

bool vz_is_swapped(const char *id)
{
	own_free char *file = xasprintf(VZ_RUN_DIR "/%s/held", id);

	return access(file, F_OK) == 0;
}

static char *held_file(const char *id)
{
	return xasprintf(VZ_RUN_DIR "/%s/held", id);
}

int vz_mark_held(const char *id, bool held, struct err *e)
{
	own_free char *file = held_file(id);

	if (held)
		return file_replace(AT_FDCWD, file, "", 0, 0600, e);
	if (unlink(file) < 0 && errno != ENOENT)
		return err_sys(e, "cannot remove %s", file);
	return 0;
}

/* Mounted by `pctl mount`; a container that ended by itself is still mounted, too, but it
 * has its bundle. */
static enum ct_state state_at_rest(const struct ct *ct)
{
	own_free char *bundle = xasprintf(VZ_RUN_DIR "/%s/config.json", ct->id);

	return vz_root_is_mounted(ct) && access(bundle, F_OK) < 0 ? CT_MOUNTED : CT_STOPPED;
}

int vz_state(const struct ct *ct, enum ct_state *out, struct err *e)
{
	own_free char *held = held_file(ct->id);
	struct runc_state s;

	if (runc_state(ct->id, &s, e) < 0)
		return -1;
	switch (s.status) {
	case RUNC_CREATED:
		*out = CT_HELD;
		break;
	case RUNC_RUNNING:
		*out = access(held, F_OK) == 0 ? CT_HELD : CT_RUNNING;
		break;
	case RUNC_PAUSED:
		*out = access(held, F_OK) == 0 ? CT_HELD : CT_FROZEN;
		break;
	case RUNC_NONE:
	case RUNC_STOPPED:
	default:
		*out = state_at_rest(ct);
		break;
	}
	return 0;
}
