// SPDX-License-Identifier: MIT
/* engine/vz/vz.c - the table of the native engine. */
#include <unistd.h>

#include "engine/vz/run/run.h"

static bool present(void)
{
	return access(VZ_ETC "/vz.conf", F_OK) == 0 || access(VZ_CONF_DIR, F_OK) == 0;
}

const struct engine_ops vz_engine = {
	.name = "vz",
	.present = present,
	.find = vz_find,
	.list = vz_list,
	.state = vz_state,
	.lock = vz_lock,
	.ticket = vz_ticket,
	.unlock = vz_unlock,
	.start = vz_start,
	.stop = vz_stop,
	.describe = vz_describe,
	.retire = vz_retire,
	.plan_home = vz_plan_home,
	.rehearse = vz_rehearse,
	.adopt = vz_adopt,
	.disown = vz_disown,
	.hold = vz_hold,
	.let_run = vz_let_run,
	.unhold = vz_unhold,
	.rename = vz_rename,
	.parts = vz_parts,
	.cut = vz_cut,
	.uncut = vz_uncut,
	.swap = vz_swap,
};
