// SPDX-License-Identifier: MIT
#include "criu/dump.h"

#include <stdlib.h>

#include "base/own.h"
#include "base/strv.h"
#include "criu/why.h"

enum { LOG_ERRORS_AND_WARNINGS = 2 };

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
	own_strv struct strv fs = STRV_INIT;
	Rpc__Request req = RPC__REQUEST__INIT;
	Rpc__Opts ro = RPC__OPTS__INIT;
	Rpc__CgroupRoot root = RPC__CGROUP_ROOT__INIT;
	Rpc__CgroupRoot *roots[] = { &root };
	struct err why = ERR_INIT;

	req.type = RPC__TYPE__DUMP;
	req.opts = &ro;
	ro.images_dir_fd = o->images;
	ro.pid = o->init;
	ro.has_pid = true;
	ro.root = (char *)o->rootfs;
	ro.freeze_cgroup = (char *)o->freezer_dir;
	ro.log_file = (char *)"dump.log";
	ro.log_level = LOG_ERRORS_AND_WARNINGS;
	ro.has_log_level = true;
	ro.has_leave_running = ro.leave_running = true;
	ro.has_tcp_established = ro.tcp_established = true;
	ro.has_file_locks = ro.file_locks = true;
	ro.has_network_lock = true;
	ro.network_lock = RPC__NETWORK_LOCK__SKIP;
	ro.has_manage_cgroups_mode = true;
	ro.manage_cgroups_mode = RPC__CGROUP_MODE__IGNORE;
	if (o->ghost_limit) {
		ro.has_ghost_limit = true;
		ro.ghost_limit = o->ghost_limit > UINT32_MAX ? UINT32_MAX : (uint32_t)o->ghost_limit;
	}
	if (o->cgroups) { /* paths as its cgroup namespace has them, which CRIU is in */
		ro.manage_cgroups_mode = RPC__CGROUP_MODE__SOFT;
		root.controller = (char *)"";
		root.path = (char *)"/";
		ro.cg_root = roots;
		ro.n_cg_root = 1;
	}
	strv_addv(&fs, o->enable_fs);
	ro.enable_fs = fs.item;
	ro.n_enable_fs = fs.n;
	set_externals(&ro, &keys, o->mounts);
	if (criu_call(c, &req, o->timeout_ms, NULL, NULL, NULL, &why) == 0)
		return 0;
	if (why.code == ERR_TIMEOUT || why.code == ERR_SYS) {
		*e = why;
		return err_wrap(e, "the state of the container cannot be saved");
	}
	return why_from_log(e, "the state of the container cannot be saved", o->images,
			    "dump.log", why.msg);
}
