// SPDX-License-Identifier: MIT
#include "criu/both.h"

enum { LOG_ERRORS_AND_WARNINGS = 2 };

void criu_both_init(struct criu_both *b, int images, const char *rootfs, const char *log,
		    const char *const *enable_fs, bool cgroups)
{
	Rpc__Opts *ro = &b->opts;

	*b = (struct criu_both){ .opts = RPC__OPTS__INIT, .root = RPC__CGROUP_ROOT__INIT };
	ro->images_dir_fd = images;
	ro->root = (char *)rootfs;
	ro->log_file = (char *)log;
	ro->log_level = LOG_ERRORS_AND_WARNINGS;
	ro->has_log_level = true;
	ro->has_tcp_established = ro->tcp_established = true;
	ro->has_file_locks = ro->file_locks = true;
	ro->has_network_lock = true;
	ro->network_lock = RPC__NETWORK_LOCK__SKIP;
	ro->has_manage_cgroups_mode = true;
	ro->manage_cgroups_mode = RPC__CGROUP_MODE__IGNORE;
	if (cgroups) { /* paths as its cgroup namespace has them, which CRIU is in */
		ro->manage_cgroups_mode = RPC__CGROUP_MODE__SOFT;
		b->root.controller = (char *)"";
		b->root.path = (char *)"/";
		b->roots[0] = &b->root;
		ro->cg_root = b->roots;
		ro->n_cg_root = 1;
	}
	strv_addv(&b->fs, enable_fs);
	ro->enable_fs = b->fs.item;
	ro->n_enable_fs = b->fs.n;
}

void criu_both_fini(struct criu_both *b)
{
	strv_fini(&b->fs);
}
